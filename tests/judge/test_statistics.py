import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.intervals import bootstrap_interval, tango_interval, wilson_interval
from edgeopt.judge.statistics import HitShare, MacroF1, MeanError, RocArea, hits, squared_errors, top5_hits

classes = arrays.arrays(np.int64, 80, elements=st.integers(0, 4))


def _answers(predicted, labels, width=5):
    return answers_from_scores(np.eye(width)[predicted], labels)


@given(classes, classes)
def test_macro_f1_is_that_of_sklearn(predicted, labels):
    metrics = pytest.importorskip("sklearn.metrics")

    value = MacroF1().value(_answers(predicted, labels))

    assert value == pytest.approx(metrics.f1_score(labels, predicted, average="macro", zero_division=0))


@given(classes, classes)
def test_the_interval_of_f1_holds_it_and_stays_a_share(predicted, labels):
    answers = _answers(predicted, labels)

    low, high = MacroF1().bounds(answers, seed=0)(0.9)

    assert 0 <= low <= MacroF1().value(answers) <= high <= 1


def test_the_interval_of_f1_is_that_of_drawing_samples():
    generator = np.random.default_rng(0)
    labels = generator.integers(5, size=500)
    predicted = np.where(generator.random(500) < 0.8, labels, generator.integers(5, size=500))
    answers = _answers(predicted, labels)

    plain = bootstrap_interval(lambda rows: MacroF1().value(answers.rows(rows)), 500, seed=1, resamples=1000)

    assert MacroF1().bounds(answers, seed=0)(0.95) == pytest.approx(plain, abs=0.01)


def test_f1_without_a_mistake_is_not_taken_for_certainty():
    labels = np.arange(30) % 5

    assert MacroF1().bounds(_answers(labels, labels), seed=0)(0.95) == pytest.approx(wilson_interval(30, 30))


def test_f1_of_two_models_that_never_differ_leaves_the_doubt_of_pairs():
    labels = np.arange(30) % 5
    answers = _answers((labels + 1) % 5, labels)

    assert MacroF1().difference_bounds(answers, answers, seed=0)(0.95) == tango_interval(0, 0, 30)


def test_the_paired_interval_of_f1_is_that_of_drawing_samples():
    generator = np.random.default_rng(2)
    labels = generator.integers(5, size=600)
    before = np.where(generator.random(600) < 0.8, labels, generator.integers(5, size=600))
    after = np.where(generator.random(600) < 0.95, before, generator.integers(5, size=600))
    first, second = _answers(before, labels), _answers(after, labels)

    def difference(rows):
        return MacroF1().value(second.rows(rows)) - MacroF1().value(first.rows(rows))

    plain = bootstrap_interval(difference, 600, seed=1, resamples=1000)

    assert MacroF1().difference_bounds(first, second, seed=0)(0.95) == pytest.approx(plain, abs=0.01)


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
