import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import InputError
from edgeopt.judge.compare import compare_predictions
from edgeopt.judge.intervals import tango_interval
from edgeopt.judge.predictions import Predictions

KEYS = {"metric", "baseline", "candidate", "difference_pt", "ci95", "flips", "flip_rate", "mcnemar_p", "verdict"}


def _pair(n, losses, gains, *, flips_between_wrong=0):
    """Two classifiers of three classes on `n` samples of class 0, with these counts."""
    before = np.zeros(n, np.int64)
    after = np.zeros(n, np.int64)
    after[:losses] = 1
    before[losses : losses + gains] = 1
    wrong = slice(losses + gains, losses + gains + flips_between_wrong)
    before[wrong], after[wrong] = 1, 2
    labels = np.zeros(n, np.int64)
    scores = [(np.eye(3)[classes] + 0.001 * side).astype(np.float32) for side, classes in enumerate((before, after))]
    return tuple(Predictions(scores=side, labels=labels) for side in scores)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_losses_gains_and_flips_are_counted(losses, gains, wrong):
    found = compare_predictions(*_pair(500, losses, gains, flips_between_wrong=wrong))

    assert (found.losses, found.gains, found.flips) == (losses, gains, losses + gains + wrong)
    assert found.difference == pytest.approx((gains - losses) / 500)
    assert found.ci95 == tango_interval(losses, gains, 500)
    assert found.agreement == pytest.approx(1 - found.flips / 500)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 40))
def test_swapping_the_sides_mirrors_the_comparison(losses, gains):
    baseline, candidate = _pair(600, losses, gains)

    found, swapped = compare_predictions(baseline, candidate), compare_predictions(candidate, baseline)

    mirrored = {"better": "worse", "worse": "better"}
    assert swapped.verdict == mirrored.get(found.verdict, found.verdict)
    assert swapped.ci95 == (-found.ci95[1], -found.ci95[0])
    assert swapped.mcnemar_p == found.mcnemar_p


@pytest.mark.parametrize(
    ("n", "losses", "gains", "verdict"),
    [
        (1000, 40, 5, "worse"),
        (1000, 5, 40, "better"),
        (1000, 10, 10, "undecided"),
        (10_000, 20, 20, "same"),
        (100, 0, 0, "undecided"),
        (1000, 0, 0, "same"),
    ],
)
def test_the_verdict_is_read_off_the_interval(n, losses, gains, verdict):
    found = compare_predictions(*_pair(n, losses, gains))

    assert found.verdict == verdict
    assert (found.samples_needed is not None) == (verdict == "undecided")


def test_the_samples_needed_decide_if_what_was_seen_goes_on():
    found = compare_predictions(*_pair(1000, 10, 10))

    assert found.samples_needed is not None
    assert found.samples_needed > 1000
    factor = math.ceil(found.samples_needed / 1000)
    assert compare_predictions(*_pair(1000 * factor, 10 * factor, 10 * factor)).verdict == "same"


def test_identical_floats_are_the_same_however_few():
    baseline, _ = _pair(5, 1, 1)

    found = compare_predictions(baseline, baseline)

    assert (found.verdict, found.flips, found.sqnr_db) == ("same", 0, math.inf)
    assert found.as_json()["sqnr_db"] is None


def test_identical_classes_of_few_samples_prove_little():
    classes = Predictions(scores=np.array([0, 1, 2, 1]), labels=np.array([0, 1, 2, 2]))

    found = compare_predictions(classes, classes)

    assert (found.verdict, found.flips, found.sqnr_db) == ("undecided", 0, None)


def test_json_has_the_promised_keys_in_points():
    found = compare_predictions(*_pair(200, 10, 4))

    record = found.as_json()

    assert record.keys() >= KEYS | {"losses", "gains", "n", "sqnr_db"}
    assert record["difference_pt"] == pytest.approx(-3.0)
    assert record["ci95"] == pytest.approx([100 * bound for bound in found.ci95])
    assert record["unit"] == "pt"
    assert json.loads(json.dumps(record, allow_nan=False))["baseline"] == pytest.approx(0.98)


