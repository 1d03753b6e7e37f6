"""A candidate beside its baseline on every slice of the samples: whom does the change harm that the mean does not show?

One-sided tests of a drop, a slice each, held to a family-wise level by Holm's method. Slices under 200 samples are
listed and not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError, near_names
from edgeopt.judge.answers import Answers
from edgeopt.judge.estimate import ALPHA, Estimate, breaking_p, holm_adjusted
from edgeopt.judge.intervals import CONFIDENCE, Interval, mcnemar_drop_p
from edgeopt.judge.metrics import suitable_metrics, suited_metric
from edgeopt.judge.predictions import Predictions, flipped, paired_answers
from edgeopt.judge.statistics import HitShare

# Below about 200 samples an interval of a share is wider than any margin that people set.
SMALLEST_SLICE = 200
# A column of more values is no slice column but a name or a measurement.
MOST_VALUES = 20

Rows = NDArray[np.int64]
SliceVerdict = Literal["worse", "not shown to be worse", "not judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceComparison:
    """One slice.

    Attributes:
        column: The slice column.
        value: Its value.
        n: Samples that have it.
        metric: Name of the metric.
        baseline: The baseline's value on the slice, in units of the metric; None where it cannot be computed.
        candidate: The candidate's.
        difference: Candidate minus baseline.
        is_share: Whether the metric lies in [0, 1].
        ci95: Two-sided 95 % interval of the difference.
        flips: Samples whose class changed; None for regression.
        p: One-sided p that it is no worse: McNemar's mid-p of hits, else by inverting the interval.
        p_holm: The same, adjusted for all slices that are judged; None where this one is not.
        verdict: `worse` where `p_holm` is at most 5 %, `not judged` under 200 samples or without a value.
        reason: Why it is not judged.
    """

    column: str
    value: Any
    n: int
    metric: str
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    is_share: bool = True
    ci95: Interval | None = None
    flips: int | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: SliceVerdict = "not judged"
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The entry under `slices`; `ci95` in percentage points for shares, else in units of the metric."""
        factor = 100 if self.is_share else 1
        return {
            "column": self.column,
            "value": self.value,
            "n": self.n,
            "metric": self.metric,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "difference": self.difference,
            "difference_pt": None if self.difference is None or not self.is_share else 100 * self.difference,
            "ci95": [factor * bound for bound in self.ci95] if self.ci95 else None,
            "unit": "pt" if self.is_share else "1",
            "flips": self.flips,
            "p": self.p,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def compare_slices(
    baseline: Predictions,
    candidate: Predictions,
    *,
    metric: str | None = None,
    columns: Sequence[str] = (),
    seed: int = 0,
    cluster: str = "",
) -> tuple[SliceComparison, ...]:
    """The candidate against the baseline on every slice; nothing without labels.

    Args:
        baseline: Predictions of the original model.
        candidate: Predictions of the other on the same samples.
        metric: Key of `METRICS`; None takes the one that leads for the task.
        columns: Slice columns; without any, all of 2 to 20 values, but the one of the clusters.
        seed: Seed of bootstraps.
        cluster: Column of samples that depend on each other; empty where none do.

    Raises:
        InputError: They are not pairs, a column or the metric is unknown, or the metric does not suit them.
    """
    known = {**candidate.columns, **baseline.columns}
    for column in columns:
        if column not in known:
            raise InputError(f"the data has no column `{column}`", hint=near_names(column, known))
    if baseline.labels is None and candidate.labels is None:
        return ()
    before, after = paired_answers(baseline, candidate, cluster=cluster)
    name = metric or suitable_metrics(before)[0]
    suited_metric(name, before)
    changed = flipped(baseline, candidate) if len(before.predicted) else None
    chosen = columns or [column for column in sorted(known) if column != cluster and _is_slicing(known[column])]
    pair = _Pair(before=before, after=after, changed=changed)
    found = [
        _compared(column, value, name, pair.rows(np.flatnonzero(known[column] == value)), seed=seed)
        for column in chosen
        for value in np.unique(known[column])
    ]
    return _corrected(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pair:
    """Answers of both to the same samples, and (sample,) whether the class changed; None for regression."""

    before: Answers
    after: Answers
    changed: NDArray[np.bool_] | None

    def rows(self, positions: Rows) -> _Pair:
        changed = None if self.changed is None else self.changed[positions]
        return _Pair(before=self.before.rows(positions), after=self.after.rows(positions), changed=changed)


def _is_slicing(values: NDArray[Any]) -> bool:
    return 1 < len(np.unique(values)) <= MOST_VALUES


def _compared(column: str, value: Any, name: str, pair: _Pair, *, seed: int) -> SliceComparison:
    first, second, n = pair.before, pair.after, len(pair.before)
    flips = None if pair.changed is None else int(pair.changed.sum())
    part = SliceComparison(column=column, value=value.item(), n=n, metric=name, flips=flips)
    try:
        metric = suited_metric(name, first)
    except InputError as error:  # an AUC of a slice that holds one class
        return replace(part, reason=error.message)
    values = metric.statistic.value(first), metric.statistic.value(second)
    bounds = metric.statistic.difference_bounds(first, second, seed=seed)
    part = replace(
        part,
        baseline=values[0],
        candidate=values[1],
        difference=values[1] - values[0],
        is_share=metric.is_share,
        ci95=bounds(CONFIDENCE),
    )
    if n < SMALLEST_SLICE:
        return replace(part, reason=f"fewer than the {SMALLEST_SLICE} samples that can be judged")
    if isinstance(metric.statistic, HitShare) and first.clusters is None:
        p = mcnemar_drop_p(*metric.statistic.discordant(first, second))
    else:
        estimate = Estimate(value=values[1] - values[0], interval=bounds)
        p = breaking_p(estimate, 0.0, is_upper=not metric.is_larger_better)
    return replace(part, p=p, verdict="not shown to be worse")


def _corrected(found: list[SliceComparison]) -> tuple[SliceComparison, ...]:
    """The slices with Holm's correction over those that are judged."""
    judged = [index for index, part in enumerate(found) if part.p is not None]
    adjusted = holm_adjusted([part.p for part in found if part.p is not None])
    for index, p in zip(judged, adjusted, strict=True):
        verdict: SliceVerdict = "worse" if p <= ALPHA else "not shown to be worse"
        found[index] = replace(found[index], p_holm=p, verdict=verdict)
    return tuple(found)
