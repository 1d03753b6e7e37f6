"""What metrics compute: a value, its bounds, and the bounds of its paired difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.answers import Answers
from edgeopt.judge.auc import Placements, auc_difference_interval, auc_interval, placements
from edgeopt.judge.intervals import Bounds, Interval, tango_interval, wilson_interval
from edgeopt.judge.means import mean_bounds

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
    """Share of samples that count as hits: Wilson's interval, and Tango's for a paired difference.

    Where samples come in clusters, it is the interval of a mean over clusters, and at no end nearer than that of
    independent samples, which holds where only a few samples are hit or missed. Where all clusters are alike it is that
    of as many independent samples as there are clusters.

    Attributes:
        hits: From answers to (sample,) bool.
    """

    hits: Callable[[Answers], NDArray[np.bool_]]

    def value(self, answers: Answers) -> float:
        """Hits over samples."""
        return float(self.hits(answers).mean())

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Wilson's intervals, or those over clusters."""
        return share_bounds(self.hits(answers), seed=seed, clusters=answers.clusters)

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Tango's intervals, or those over clusters."""
        (losses, gains), n = self.discordant(baseline, candidate), len(baseline)
        if baseline.clusters is None:
            return lambda confidence: tango_interval(losses, gains, n, confidence)
        changes = self.hits(candidate).astype(np.float64) - self.hits(baseline)
        if np.ptp(changes) == 0:
            units = len(np.unique(baseline.clusters))
            alike = (units if losses else 0), (units if gains else 0)
            return lambda confidence: tango_interval(*alike, units, confidence)
        of_clusters = mean_bounds(changes, seed=seed, clusters=baseline.clusters)
        return lambda confidence: _wider(tango_interval(losses, gains, n, confidence), of_clusters(confidence))

    def discordant(self, baseline: Answers, candidate: Answers) -> tuple[int, int]:
        """Losses and gains: samples that only the baseline, or only the candidate, hits."""
        before, after = self.hits(baseline), self.hits(candidate)
        return int((before & ~after).sum()), int((after & ~before).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanError:
    """Mean of an error per sample, with the intervals of `mean_bounds`; a comparison takes the paired differences.

    A single sample, or cluster, leaves it unknown: the interval is infinite.

    Attributes:
        errors: From answers to (sample,) float64.
    """

    errors: Callable[[Answers], Floats]

    def value(self, answers: Answers) -> float:
        """The mean."""
        return float(self.errors(answers).mean())

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """Intervals of the mean."""
        return mean_bounds(self.errors(answers), seed=seed, clusters=answers.clusters)

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """Intervals of the mean of the paired differences."""
        differences = self.errors(candidate) - self.errors(baseline)
        return mean_bounds(differences, seed=seed, clusters=baseline.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class RocArea:
    """Area under the ROC curve of two classes, with DeLong's variance, or Obuchowski's over clusters. Nothing is drawn.

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


def share_bounds(is_hit: NDArray[np.bool_], *, seed: int, clusters: NDArray[np.int64] | None) -> Bounds:
    """Intervals of the share of `is_hit`, (sample,): Wilson's, or those over clusters (see `HitShare`)."""
    successes, n = int(is_hit.sum()), len(is_hit)
    if clusters is None:
        return lambda confidence: wilson_interval(successes, n, confidence)
    if successes in (0, n):
        units = len(np.unique(clusters))
        return lambda confidence: wilson_interval(units * successes // n, units, confidence)
    of_clusters = mean_bounds(is_hit, seed=seed, clusters=clusters)

    def bounds(confidence: float) -> Interval:
        low, high = _wider(wilson_interval(successes, n, confidence), of_clusters(confidence))
        return max(0.0, low), min(1.0, high)

    return bounds


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


def _wider(first: Interval, second: Interval) -> Interval:
    """The shortest interval that holds both."""
    return min(first[0], second[0]), max(first[1], second[1])


def _residuals(answers: Answers) -> Floats:
    """(sample, value) float64, all axes but the first as one."""
    residuals = answers.scores.astype(np.float64) - answers.labels.astype(np.float64)
    return residuals.reshape(len(answers), -1)


def _placements(answers: Answers) -> Placements:
    return placements(answers.positive_scores, answers.labels, clusters=answers.clusters)
