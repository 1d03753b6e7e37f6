"""What metrics compute: a value, its bounds, and the bounds of its paired difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.judge.answers import Answers
from edgeopt.judge.auc import Placements, auc_difference_interval, auc_interval, placements
from edgeopt.judge.intervals import (
    Interval,
    bootstrap_counts,
    bootstrap_means,
    percentile_interval,
    tango_interval,
    wilson_interval,
)

# From a two-sided confidence in (0, 1) to the interval; what is drawn is drawn once.
Bounds = Callable[[float], Interval]
Floats = NDArray[np.float64]


class Statistic(Protocol):
    """A number over all samples that knows how sure it is."""

    def value(self, answers: Answers) -> float:
        """The number itself."""

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Intervals of the number."""

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Intervals of the candidate's number minus the baseline's, on the same samples in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitShare:
    """Share of samples that count as hits: Wilson's interval, and Tango's for a paired difference. Nothing is drawn.

    Attributes:
        hits: From answers to (sample,) bool.
    """

    hits: Callable[[Answers], NDArray[np.bool_]]

    def value(self, answers: Answers) -> float:
        """Hits over samples."""
        return float(self.hits(answers).mean())

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Wilson's intervals."""
        del seed
        successes, n = int(self.hits(answers).sum()), len(answers)
        return lambda confidence: wilson_interval(successes, n, confidence)

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Tango's intervals."""
        del seed
        (losses, gains), n = self.discordant(baseline, candidate), len(baseline)
        return lambda confidence: tango_interval(losses, gains, n, confidence)

    def discordant(self, baseline: Answers, candidate: Answers) -> tuple[int, int]:
        """Losses and gains: samples that only the baseline, or only the candidate, hits."""
        before, after = self.hits(baseline), self.hits(candidate)
        return int((before & ~after).sum()), int((after & ~before).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanError:
    """Mean of an error per sample: percentile bootstrap, of the paired differences for a comparison.

    A single sample leaves it unknown: the interval is infinite.

    Attributes:
        errors: From answers to (sample,) float64.
    """

    errors: Callable[[Answers], Floats]

    def value(self, answers: Answers) -> float:
        """The mean."""
        return float(self.errors(answers).mean())

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Intervals of the mean."""
        draws = bootstrap_means(self.errors(answers), seed=seed)
        return lambda confidence: percentile_interval(draws, confidence)

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Intervals of the mean of the paired differences."""
        draws = bootstrap_means(self.errors(candidate) - self.errors(baseline), seed=seed)
        return lambda confidence: percentile_interval(draws, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroF1:
    """Mean over classes of F1 = 2·TP / (labelled + predicted), over the classes that are labelled or predicted.

    The bootstrap draws counts of (label, prediction) instead of samples, which is the same draw (`bootstrap_counts`).
    It is blind where all draws are equal, as when every sample is right: score intervals of shares then stand in. F1 of
    rare classes is biased downwards in resamples, so percentile intervals are widened to hold the value itself.
    """

    def value(self, answers: Answers) -> float:
        """Macro F1."""
        cells, counts = _cells(answers.labels, answers.predicted)
        return float(_macro_f1(counts[None], cells[:, 0], cells[:, 1])[0])

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Percentile bootstrap intervals."""
        cells, counts = _cells(answers.labels, answers.predicted)
        draws = [_macro_f1(drawn, cells[:, 0], cells[:, 1]) for drawn in bootstrap_counts(counts, seed=seed)]
        value, n = self.value(answers), len(answers)
        return _widened(np.concatenate(draws), value, lambda confidence: wilson_interval(value * n, n, confidence))

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Percentile bootstrap intervals with the same draw for both."""
        cells, counts = _cells(baseline.labels, baseline.predicted, candidate.predicted)
        draws = [
            _macro_f1(drawn, cells[:, 0], cells[:, 2]) - _macro_f1(drawn, cells[:, 0], cells[:, 1])
            for drawn in bootstrap_counts(counts, seed=seed)
        ]
        of_hits = HitShare(hits=hits).difference_bounds(baseline, candidate, seed=seed)
        return _widened(np.concatenate(draws), self.value(candidate) - self.value(baseline), of_hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RocArea:
    """Area under the ROC curve of two classes, with DeLong's variance. Nothing is drawn.

    On answers of one class, where there is no curve, the value is NaN.
    """

    def value(self, answers: Answers) -> float:
        """The area."""
        return _placements(answers).area

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """DeLong's intervals on the logit scale."""
        del seed
        values = _placements(answers)
        return lambda confidence: auc_interval(values, confidence)

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """DeLong's intervals of two correlated areas."""
        del seed
        before, after = _placements(baseline), _placements(candidate)
        return lambda confidence: auc_difference_interval(before, after, confidence)


def hits(answers: Answers) -> NDArray[np.bool_]:
    """(sample,) whether the predicted class is the label."""
    return np.asarray(answers.predicted == answers.labels)


def top5_hits(answers: Answers) -> NDArray[np.bool_]:
    """(sample,) whether the label is among the five largest scores; of equal scores the first class goes first."""
    own = np.take_along_axis(answers.scores, answers.labels[:, None], axis=1)
    is_earlier = np.arange(answers.scores.shape[1]) < answers.labels[:, None]
    ahead = (answers.scores > own) | ((answers.scores == own) & is_earlier)
    return np.asarray(ahead.sum(axis=1) < 5)


def squared_errors(answers: Answers) -> Floats:
    """(sample,) mean over a sample's values of (score - label)², in squared units of the label."""
    return np.asarray((_residuals(answers) ** 2).mean(axis=1))


def absolute_errors(answers: Answers) -> Floats:
    """(sample,) mean over a sample's values of |score - label|, in units of the label."""
    return np.asarray(np.abs(_residuals(answers)).mean(axis=1))


def _residuals(answers: Answers) -> Floats:
    """(sample, value) float64, all axes but the first as one."""
    residuals = answers.scores.astype(np.float64) - answers.labels.astype(np.float64)
    return residuals.reshape(len(answers), -1)


def _placements(answers: Answers) -> Placements:
    return placements(answers.positive_scores, answers.labels)


def _widened(draws: Floats, value: float, fallback: Bounds) -> Bounds:
    """Percentile intervals that hold `value`; `fallback` where all draws are equal."""
    if draws.min() == draws.max():
        return fallback

    def bounds(confidence: float) -> Interval:
        low, high = percentile_interval(draws, confidence)
        return min(low, value), max(high, value)

    return bounds


def _cells(*columns: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows of (sample,) columns, (cell, column), and how often each occurs, (cell,)."""
    cells, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return cells, counts


def _macro_f1(counts: NDArray[np.int64], labels: Array, predicted: Array) -> Floats:
    """Macro F1 of each row of `counts`, (resample, cell), whose cells have a label and a prediction, (cell,) each."""
    classes = np.unique(np.concatenate([labels, predicted]))
    is_hit = labels == predicted
    true_positives = _per_class(counts[:, is_hit], labels[is_hit], classes)
    total = _per_class(counts, labels, classes) + _per_class(counts, predicted, classes)
    scores = np.divide(2 * true_positives, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(scores.sum(axis=1) / (total > 0).sum(axis=1))


def _per_class(counts: NDArray[np.int64], owners: Array, classes: Array) -> Floats:
    """(resample, class) sums of `counts`, (resample, cell), over the cells that belong to each class."""
    sums = np.zeros((len(counts), len(classes)))
    if len(owners):
        order = np.argsort(owners, kind="stable")
        present, starts = np.unique(owners[order], return_index=True)
        sums[:, np.searchsorted(classes, present)] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums
