"""What earlier runs tell of hits: how many samples change sides, and how many predictions change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.evidence import Evidence
from edgeopt.judge.labels import Task
from edgeopt.judge.metrics import suited_metric
from edgeopt.judge.plan.nouns import Known
from edgeopt.judge.predictions import Predictions, flipped, paired_answers, task_of
from edgeopt.judge.rules import Rule
from edgeopt.judge.slices import SMALLEST_SLICE
from edgeopt.judge.statistics import HitShare


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An earlier run.

    Attributes:
        name: How people find it.
        evidence: What it measured of a candidate and its baseline; None where it is about other models.
        comparison: What `compare` records of the pair; empty where it did not compare.
        noise: The base against itself, by turns; None where nothing was timed so.
        processes: How many processes that noise is from.
        is_here: Whether it was measured on this machine.
        is_given: Whether the user gave it to be judged.
    """

    name: str
    evidence: Evidence | None = None
    comparison: dict[str, Any] = field(default_factory=dict)
    noise: dict[str, Any] | None = None
    processes: int = 0
    is_here: bool = False
    is_given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Samples that changed sides, or predictions that changed, in an earlier run.

    Attributes:
        losses: Samples that only the baseline hits.
        gains: Samples that only the candidate hits.
        n: All samples, at least 1.
        run: Name of the run.
        is_bound: Whether they are flips, which are at least as many as samples that change sides.
    """

    losses: int
    gains: int
    n: int
    run: str
    is_bound: bool = False

    @property
    def difference(self) -> float | None:
        """Candidate minus baseline, a share; None where only flips are known."""
        return None if self.is_bound else (self.gains - self.losses) / self.n

    @property
    def discordance(self) -> Known:
        """The share of samples that change sides.

        (losses + gains + 1) / (n + 2), the rule of succession: that none was seen does not show that there is none.
        """
        changed, name = self.losses + self.gains, self.run
        told = f"{changed} of {self.n:,} predictions changed" if self.is_bound else self.told
        share = (changed + 1) / (self.n + 2)
        return Known(name="discordance", value=share, unit="%", origin=Origin.HOST, source=f"{name}: {told}")

    @property
    def told(self) -> str:
        """The counts in words."""
        return f"{self.losses} lost and {self.gains} gained of {self.n:,}"


def paired_hits(rule: Rule, histories: Sequence[History]) -> tuple[Pairs | None, dict[str, Pairs]]:
    """Samples that change sides in the first run that knows; of all, and of each value of the rule's slice column.

    Where no run counted them, the changed predictions of the first that counted these bound the change of accuracy.

    Raises:
        InputError: The metric does not suit the recorded predictions.
    """
    for history in histories:
        both = predictions_of_both(history)
        found = _counted_in_predictions(rule, both, history.name) if both else None
        if found is not None:
            return found
        counted = _counted_in_record(rule, history)
        if counted is not None:
            return counted, {}
    return counted_flips(histories, rule.slice_column) if rule.metric == "accuracy" else (None, {})


def counted_flips(histories: Iterable[History], column: str = "") -> tuple[Pairs | None, dict[str, Pairs]]:
    """Predictions that changed in the first run that knows, as losses; of all, and of each value of `column`."""
    for history in histories:
        both = predictions_of_both(history)
        if both and task_of(*both) is not Task.REGRESSION:
            changed = flipped(*both)
            parts = {part: changed[rows] for part, rows in rows_by_part(both[1], column)}
            counts = {name: _flips(int(own.sum()), len(own), history.name) for name, own in parts.items()}
            return _flips(int(changed.sum()), len(changed), history.name), counts
        recorded = _recorded_flips(history)
        if recorded is not None:
            return recorded, {}
    return None, {}


def recorded_share(rule: Rule, histories: Iterable[History]) -> tuple[float, int, str] | None:
    """(value, samples, name of the run) of the candidate's own metric in the first run that has it."""
    for history in histories:
        if history.evidence is None:
            continue
        own = history.evidence.candidate.find(rule.metric, rule.target)
        n = _count(own.details.get("n")) if own else None
        if own and n:
            return own.samples[0][0], n, history.name
        value, n = history.comparison.get("candidate"), _count(history.comparison.get("n"))
        if history.comparison.get("metric") == rule.metric and isinstance(value, int | float) and n:
            return float(value), n, history.name
    return None


def predictions_of_both(history: History) -> tuple[Predictions, Predictions] | None:
    """Predictions of (baseline, candidate) on the same samples, where the run kept both."""
    evidence = history.evidence
    if evidence is None or evidence.baseline is None:
        return None
    first, second = evidence.baseline.predictions, evidence.candidate.predictions
    return (first, second) if first is not None and second is not None and first.n == second.n else None


def rows_by_part(predictions: Predictions, column: str) -> Iterator[tuple[str, Any]]:
    """(`column=value`, positions) of the values of a slice column that have enough samples to be judged."""
    values = predictions.columns.get(column)
    if values is None:
        return
    distinct, counts = np.unique(values, return_counts=True)
    ends = np.cumsum(counts)
    order = np.argsort(values, kind="stable")
    for index in np.flatnonzero(counts >= SMALLEST_SLICE):
        yield f"{column}={distinct[index]}", order[ends[index] - counts[index] : ends[index]]


def _counted_in_predictions(
    rule: Rule, both: tuple[Predictions, Predictions], name: str
) -> tuple[Pairs, dict[str, Pairs]] | None:
    if both[0].labels is None and both[1].labels is None:
        return None
    before, after = paired_answers(*both)
    statistic = suited_metric(rule.metric, before).statistic
    assert isinstance(statistic, HitShare)

    def pairs(rows: Any) -> Pairs:
        losses, gains = statistic.discordant(before.rows(rows), after.rows(rows))
        return Pairs(losses=losses, gains=gains, n=len(rows), run=name)

    parts = {part: pairs(rows) for part, rows in rows_by_part(both[1], rule.slice_column)}
    return pairs(np.arange(len(before))), parts


def _counted_in_record(rule: Rule, history: History) -> Pairs | None:
    """Losses and gains in the details of the metric, or in what compared both models."""
    own = history.evidence.candidate.find(rule.metric, rule.target) if history.evidence else None
    compared = history.comparison if history.comparison.get("metric") == rule.metric else {}
    for told in (_details(own), compared):
        losses, gains, n = (_count(told.get(key)) for key in ("losses", "gains", "n"))
        if losses is not None and gains is not None and n and losses + gains <= n:
            return Pairs(losses=losses, gains=gains, n=n, run=history.name)
    return None


def _recorded_flips(history: History) -> Pairs | None:
    own = history.evidence.candidate.find("flip_rate", "host") if history.evidence else None
    n = _count(_details(own).get("n"))
    if own and n and 0 <= own.samples[0][0] <= 1:
        return _flips(round(own.samples[0][0] * n), n, history.name)
    flips, n = _count(history.comparison.get("flips")), _count(history.comparison.get("n"))
    return _flips(flips, n, history.name) if flips is not None and n and flips <= n else None


def _flips(changed: int, n: int, name: str) -> Pairs:
    return Pairs(losses=changed, gains=0, n=n, run=name, is_bound=True)


def _details(measurement: Measurement | None) -> dict[str, Any]:
    return measurement.details if measurement else {}


def _count(value: Any) -> int | None:
    """A number of samples in a record, which people may have written; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
