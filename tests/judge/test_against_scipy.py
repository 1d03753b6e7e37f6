"""What scipy, statsmodels and scikit-learn compute too is what we compute.

None of them has Tango's interval or DeLong's variance: the first is held to published figures and to the likelihood
that it rests on (test_intervals.py), the second to its definition, here. F1 and top-5 are in test_f1.py and
test_statistics.py, Wilson's and Clopper and Pearson's intervals in test_intervals.py, McNemar's mid-p in
test_any_drop.py.
"""

import numpy as np
import pytest

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.auc import auc_difference_interval, auc_interval, placements
from edgeopt.judge.bootstrap import acceleration_of, bootstrap
from edgeopt.judge.calibration import calibration_of
from edgeopt.judge.churn import samples_to_bound
from edgeopt.judge.estimate import holm
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.intervals import normal_quantile, samples_to_separate, tango_score
from edgeopt.judge.latency_patterns import find_drift, find_trend_within
from edgeopt.judge.means import bootstrap_mean, student_interval, welch_interval
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.recorded_findings import recorded_change
from edgeopt.judge.rules import parse_rule
from edgeopt.judge.student import student_quantile, student_tail

stats = pytest.importorskip("scipy.stats")
metrics = pytest.importorskip("sklearn.metrics")
multitest = pytest.importorskip("statsmodels.stats.multitest")
power = pytest.importorskip("statsmodels.stats.power")


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.998])
def test_the_normal_quantile_is_scipys(confidence):
    assert normal_quantile(confidence) == pytest.approx(stats.norm.ppf((1 + confidence) / 2), rel=1e-9)


@pytest.mark.parametrize(("losses", "gains"), [(30, 10), (3, 9), (1, 0), (0, 7)])
def test_the_score_of_no_difference_is_mcnemars_of_statsmodels(losses, gains):
    contingency = pytest.importorskip("statsmodels.stats.contingency_tables")
    told = contingency.mcnemar([[50, losses], [gains, 40]], exact=False, correction=False)

    assert tango_score(losses, gains, 500, 0.0) ** 2 == pytest.approx(told.statistic, rel=1e-9)


@pytest.mark.parametrize(("before", "after", "n"), [(0.90, 0.88, 500), (0.5, 0.55, 200), (0.99, 1.0, 1000)])
def test_the_difference_of_two_recorded_shares_has_newcombes_interval_of_statsmodels(made, before, after, n):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    sides = [
        Side(sha256=name, measurements=(made.figure("accuracy", share, artifact=name, n=n),))
        for name, share in (("old", before), ("new", after))
    ]

    found = recorded_change(
        parse_rule("accuracy >= baseline"), Evidence(baseline=sides[0], candidate=sides[1]), "there are none"
    )

    told = proportion.confint_proportions_2indep(after * n, n, before * n, n, method="newcomb")
    assert found.estimate.interval(0.95) == pytest.approx(told, abs=1e-9)


@pytest.mark.parametrize(("variance", "distance"), [(0.05, 0.01), (0.02, -0.005), (4.0, 0.3)])
def test_the_samples_that_separate_are_those_of_statsmodels(variance, distance):
    told = power.normal_sample_size_one_tail(abs(distance), 0.8, 0.05, np.sqrt(variance))

    assert samples_to_separate(variance, distance) == np.ceil(told)


@pytest.mark.parametrize(("share", "limit"), [(0.01, 0.02), (0.2, 0.25)])
def test_the_samples_that_bound_a_share_are_those_of_statsmodels(share, limit):
    deviations = [np.sqrt(value * (1 - value)) for value in (limit, share)]
    told = power.normal_sample_size_one_tail(limit - share, 0.8, 0.05, deviations[0], std_alternative=deviations[1])

    assert samples_to_bound(share, limit) == np.ceil(told)


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


