"""Whether a process keeps taking memory while it does the same again and again: a leak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeopt.judge.intervals import CONFIDENCE
from edgeopt.judge.means import student_interval
from edgeopt.judge.student import student_tail
from edgeopt.units import format_bytes

_LEVEL = 0.01
_BATCHES = 10
_FEWEST_WINDOWS = 6
# Steps go from the end of one batch to the end of the next. From mean to mean they would be alike where memory walks at
# random, and 3.5 of 100 such walks would pass for leaks (docs/results/soak-simulations.md).
_END = 0.2
# Caches and pools fill up at first, which is no leak.
_FILLING = 1 / 3
# What matters: a device that runs for a day would need a tenth more, and more was seen than the odd pages of a heap.
_DAY_SECONDS = 86_400
_DAILY_SHARE = 0.1
_LEAST_BYTES = 64 * 1024

GrowthVerdict = Literal["grows", "steady", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGrowth:
    """Resident memory over a long run.

    Attributes:
        per_second: Growth in bytes per second, negative where it shrinks.
        ci95: 95 % interval of it.
        p: Probability of such growth by chance alone, one-sided.
        verdict: `grows` when that is at most 1 % and the growth matters; `steady` when the interval excludes growth
            that matters; else `undecided`.
        text: The verdict for people.
    """

    per_second: float
    ci95: tuple[float, float]
    p: float
    verdict: GrowthVerdict
    text: str

    def as_json(self) -> dict[str, Any]:
        """The growth under its JSON keys."""
        return {
            "value": self.per_second,
            "unit": "B/s",
            "ci95": list(self.ci95),
            "p": self.p,
            "verdict": self.verdict,
            "text": self.text,
        }


def memory_growth(ends: Sequence[float], resident: Sequence[int | None]) -> MemoryGrowth | None:
    """How memory grows after the first third of a run; None where it was told in fewer than 6 windows of the rest.

    Memory at one time is that of the time before and a little, so windows are not independent, and one step up would
    pass a test of trend. Steps from batch to batch are: Student's t says whether their mean is above 0, which one step
    among many that are 0 does not reach.

    Args:
        ends: Seconds from the beginning to the end of each window, in order.
        resident: Bytes at that time; None where they were not told.
    """
    told = [(end, size) for end, size in zip(ends, resident, strict=True) if size is not None]
    if not told or len(late := [pair for pair in told if pair[0] >= _FILLING * told[-1][0]]) < _FEWEST_WINDOWS:
        return None
    batches = np.array_split(np.array(late, float), min(_BATCHES, len(late)))
    levels = np.array([batch[-math.ceil(_END * len(batch)) :].mean(axis=0) for batch in batches])
    steps = np.diff(levels, axis=0)
    slopes = steps[:, 1] / steps[:, 0]
    mean, error = float(slopes.mean()), float(slopes.std(ddof=1)) / math.sqrt(len(slopes))
    p = student_tail(mean / error, len(slopes) - 1) if error else float(mean <= 0)
    interval = student_interval(slopes, CONFIDENCE)
    size, seen = late[-1][1], mean * (late[-1][0] - late[0][0])
    matters = _DAILY_SHARE * size / _DAY_SECONDS
    verdict: GrowthVerdict = "undecided"
    if p <= _LEVEL and mean >= matters and seen >= _LEAST_BYTES:
        verdict = "grows"
    elif interval[1] < matters:
        verdict = "steady"
    return MemoryGrowth(
        per_second=mean, ci95=interval, p=p, verdict=verdict, text=_told(verdict, mean, interval[1], seen, size)
    )


def _told(verdict: GrowthVerdict, per_second: float, most: float, seen: float, size: int) -> str:
    match verdict:
        case "grows":
            return (
                f"memory grows steadily, by {format_bytes(per_second * 3600)} an hour ({format_bytes(seen)} were seen, "
                f"{format_bytes(size)} are in use): something leaks, the runtime or an operator of the model"
            )
        case "steady":
            return f"memory lasts: {format_bytes(size)}, and less than a tenth more a day"
        case "undecided":
            return f"whether memory grows cannot be told, it may by {format_bytes(3600 * most)} an hour: soak longer"
