"""Latency summed up with intervals, and two models compared on samples taken by turns.

Calls within a process are autocorrelated and share its memory layout, so the process is the unit: each gives one
figure, and Student's t over the processes gives the interval. No model of what goes on within a process is needed, and
an interval of 10 processes covers about as often as it says (docs/results/judge-coverage.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.intervals import CONFIDENCE, Interval
from edgeopt.judge.means import student_interval, welch_interval

# An interval alone excludes 1 in 17 to 21 % of comparisons of a file with itself (memory layout); together with an
# effect of at least 2 % it is 0 to 1 % (a study of A/A noise, 100 repeats; ours: docs/results/noise.md).
MINIMUM_EFFECT = 0.02

LatencyVerdict = Literal["faster", "slower", "same", "undecided"]
Samples = Sequence[Sequence[float]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Seconds per call.

    Attributes:
        median: Median of all samples; `p50` is the same figure.
        p90: 90th percentile of all samples.
        ci95: 95 % interval of the median, from the medians of the processes.
        mean: Mean of all samples, which gives throughput.
    """

    median: float
    p90: float
    ci95: tuple[float, float]
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyComparison:
    """A candidate against a base.

    Attributes:
        ratio: Base time over candidate time; above 1 the candidate is faster.
        ci95: 95 % interval of the ratio.
        verdict: `faster` or `slower` when the interval excludes 1 and the effect reaches `minimum_effect`; `same` when
            the whole interval lies within it; else `undecided`.
        minimum_effect: The smallest relative change that counts.
    """

    ratio: float
    ci95: tuple[float, float]
    verdict: LatencyVerdict
    minimum_effect: float


def summarize_latency(processes: Samples, *, calls_per_block: int) -> LatencySummary:
    """Summary of samples in seconds, a sequence per process in the order taken.

    Args:
        processes: Seconds per call.
        calls_per_block: Calls timed in a row; blocks stand in for processes where there is only one.
    """
    values = np.concatenate([np.asarray(process) for process in processes])
    return LatencySummary(
        median=float(np.median(values)),
        p90=float(np.quantile(values, 0.9)),
        ci95=quantile_interval(processes, 0.5, CONFIDENCE, calls_per_block=calls_per_block),
        mean=float(values.mean()),
    )


def compare_latency(
    base: Samples, candidate: Samples, *, calls_per_block: int, minimum_effect: float = MINIMUM_EFFECT
) -> LatencyComparison:
    """The candidate against the base, process by process.

    The ratio is the geometric mean over processes of (median of the base / median of the candidate), since what a
    process does to both (clock, memory layout of the runtime, neighbours) cancels in it.

    Args:
        base: Seconds per call of the base, a sequence per process.
        candidate: The same of the candidate, from the same processes.
        calls_per_block: Calls timed in a row; blocks stand in for processes where there is only one.
        minimum_effect: The smallest relative change that counts as faster or slower.
    """
    logs = log_ratios(base, candidate, 0.5, calls_per_block=calls_per_block)
    ratio, interval = math.exp(logs.mean()), _exponential(student_interval(logs, CONFIDENCE))
    return LatencyComparison(
        ratio=ratio,
        ci95=interval,
        verdict=latency_verdict(ratio, interval, minimum_effect),
        minimum_effect=minimum_effect,
    )


def log_ratios(base: Samples, candidate: Samples, quantile: float, *, calls_per_block: int) -> Floats:
    """(process,) ln of a quantile of the base over that of the candidate, of processes that measured both by turns."""
    first, second = (log_quantiles(side, quantile, calls_per_block=calls_per_block) for side in (base, candidate))
    count = min(len(first), len(second))  # of blocks, where one process took fewer of one model
    return first[:count] - second[:count]


def log_quantiles(processes: Samples, quantile: float, *, calls_per_block: int) -> Floats:
    """(process,) ln of a quantile of seconds per call; (block,) where there is only one process."""
    units = processes if len(processes) > 1 else _blocks(processes[0], calls_per_block)
    return np.log([float(np.quantile(unit, quantile)) for unit in units])


def quantile_interval(
    processes: Samples, quantile: float, confidence: float, *, calls_per_block: int
) -> tuple[float, float]:
    """Interval in seconds of a quantile of all samples: around it, as far as the processes differ.

    Infinite where there is one process of one block, which tells nothing of the noise.
    """
    logs = log_quantiles(processes, quantile, calls_per_block=calls_per_block)
    low, high = student_interval(logs, confidence)
    centre = float(np.quantile(np.concatenate([np.asarray(process) for process in processes]), quantile))
    shift = math.log(centre) - float(logs.mean())
    return _exponential((low + shift, high + shift))


def slowdown_interval(
    base: Samples, candidate: Samples, quantile: float, confidence: float, *, calls_per_block: int, is_paired: bool
) -> tuple[float, float]:
    """Interval of candidate time over baseline time; by process where they were timed by turns, else Welch's."""
    if is_paired:
        logs = log_ratios(base, candidate, quantile, calls_per_block=calls_per_block)
        return _exponential(student_interval(-logs, confidence))
    first, second = (log_quantiles(side, quantile, calls_per_block=calls_per_block) for side in (base, candidate))
    return _exponential(welch_interval(first, second, confidence))


def block_medians(samples: Sequence[float], calls_per_block: int) -> Floats:
    """(block,) medians in seconds; samples beyond the last whole block are left out."""
    return np.asarray(np.median(_blocks(samples, calls_per_block), axis=1), dtype=np.float64)


def latency_verdict(ratio: float, interval: tuple[float, float], minimum_effect: float) -> LatencyVerdict:
    """What a ratio and its interval say (see `LatencyComparison`)."""
    low, high = interval
    if low > 1 and ratio >= 1 + minimum_effect:
        return "faster"
    if high < 1 and ratio <= 1 / (1 + minimum_effect):
        return "slower"
    return "same" if low >= 1 / (1 + minimum_effect) and high <= 1 + minimum_effect else "undecided"


def _blocks(samples: Sequence[float], calls_per_block: int) -> Floats:
    """(block, call) seconds; samples beyond the last whole block are left out."""
    values = np.asarray(samples, dtype=np.float64)
    whole = max(calls_per_block, len(values) // calls_per_block * calls_per_block)
    return values[:whole].reshape(-1, min(calls_per_block, len(values)))


def _exponential(interval: Interval) -> tuple[float, float]:
    """The interval of logarithms as one of ratios or seconds; (0, infinity) where nothing is known."""
    low, high = np.exp(interval)
    return float(low), float(high)