def test_the_error_of_a_mean_over_clusters_is_the_cluster_robust_one_of_statsmodels():
    linear = pytest.importorskip("statsmodels.regression.linear_model")
    generator = np.random.default_rng(9)
    clusters = generator.integers(40, size=600)
    values = generator.normal(0, 1, 40)[clusters] + generator.normal(0, 1, 600)

    found = bootstrap_mean(values, seed=0, clusters=clusters)

    told = linear.OLS(values, np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert found.value == pytest.approx(told.params[0], rel=1e-9)
    assert found.error == pytest.approx(told.bse[0], rel=1e-9)


def test_the_error_of_a_mean_is_scipys():
    values = np.random.default_rng(10).lognormal(0, 1, 200)

    assert bootstrap_mean(values, seed=0).error == pytest.approx(stats.sem(values), rel=1e-9)


def test_the_acceleration_is_a_sixth_of_scipys_skewness_of_the_jackknife():
    jackknife = np.random.default_rng(11).lognormal(0, 0.2, 50)

    told = -stats.skew(jackknife) / (6 * np.sqrt(50))

    assert acceleration_of(jackknife) == pytest.approx(told, rel=1e-9)


def test_a_drift_has_the_slope_of_theil_and_sen_and_the_score_of_kendall():
    medians = np.log(np.linspace(1, 1.2, 12)) + np.random.default_rng(12).normal(0, 0.01, 12)

    found = find_drift(medians)

    slope = stats.theilslopes(medians).slope
    tau = stats.kendalltau(np.arange(12), medians).statistic
    score = round(tau * 12 * 11 / 2)
    z = (abs(score) - 1) / np.sqrt(12 * 11 * 29 / 18)
    assert found.change == pytest.approx(np.expm1(slope * 11), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.norm.sf(z), rel=1e-9)


def test_a_trend_within_processes_has_the_slopes_of_linregress_and_the_p_of_the_t_test():
    generator = np.random.default_rng(13)
    blocks = [np.linspace(0, 0.1, 20) + generator.normal(0, 0.03, 20) for _ in range(8)]

    found = find_trend_within(blocks)

    slopes = [19 * stats.linregress(np.arange(20), values).slope for values in blocks]
    assert found.p == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue, rel=1e-6)


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


def kernel_of(scores, labels):
    """(positive, negative) 1 where the positive scores higher, a half where both are equal: DeLong's definition."""
    gaps = scores[labels == 1][:, None] - scores[labels == 0]
    return (gaps > 0) + 0.5 * (gaps == 0)


def test_auc_is_scipys_u_of_mann_and_whitney(two_classes):
    scores, labels = two_classes
    positive, negative = scores[labels == 1], scores[labels == 0]

    u = stats.mannwhitneyu(positive, negative).statistic

    assert placements(scores, labels).area == pytest.approx(u / len(positive) / len(negative), rel=1e-9)


def test_the_interval_of_auc_rests_on_delongs_variance_by_its_definition(two_classes):
    scores, labels = two_classes
    scores = np.round(scores, 1)
    kernel = kernel_of(scores, labels)
    rows, columns = kernel.mean(axis=1), kernel.mean(axis=0)
    error = np.sqrt(rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns))

    found = auc_interval(placements(scores, labels), 0.95)

    area = kernel.mean()
    reach = stats.norm.ppf(0.975) * error / (area * (1 - area))
    centre = np.log(area / (1 - area))
    assert found == pytest.approx((1 / (1 + np.exp(reach - centre)), 1 / (1 + np.exp(-reach - centre))), rel=1e-9)


def test_the_interval_of_two_areas_rests_on_delongs_covariance_by_its_definition(two_classes):
    scores, labels = two_classes
    other = np.round(scores + np.random.default_rng(14).normal(0, 0.2, len(scores)), 1)
    kernels = [kernel_of(side, labels) for side in (scores, other)]
    contrast = np.array([-1.0, 1.0])
    variance = sum(
        contrast @ np.cov([kernel.mean(axis=axis) for kernel in kernels]) @ contrast / kernels[0].shape[1 - axis]
        for axis in (0, 1)
    )

    found = auc_difference_interval(placements(scores, labels), placements(other, labels), 0.95)

    difference, reach = kernels[1].mean() - kernels[0].mean(), stats.norm.ppf(0.975) * np.sqrt(variance)
    assert found == pytest.approx((difference - reach, difference + reach), rel=1e-9)


def test_ece_is_that_of_sklearns_calibration_curve(many_classes):
    calibration = pytest.importorskip("sklearn.calibration")
    scores, labels = many_classes
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels

    found = calibration_of(answers_from_scores(scores, labels))

    accuracy, believed = calibration.calibration_curve(right, confidence, n_bins=15)
    counts = [entry.n for entry in found.bins]
    assert [entry.accuracy for entry in found.bins] == pytest.approx(accuracy.tolist())
    assert [entry.confidence for entry in found.bins] == pytest.approx(believed.tolist())
    assert found.ece == pytest.approx(float(np.average(np.abs(accuracy - believed), weights=counts)), rel=1e-9)


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
