import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.judge.auc import Placements, auc_difference_interval, auc_interval, placements

# Few distinct scores, so that ties are common.
ties = arrays.arrays(np.float64, 60, elements=st.integers(0, 6).map(float))
labels = arrays.arrays(np.int64, 60, elements=st.integers(0, 1)).filter(lambda found: 0 < found.sum() < 60)


@given(ties, labels)
def test_the_area_counts_pairs_with_ties_half(scores, truth):
    positives, negatives = scores[truth == 1], scores[truth == 0]
    wins = (positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2

    assert placements(scores, truth).area == pytest.approx(wins)


@given(ties, labels)
def test_the_area_is_that_of_sklearn(scores, truth):
    metrics = pytest.importorskip("sklearn.metrics")

    assert placements(scores, truth).area == pytest.approx(metrics.roc_auc_score(truth, scores))


@given(ties, labels)
def test_both_classes_tell_the_same_area(scores, truth):
    values = placements(scores, truth)

    assert values.negative.mean() == pytest.approx(values.area)


@given(ties, labels, st.floats(0.5, 0.999))
def test_the_interval_holds_the_area_and_stays_a_share(scores, truth, confidence):
    values = placements(scores, truth)

    low, high = auc_interval(values, confidence)

    assert -1e-12 <= low <= values.area + 1e-12
    assert values.area - 1e-12 <= high <= 1 + 1e-12
    assert low < high


@given(ties, labels)
def test_reversed_scores_mirror_the_area(scores, truth):
    assert placements(-scores, truth).area == pytest.approx(1 - placements(scores, truth).area)


def test_perfect_separation_is_not_taken_for_certainty():
    values = placements(np.arange(40.0), np.repeat([0, 1], 20))

    low, high = auc_interval(values, 0.95)

    assert values.area == 1.0
    assert 0.8 < low < 0.9
    assert high == 1.0


def test_a_single_sample_of_a_class_still_gives_an_interval():
    low, high = auc_interval(placements(np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1])), 0.95)

    assert low < 0.3
    assert high == 1.0


def test_without_one_of_the_classes_there_is_no_area():
    assert np.isnan(placements(np.arange(3.0), np.ones(3, np.int64)).area)
    assert np.isnan(placements(np.arange(3.0), np.zeros(3, np.int64)).area)


def _drawn(generator, n):
    truth = generator.integers(2, size=n)
    signal = generator.normal(size=n) + truth
    return signal, signal + 0.5 * generator.normal(size=n), truth


def test_intervals_cover_the_true_area_about_as_often_as_they_say():
    generator = np.random.default_rng(11)
    true_area = 0.7602499389065233  # Phi(1 / sqrt(2)): two unit normals one apart

    intervals = [
        auc_interval(placements(scores, truth), 0.95)
        for scores, _, truth in (_drawn(generator, 120) for _ in range(600))
    ]

    assert 0.925 < np.mean([low <= true_area <= high for low, high in intervals]) < 0.975


def test_the_paired_interval_is_far_narrower_than_an_unpaired_one_and_about_as_wide_as_a_bootstrap():
    scores, noisy, truth = _drawn(np.random.default_rng(4), 2000)
    before, after = placements(scores, truth), placements(noisy, truth)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(400):
        rows = generator.integers(2000, size=2000)
        draws.append(placements(noisy[rows], truth[rows]).area - placements(scores[rows], truth[rows]).area)

    low, high = auc_difference_interval(before, after, 0.95)

    assert low < after.area - before.area < high
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(draws), rel=0.1)
    assert high - low < auc_interval(before, 0.95)[1] - auc_interval(before, 0.95)[0]


def test_equal_orders_leave_the_doubt_of_pairs_that_never_differed():
    values = placements(np.arange(200.0), np.tile([0, 1], 100))

    low, high = auc_difference_interval(values, values, 0.95)

    assert high == pytest.approx(1.959964**2 / (100 + 1.959964**2), rel=1e-5)
    assert low == -high


def test_the_smaller_class_is_counted():
    assert Placements(positive=np.ones(3), negative=np.ones(9)).smaller_class == 3