def test_without_labels_only_flips_and_noise_are_told():
    baseline, candidate = (Predictions(scores=side.scores) for side in _pair(200, 3, 0))

    found = compare_predictions(baseline, candidate)

    assert (found.flips, found.flip_rate, found.verdict) == (3, 0.015, "undecided")
    assert found.sqnr_db is not None
    assert found.metric is None
    assert found.as_json().keys() >= KEYS
    assert found.as_json()["difference_pt"] is None


def test_without_labels_few_enough_flips_prove_that_accuracy_stayed():
    baseline, candidate = (Predictions(scores=side.scores) for side in _pair(10_000, 10, 5))

    assert compare_predictions(baseline, candidate).verdict == "same"


def test_an_error_is_compared_in_its_own_unit_and_larger_is_worse():
    generator = np.random.default_rng(0)
    labels = generator.normal(size=400)
    baseline = Predictions(scores=labels + 0.1 * generator.normal(size=400), labels=labels)
    candidate = Predictions(scores=labels + 0.3 * generator.normal(size=400), labels=labels)

    found, back = compare_predictions(baseline, candidate), compare_predictions(candidate, baseline)

    assert (found.metric, found.verdict, back.verdict) == ("mse", "worse", "better")
    assert found.flips is None
    assert found.as_json()["difference_pt"] is None
    assert found.as_json()["ci95"] == list(found.ci95)


def test_an_autoencoder_is_compared_over_all_its_values():
    generator = np.random.default_rng(1)
    frames = generator.normal(size=(50, 8, 16)).astype(np.float32)
    baseline = Predictions(scores=frames + np.float32(0.1), labels=frames)
    candidate = Predictions(scores=frames + np.float32(0.1001), labels=frames)

    found = compare_predictions(baseline, candidate)

    assert found.baseline == pytest.approx(0.01, rel=1e-4)
    assert found.verdict == "worse"


def test_an_undecided_error_says_how_many_samples_it_needs():
    generator = np.random.default_rng(2)
    labels = generator.normal(size=60)
    baseline = Predictions(scores=labels + generator.normal(size=60), labels=labels)
    candidate = Predictions(scores=labels + generator.normal(size=60), labels=labels)

    found = compare_predictions(baseline, candidate)

    assert found.verdict == "undecided"
    assert found.samples_needed is not None
    assert found.samples_needed > 60


def test_one_sample_of_a_regression_is_undecided_and_no_number_is_promised():
    one = np.array([1.0])

    found = compare_predictions(Predictions(scores=one, labels=one), Predictions(scores=one + 1, labels=one))

    assert (found.verdict, found.samples_needed) == ("undecided", None)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "auc"])
def test_any_metric_that_suits_can_be_compared(metric):
    generator = np.random.default_rng(3)
    labels = generator.integers(2, size=800)
    scores = 1 / (1 + np.exp(-(generator.normal(size=800) + 2 * labels - 1)))
    worse = np.clip(scores + 0.4 * generator.normal(size=800), 0, 1)
    baseline, candidate = (Predictions(scores=side, labels=labels) for side in (scores, worse))

    found = compare_predictions(baseline, candidate, metric=metric)

    assert (found.metric, found.verdict) == (metric, "worse")
    assert found.ci95[0] <= found.difference <= found.ci95[1]


def test_a_metric_that_does_not_suit_is_refused():
    with pytest.raises(InputError, match="metric `mse` cannot be computed"):
        compare_predictions(*_pair(10, 1, 1), metric="mse")


def test_a_candidate_that_gives_nan_is_refused_by_name():
    baseline, candidate = _pair(10, 1, 1)
    candidate.scores[3] = np.nan

    with pytest.raises(InputError, match="the candidate gives NaN on 1 of 10 samples"):
        compare_predictions(baseline, candidate)


def test_intervals_of_a_null_comparison_rarely_cry_wolf():
    generator = np.random.default_rng(7)
    verdicts = []
    for _ in range(300):
        losses, gains, _ = generator.multinomial(500, [0.02, 0.02, 0.96])
        verdicts.append(compare_predictions(*_pair(500, int(losses), int(gains))).verdict)

    assert np.mean([verdict in {"better", "worse"} for verdict in verdicts]) < 0.08
