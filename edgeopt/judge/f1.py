"""Macro F1 with intervals by bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.judge.answers import Answers
from edgeopt.judge.bootstrap import RESAMPLES, Bootstrap, bootstrap_counts, bootstrap_from_draws
from edgeopt.judge.clusters import Positions, units_of
from edgeopt.judge.intervals import Bounds, Interval
from edgeopt.judge.statistics import HitShare, hits

Floats = NDArray[np.float64]
_OfCounts = Callable[[Array], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroF1:
    """Mean over classes of F1 = 2·TP / (labelled + predicted), over the classes that are labelled or predicted.

    Its bootstrap draws counts of (label, prediction) instead of samples, which is the same draw (`bootstrap_counts`).
    It is blind where all draws are equal, as when every sample is right: intervals of shares then stand in. F1 of rare
    classes is biased downwards in resamples, so intervals are widened to hold the value itself.
    """

    def value(self, answers: Answers) -> float:
        """Macro F1."""
        cells = _Cells.of(answers, answers.predicted)
        return float(_macro_f1(cells.counts[None], cells.rows[:, 0], cells.rows[:, 1])[0])

    def bounds(self, answers: Answers, *, seed: int) -> Bounds:
        """BCa bootstrap intervals."""
        cells = _Cells.of(answers, answers.predicted)

        def of_counts(counts: Array) -> Floats:
            return _macro_f1(counts, cells.rows[:, 0], cells.rows[:, 1])

        found = _bootstrap(of_counts, cells, seed)
        return _widened(found, HitShare(hits=hits).bounds(answers, seed=seed))

    def difference_bounds(self, baseline: Answers, candidate: Answers, *, seed: int) -> Bounds:
        """BCa bootstrap intervals with the same draw for both."""
        cells = _Cells.of(baseline, baseline.predicted, candidate.predicted)

        def of_counts(counts: Array) -> Floats:
            before = _macro_f1(counts, cells.rows[:, 0], cells.rows[:, 1])
            return np.asarray(_macro_f1(counts, cells.rows[:, 0], cells.rows[:, 2]) - before)

        found = _bootstrap(of_counts, cells, seed)
        return _widened(found, HitShare(hits=hits).difference_bounds(baseline, candidate, seed=seed))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """Distinct (label, prediction, ...) and the samples in each.

    Attributes:
        rows: (cell, column) int64 label and predictions.
        counts: (cell,) samples in each.
        members: (sample,) cell of each.
        clusters: (sample,) cluster of each; None where samples are independent.
    """

    rows: Positions
    counts: Positions
    members: Positions
    clusters: Positions | None

    @staticmethod
    def of(answers: Answers, *predicted: Array) -> _Cells:
        columns = np.stack([answers.labels, *predicted], axis=1)
        rows, members, counts = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
        return _Cells(rows=rows, counts=counts, members=members.ravel(), clusters=answers.clusters)

    def counted(self, positions: Positions) -> Positions:
        """(cell,) samples in each among `positions`."""
        return np.bincount(self.members[positions], minlength=len(self.counts))


def _bootstrap(of_counts: _OfCounts, cells: _Cells, seed: int) -> Bootstrap:
    units, generator = units_of(len(cells.members), cells.clusters), np.random.default_rng(seed)
    if cells.clusters is None:
        drawn = [of_counts(counts) for counts in bootstrap_counts(cells.counts, seed=seed)]
    else:
        drawn = [of_counts(cells.counted(units.drawn(generator))[None]) for _ in range(RESAMPLES)]
    left_out = [of_counts(cells.counted(rows)[None]) for rows in units.left_out(generator)]
    value = float(of_counts(cells.counts[None])[0])
    return bootstrap_from_draws(value, np.concatenate(drawn), np.concatenate(left_out), units=len(units))


def _widened(found: Bootstrap, fallback: Bounds) -> Bounds:
    """Intervals that hold the value; `fallback` where all draws are equal."""
    if np.ptp(found.draws) == 0:
        return fallback

    def bounds(confidence: float) -> Interval:
        low, high = found.interval(confidence)
        return min(low, found.value), max(high, found.value)

    return bounds


def _macro_f1(counts: Array, labels: Array, predicted: Array) -> Floats:
    """Macro F1 of each row of `counts`, (resample, cell), whose cells have a label and a prediction, (cell,) each."""
    classes = np.unique(np.concatenate([labels, predicted]))
    is_hit = labels == predicted
    true_positives = _per_class(counts[:, is_hit], labels[is_hit], classes)
    total = _per_class(counts, labels, classes) + _per_class(counts, predicted, classes)
    scores = np.divide(2 * true_positives, total, out=np.zeros_like(total), where=total > 0)
    present = (total > 0).sum(axis=1)
    return np.asarray(np.divide(scores.sum(axis=1), present, out=np.full(len(counts), np.nan), where=present > 0))


def _per_class(counts: Array, owners: Array, classes: Array) -> Floats:
    """(resample, class) sums of `counts`, (resample, cell), over the cells that belong to each class."""
    sums = np.zeros((len(counts), len(classes)))
    if len(owners):
        order = np.argsort(owners, kind="stable")
        present, starts = np.unique(owners[order], return_index=True)
        sums[:, np.searchsorted(classes, present)] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums
