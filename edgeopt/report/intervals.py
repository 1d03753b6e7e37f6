"""Figures with their intervals, each against its limit: what a forest plot draws, from the JSON record alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from edgeopt.report.estimates import measured_rows
from edgeopt.report.figures import Record, comparison_text, difference_text, figure_text

_SLICE = re.compile(r"slice\([^()]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One line of a forest plot.

    Attributes:
        name: What it is about.
        told: The figure in words.
        verdict: What became of it.
        value: The figure; NaN without one.
        low: Lower bound, in the unit of the value; None where the figure has no interval. May be infinite.
        high: Upper bound.
        limit: What it is held against, in that unit.
        is_upper: Whether smaller is better, so that the limit is not to be exceeded.
    """

    name: str
    told: str
    verdict: str
    value: float
    low: float | None = None
    high: float | None = None
    limit: float
    is_upper: bool

    def places(self) -> tuple[float, float, float]:
        """Low end, figure and high end in -1 to 1: the limit is 0, and what keeps it lies above.

        Every line has a scale of its own: the end that lies furthest from the limit is at 0.9, an infinite one at 1.
        Without an interval the scale is the limit itself, so that a figure twice the limit is at 0.9 from it.
        """
        ends = [end for end in (self.low, self.high) if end is not None]
        points = [ends[0], self.value, ends[-1]] if ends else [self.value] * 3
        sign = -1 if self.is_upper else 1
        distances = [sign * (point - self.limit) for point in points]
        own = 0.0 if ends else abs(self.limit)
        furthest = max((abs(d) for d in (*distances, own) if math.isfinite(d)), default=0.0) or 1.0
        places = [max(-1.0, min(1.0, 0.9 * distance / furthest)) for distance in distances]
        return min(places[0], places[2]), places[1], max(places[0], places[2])


def intervals_of(record: Record) -> list[Interval]:
    """The intervals of a record: its rules where it has some, then the comparisons that it made."""
    found = [rule_interval(rule) for rule in record.get("rules", [])]
    if record["command"] == "compare":
        found.append(_accuracy_interval(record))
    if record["command"] == "bench":
        found += _bench_intervals(record)
    latency, accuracy = record.get("latency"), record.get("accuracy")
    if latency:
        found.append(_ratio_interval("latency p50 beside the baseline", latency["comparison"]))
    if accuracy:
        found.append(_accuracy_interval(accuracy))
    return [interval for interval in found if interval is not None]


def rule_interval(rule: Record) -> Interval | None:
    """The figure of a rule against its limit; None without a figure.

    The bounds are one-sided 95 %, under `interval` where the record holds them.
    """
    if rule["value"] is None or rule["limit"] is None:
        return None
    low, high = rule.get("interval") or (None, None)
    has_interval = rule.get("interval") is not None
    return Interval(
        name=rule["rule"],
        told=f"{figure_text(rule['value'], rule['unit'])}, limit {figure_text(rule['limit'], rule['unit'])}",
        verdict=rule["verdict"],
        value=rule["value"],
        low=(-math.inf if low is None else low) if has_interval else None,
        high=(math.inf if high is None else high) if has_interval else None,
        limit=rule["limit"],
        is_upper="<" in _SLICE.sub("", rule["rule"]),
    )


def _bench_intervals(record: Record) -> Iterable[Interval]:
    names = [PurePath(row["path"]).name for row in measured_rows(record)[1:]]
    for name, comparison in zip(names, record["comparisons"], strict=False):
        yield _ratio_interval(name, comparison)


def _ratio_interval(name: str, comparison: Record) -> Interval:
    low, high = _finite_pair(comparison["ci95"])
    return Interval(
        name=name,
        told=comparison_text(comparison),
        verdict=comparison["verdict"],
        value=comparison["ratio"],
        low=low,
        high=high,
        limit=1.0,
        is_upper=False,
    )


def _accuracy_interval(accuracy: Record) -> Interval | None:
    if accuracy["ci95"] is None or accuracy["difference"] is None:
        return None
    low, high = _finite_pair(accuracy["ci95"])
    points = accuracy["difference_pt"]
    return Interval(
        name=f"{accuracy['metric']} beside the baseline",
        told=difference_text(accuracy),
        verdict=accuracy["verdict"],
        value=accuracy["difference"] if points is None else points,
        low=low,
        high=high,
        limit=0.0,
        is_upper=points is None,
    )


def _finite_pair(pair: Sequence[Any]) -> tuple[float, float]:
    """Both bounds; JSON holds an infinite one as null."""
    return -math.inf if pair[0] is None else pair[0], math.inf if pair[1] is None else pair[1]
