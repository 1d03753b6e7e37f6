"""What noise in latency is made of: drift, throttling and two speeds, each with its likely cause.

Every pattern needs both a test at 1 % and an effect that matters: on thousands of calls everything is significant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.latency import Samples, block_medians
from edgeopt.judge.student import student_tail

_LEVEL = 0.01
# The least change that is told. Throttled boards lose tens of per cent, so what is called so must lose more.
_DRIFT = 0.03
_THROTTLING = 0.05
_TWO_SPEEDS = 0.03
# Fewer processes cannot reach the level by rank, and fewer blocks make no early and late third.
_FEWEST_PROCESSES = 6
_FEWEST_BLOCKS = 6
_NULL_DRAWS = 4000
# A cluster of fewer is a handful of outliers, which the median ignores anyway.
_SMALLEST_SHARE = 0.15

Floats = NDArray[np.float64]
PatternName = Literal["drift", "throttling", "bimodality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPattern:
    """Something other than chance in latencies.

    Attributes:
        name: `drift`, `throttling` or `bimodality`.
        change: Relative change of time: from first to last, from early to late, from the fast to the slow speed.
        p: Probability of as much by chance alone.
        text: What it is and its likely cause, for people.
    """

    name: PatternName
    change: float
    p: float
    text: str


def latency_patterns(processes: Samples, *, calls_per_block: int) -> tuple[LatencyPattern, ...]:
    """The patterns in samples of one model, each at most once per kind of unit (processes, blocks within them).

    Args:
        processes: Seconds per call, a sequence per process in the order taken.
        calls_per_block: Calls timed in a row.
    """
    blocks = [np.log(block_medians(process, calls_per_block)) for process in processes]
    medians = np.array([float(np.median(process)) for process in blocks])
    found = (
        find_drift(medians),
        find_trend_within(blocks),
        find_two_speeds(medians, unit="processes"),
        find_two_speeds(np.concatenate([values - np.median(values) for values in blocks]), unit="blocks"),
    )
    return tuple(pattern for pattern in found if pattern)


def find_drift(medians: Floats) -> LatencyPattern | None:
    """A trend over processes (Mann 1945, https://doi.org/10.2307/1907187; slope of Sen 1968), if there is one.

    Args:
        medians: (process,) ln of seconds, in the order taken.
    """
    n = len(medians)
    if n < _FEWEST_PROCESSES:
        return None
    first, last = np.triu_indices(n, 1)
    steps = medians[last] - medians[first]
    score = float(np.sign(steps).sum())
    spread = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    p = math.erfc(max(0.0, abs(score) - 1) / spread / math.sqrt(2))
    change = math.expm1(float(np.median(steps / (last - first))) * (n - 1))
    if p > _LEVEL or abs(change) < _DRIFT:
        return None
    way, cause = (
        ("slower", "the machine heats up, or other work on it grows: cool it, stop the work, and repeat")
        if change > 0
        else ("faster", "other work on the machine ended, or its clock was still rising: repeat now")
    )
    text = f"drift: from the first to the last of {n} processes calls became {abs(change):.0%} {way}; {cause}"
    return LatencyPattern(name="drift", change=change, p=p, text=text)


def find_trend_within(blocks: list[Floats]) -> LatencyPattern | None:
    """A trend over the blocks of a process that most processes share: throttling, or a drift.

    Each process gives the slope of its blocks; Student's t says whether their mean is 0. Throttling is late blocks that
    are slower than early ones by 5 % or more.

    Args:
        blocks: Per process, (block,) ln of seconds in the order taken.
    """
    usable = [values for values in blocks if len(values) >= _FEWEST_BLOCKS]
    if len(usable) < 2:
        return None
    slopes = np.array([_slope(values) * (len(values) - 1) for values in usable])
    late = float(np.mean([_late_minus_early(values) for values in usable]))
    error = float(slopes.std(ddof=1)) / math.sqrt(len(slopes))
    t = abs(float(slopes.mean())) / error if error else math.inf
    p, change = 2 * student_tail(t, len(slopes) - 1), math.expm1(float(slopes.mean()))
    if p > _LEVEL or abs(change) < _DRIFT:
        return None
    alike = f"in {int((np.sign(slopes) == np.sign(change)).sum())} of {len(slopes)} processes"
    if late >= math.log1p(_THROTTLING):
        change = math.expm1(late)
        text = (
            f"throttling: within a process the last third of the blocks takes {change:.0%} longer than the first, "
            f"{alike}; the clock falls as the chip heats or its power budget is spent: cool it, then repeat"
        )
        return LatencyPattern(name="throttling", change=change, p=p, text=text)
    cause = (
        "it slows down as it goes on: heat, or memory that grows"
        if change > 0
        else "the warm-up was too short, or the clock still rises: fix the clock's governor"
    )
    way = "slower" if change > 0 else "faster"
    trend = f"within a process calls become {abs(change):.0%} {way} from the first block to the last"
    text = f"drift: {trend}, {alike}; {cause}"
    return LatencyPattern(name="drift", change=change, p=p, text=text)


def find_two_speeds(values: Floats, *, unit: str) -> LatencyPattern | None:
    """Two clusters where one normal would be expected (Engelman and Hartigan 1969, J. Am. Stat. Assoc. 64:1647-1648).

    The statistic is the share of the variance that is left within the two parts of the best split of the sorted values;
    what it is by chance is drawn from normal samples of the same size.

    Args:
        values: (unit,) ln of seconds.
        unit: What was clustered, for people.
    """
    n = len(values)
    if n < _FEWEST_PROCESSES or np.ptp(values) == 0:
        return None
    fewest = max(2, math.ceil(_SMALLEST_SHARE * n))
    left, cut = _best_split(np.sort(values)[None], fewest)
    ordered = np.sort(values)
    place = int(cut[0])
    change = math.expm1(float(ordered[place:].mean() - ordered[:place].mean()))
    if change < _TWO_SPEEDS:
        return None
    null, _ = _best_split(np.sort(np.random.default_rng(0).standard_normal((_NULL_DRAWS, n)), axis=1), fewest)
    p = float((1 + np.count_nonzero(null <= left[0])) / (1 + _NULL_DRAWS))
    if p > _LEVEL:
        return None
    text = (
        f"bimodality: {n - place} of {n} {unit} are {change:.0%} slower than the others; there are two speeds and the "
        "median may lie on either: a clock that steps, cores of two kinds, or memory laid out in two ways"
    )
    return LatencyPattern(name="bimodality", change=change, p=p, text=text)


def _best_split(ordered: Floats, fewest: int) -> tuple[Floats, NDArray[np.int64]]:
    """(row,) share of the variance within the best two parts of sorted rows, and (row,) where the second begins."""
    n = ordered.shape[1]
    centred = ordered - ordered.mean(axis=1, keepdims=True)
    sizes = np.arange(fewest, n - fewest + 1)
    sums = np.cumsum(centred, axis=1)[:, sizes - 1]
    between = sums**2 * n / (sizes * (n - sizes))
    best = between.argmax(axis=1)
    total = (centred**2).sum(axis=1)
    return 1 - between[np.arange(len(ordered)), best] / total, sizes[best]


def _slope(values: Floats) -> float:
    """Least squares slope per step."""
    places = np.arange(len(values)) - (len(values) - 1) / 2
    return float(places @ values / (places @ places))


def _late_minus_early(values: Floats) -> float:
    third = len(values) // 3
    return float(np.mean(values[-third:]) - np.mean(values[:third]))
