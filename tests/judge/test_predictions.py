import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.errors import InputError
from edgeopt.judge.predictions import Predictions, count_flips, paired_answers, require_pairs, signal_to_noise_db

SCORES = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2])
signals = arrays.arrays(np.float64, (8, 4), elements=st.floats(-100, 100))


def _predictions(scores=SCORES, labels=LABELS, **columns):
    return Predictions(scores=scores, labels=labels, columns=columns)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (_predictions(SCORES[:5], LABELS[:5]), "on 6 samples and the candidate on 5"),
        (_predictions(SCORES[:, :2], LABELS % 2), "6x3 `float32` and the candidate 6x2"),
        (
            _predictions(labels=np.array([0, 1, 2, 0, 2, 2])),
            "labels of the baseline and of the candidate differ.*sample 4",
        ),
        (_predictions(speaker=np.array(list("aabbcd"))), "column `speaker` .* differ, first on sample 5"),
        (_predictions(np.full((6, 3), np.nan)), "the candidate gives NaN on 6 of 6 samples"),
        (_predictions(labels=np.array([0, 1, 2, 0, 1, 3])), "label `3` of sample 5 in `the candidate`"),
    ],
)
def test_what_is_not_paired_is_refused(candidate, message):
    baseline = _predictions(speaker=np.array(list("aabbcc")))

    with pytest.raises(InputError, match=message):
        require_pairs(baseline, candidate)


def test_classes_and_scores_are_not_compared():
    with pytest.raises(InputError, match="`float64` and the candidate 3 `int64`"):
        require_pairs(_predictions(np.array([0.1, 0.9, 0.4]), None), _predictions(np.array([0, 1, 0]), None))


def test_shapes_that_differ_by_axes_of_length_one_are_pairs():
    require_pairs(_predictions(), _predictions(SCORES[:, :, None, None], np.eye(3)[LABELS]))


def test_regression_labels_that_went_through_float32_are_the_same():
    labels = np.array([0.1, 0.2, 0.3])

    require_pairs(_predictions(labels, labels), _predictions(labels, labels.astype(np.float32)))


def test_the_labels_of_one_side_serve_both():
    before, after = paired_answers(_predictions(labels=None), _predictions())

    assert before.labels.tolist() == after.labels.tolist() == LABELS.tolist()


def test_answers_need_labels():
    with pytest.raises(InputError, match="neither"):
        paired_answers(_predictions(labels=None), _predictions(labels=None))


def test_both_sides_turn_at_the_threshold_of_the_baseline():
    logits = np.array([-2.0, 0.2, 0.4, 3.0])
    squeezed = np.array([0.0, 0.2, 0.4, 0.9])
    labels = np.array([0, 1, 1, 1])

    before, after = paired_answers(_predictions(logits, labels), _predictions(squeezed, labels))

    assert before.predicted.tolist() == [0, 1, 1, 1]
    assert after.predicted.tolist() == [1, 1, 1, 1]
    assert count_flips(_predictions(logits, labels), _predictions(squeezed, labels)) == 1


def test_flips_are_classes_that_change_right_or_wrong():
    changed = SCORES.copy()
    changed[[1, 4]] = np.roll(SCORES[[1, 4]], 1, axis=1)

    assert count_flips(_predictions(), _predictions(changed)) == 2
    assert count_flips(_predictions(labels=None), _predictions(changed, None)) == 2


def test_flips_of_a_regression_are_refused():
    labels = np.array([0.5, 1.5, 2.5])

    with pytest.raises(InputError, match="regression"):
        count_flips(_predictions(labels, labels), _predictions(labels, labels))


def test_rows_take_all_that_belongs_to_a_sample():
    part = _predictions(speaker=np.array(list("aabbcc"))).rows(np.array([5, 0]))

    assert part.n == 2
    assert part.labels is not None
    assert part.labels.tolist() == [2, 0]
    assert part.columns["speaker"].tolist() == ["c", "a"]


@given(signals, signals, st.floats(0.1, 10))
def test_signal_to_noise_does_not_depend_on_the_scale(signal, noise, factor):
    exact = signal_to_noise_db(signal, signal + noise)

    if math.isfinite(exact) and np.abs(noise).max() > 1e-3 and np.abs(signal).max() > 1e-3:
        assert signal_to_noise_db(factor * signal, factor * (signal + noise)) == pytest.approx(exact, abs=1e-3)


def test_noise_of_a_tenth_is_twenty_decibels():
    signal = np.array([[3.0, -4.0]])

    assert signal_to_noise_db(signal, 1.1 * signal) == pytest.approx(20)


def test_signal_to_noise_of_extremes():
    assert signal_to_noise_db(SCORES, SCORES) == math.inf
    assert signal_to_noise_db(np.zeros(3), np.zeros(3)) == math.inf
    assert signal_to_noise_db(np.zeros(3), np.ones(3)) == -math.inf
    with pytest.raises(InputError, match="`6x3` and `3`"):
        signal_to_noise_db(SCORES, np.zeros(3))


def test_signal_to_noise_is_the_same_in_blocks(monkeypatch):
    noisy = SCORES + np.float32(0.01)
    whole = signal_to_noise_db(SCORES, noisy)

    monkeypatch.setattr("edgeopt.judge.predictions._BLOCK", 4)

    assert signal_to_noise_db(SCORES, noisy) == pytest.approx(whole)
