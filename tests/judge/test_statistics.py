import numpy as np
import pytest

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.intervals import tango_interval
from edgeopt.judge.statistics import HitShare, MeanError, RocArea, hits, squared_errors, top5_hits


def _answers(predicted, labels, width=5):
    return answers_from_scores(np.eye(width)[predicted], labels)


def test_top5_is_that_of_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(3)
    scores, labels = generator.normal(size=(200, 12)), generator.integers(12, size=200)

    share = HitShare(hits=top5_hits).value(answers_from_scores(scores, labels))

    assert share == pytest.approx(metrics.top_k_accuracy_score(labels, scores, k=5, labels=np.arange(12)))


def test_a_model_that_scores_all_classes_alike_gets_no_top5_for_free():
    labels = np.arange(10)

    assert HitShare(hits=top5_hits).value(answers_from_scores(np.zeros((10, 10)), labels)) == 0.5


def test_losses_and_gains_are_counted_by_sample():
    labels = np.array([0, 1, 2, 3])
    before, after = _answers(np.array([0, 1, 0, 0]), labels), _answers(np.array([0, 0, 2, 3]), labels)

    assert HitShare(hits=hits).discordant(before, after) == (1, 2)
    assert HitShare(hits=hits).difference_bounds(before, after, seed=0)(0.9) == tango_interval(1, 2, 4, 0.9)


def test_errors_of_many_values_are_averaged_within_a_sample():
    answers = answers_from_scores(np.zeros((2, 2, 3)), np.stack([np.full((2, 3), 1.0), np.full((2, 3), 3.0)]))

    assert squared_errors(answers).tolist() == [1.0, 9.0]


def test_a_mean_error_of_one_sample_is_unknown():
    answers = answers_from_scores(np.array([0.5]), np.array([1.5]))

    assert MeanError(errors=squared_errors).bounds(answers, seed=0)(0.95) == (-np.inf, np.inf)


def test_the_paired_interval_of_an_error_is_far_narrower_than_an_unpaired_one():
    generator = np.random.default_rng(5)
    labels = generator.normal(size=500)
    scores = labels + generator.normal(size=500)
    before = answers_from_scores(scores, labels)
    after = answers_from_scores(scores + 0.01 * generator.normal(size=500), labels)
    statistic = MeanError(errors=squared_errors)

    low, high = statistic.difference_bounds(before, after, seed=0)(0.95)
    own_low, own_high = statistic.bounds(before, seed=0)(0.95)

    assert low < statistic.value(after) - statistic.value(before) < high
    assert high - low < (own_high - own_low) / 10


def test_two_columns_order_samples_as_their_softmax_does():
    generator = np.random.default_rng(6)
    logits, labels = 3 * generator.normal(size=(100, 2)), generator.integers(2, size=100)
    exponents = np.exp(logits)

    of_logits = RocArea().value(answers_from_scores(logits, labels))
    of_shares = RocArea().value(answers_from_scores(exponents / exponents.sum(axis=1, keepdims=True), labels))

    assert of_logits == pytest.approx(of_shares)
