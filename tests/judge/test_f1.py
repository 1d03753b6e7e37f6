import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.bootstrap import bootstrap_interval
from edgeopt.judge.f1 import MacroF1
from edgeopt.judge.intervals import tango_interval, wilson_interval

classes = arrays.arrays(np.int64, 80, elements=st.integers(0, 4))


def _answers(predicted, labels, width=5, clusters=None):
    return answers_from_scores(np.eye(width)[predicted], labels, clusters=clusters)


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


def test_over_clusters_that_copy_a_sample_the_interval_is_that_of_the_samples():
    generator = np.random.default_rng(3)
    labels = generator.integers(5, size=200)
    predicted = np.where(generator.random(200) < 0.8, labels, generator.integers(5, size=200))

    plain = MacroF1().bounds(_answers(predicted, labels), seed=0)(0.95)
    copied = _answers(np.repeat(predicted, 6), np.repeat(labels, 6), clusters=np.repeat(np.arange(200), 6))

    assert MacroF1().bounds(copied, seed=0)(0.95) == pytest.approx(plain, abs=0.015)
    narrow = MacroF1().bounds(_answers(np.repeat(predicted, 6), np.repeat(labels, 6)), seed=0)(0.95)
    assert narrow[1] - narrow[0] < 0.6 * (plain[1] - plain[0])
