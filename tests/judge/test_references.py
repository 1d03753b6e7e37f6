"""What scipy, statsmodels and scikit-learn compute too is what we compute."""

import numpy as np
import pytest

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.bootstrap import bootstrap
from edgeopt.judge.estimate import holm
from edgeopt.judge.means import student_interval, welch_interval
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.student import student_quantile, student_tail

stats = pytest.importorskip("scipy.stats")
metrics = pytest.importorskip("sklearn.metrics")
multitest = pytest.importorskip("statsmodels.stats.multitest")


@pytest.mark.parametrize("seed", range(20))
def test_holm_rejects_what_statsmodels_rejects(seed):
    p_values = (np.random.default_rng(seed).random(8) ** 4).tolist()

    assert holm(p_values) == multitest.multipletests(p_values, alpha=0.05, method="holm")[0].tolist()


@pytest.mark.parametrize("degrees", [1, 2, 5, 9, 19, 150, 1000])
def test_students_t_is_scipys(degrees):
    assert student_quantile(0.95, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-6)
    assert student_tail(1.7, degrees) == pytest.approx(stats.t.sf(1.7, degrees), abs=1e-5)


def test_the_interval_of_a_mean_is_that_of_scipys_one_sample_t_test():
    values = np.random.default_rng(1).normal(3, 1, 10)

    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)

    assert student_interval(values, 0.95) == pytest.approx(tuple(expected), rel=1e-9)


def test_welchs_interval_is_scipys_but_for_the_degrees_rounded_down():
    generator = np.random.default_rng(2)
    first, second = generator.normal(0, 1, 10), generator.normal(1, 3, 12)
    told = stats.ttest_ind(second, first, equal_var=False)
    factor = stats.t.ppf(0.975, int(told.df)) / stats.t.ppf(0.975, told.df)
    low, high = told.confidence_interval(0.95)
    middle, half = (low + high) / 2, (high - low) / 2

    interval = welch_interval(first, second, 0.95)

    assert interval == pytest.approx((middle - factor * half, middle + factor * half), rel=1e-9)


def test_bca_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(3).lognormal(0, 1, 2000)
    told = stats.bootstrap(
        (values,), np.mean, n_resamples=8000, method="BCa", random_state=np.random.default_rng(4)
    ).confidence_interval

    low, high = bootstrap(lambda rows: float(values[rows].mean()), 2000, seed=5, resamples=8000).interval(0.95)

    # Both are drawn: of 8,000 the percentiles stray by about 3 % of the interval's width.
    assert (low, high) == pytest.approx((told.low, told.high), abs=0.06 * (told.high - told.low))


@pytest.fixture
def two_classes():
    generator = np.random.default_rng(6)
    labels = generator.integers(2, size=500)
    return np.clip(0.3 * labels + 0.7 * generator.random(500), 0.001, 0.999), labels


@pytest.fixture
def many_classes():
    generator = np.random.default_rng(7)
    exponents = np.exp(generator.normal(0, 2, (500, 5)))
    return exponents / exponents.sum(axis=1, keepdims=True), generator.integers(5, size=500)


def value_of(name, scores, labels):
    return METRICS[name].statistic.value(answers_from_scores(scores, labels))


def test_ks_is_scipys(two_classes):
    scores, labels = two_classes

    assert value_of("ks", scores, labels) == pytest.approx(
        stats.ks_2samp(scores[labels == 1], scores[labels == 0]).statistic, rel=1e-9
    )


def test_auc_is_sklearns(two_classes):
    scores, labels = two_classes

    assert value_of("auc", scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores), rel=1e-9)


def test_log_loss_is_sklearns(two_classes, many_classes):
    for scores, labels in (two_classes, many_classes):
        assert value_of("log_loss", scores, labels) == pytest.approx(metrics.log_loss(labels, scores), rel=1e-6)


def test_brier_of_two_classes_is_sklearns(two_classes):
    scores, labels = two_classes

    assert value_of("brier", scores, labels) == pytest.approx(metrics.brier_score_loss(labels, scores), rel=1e-9)


def test_brier_of_many_classes_sums_sklearns_of_each(many_classes):
    scores, labels = many_classes
    each = [metrics.brier_score_loss(labels == index, scores[:, index]) for index in range(5)]

    assert value_of("brier", scores, labels) == pytest.approx(sum(each), rel=1e-9)


@pytest.mark.parametrize("name", ["mse", "mae"])
def test_errors_are_sklearns(name):
    generator = np.random.default_rng(8)
    scores, labels = generator.normal(0, 1, (300, 1)), generator.normal(0, 1, (300, 1))
    reference = {"mse": metrics.mean_squared_error, "mae": metrics.mean_absolute_error}[name]

    assert value_of(name, scores, labels) == pytest.approx(reference(labels, scores), rel=1e-9)
