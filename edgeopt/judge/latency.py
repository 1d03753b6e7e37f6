"""Latency summed up with intervals, and two models compared on samples taken interleaved.

Samples within a process are autocorrelated and share the process's memory layout, so both the processes and the blocks
within them are resampled (two-stage block bootstrap; Davison and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
# An interval alone excludes 1 in 17 to 21 % of comparisons of a file with itself (memory layout); together with an
# effect of at least 2 % it is 0 to 1 % (a study of A/A noise, 100 repeats; ours: docs/results/noise.md).
MINIMUM_EFFECT = 0.02

LatencyVerdict = Literal["faster", "slower", "same", "undecided"]
Samples = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySummary:
    """Seconds per call.

    Attributes:
        median: Median of all samples; `p50` is the same figure.
        p90: 90th percentile of all samples.
        ci95: 95 % interval of the median, by two-stage block bootstrap.
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


def summarize_latency(processes: Samples, *, calls_per_block: int, seed: int = 0) -> LatencySummary:
    """Summary of samples in seconds, a sequence per process in the order taken."""
    values = np.concatenate([np.asarray(process) for process in processes])
    return LatencySummary(
        median=float(np.median(values)),
        p90=float(np.quantile(values, 0.9)),
        ci95=interval_of(quantile_draws(processes, 0.5, calls_per_block=calls_per_block, seed=seed), 0.95),
        mean=float(values.mean()),
    )


def compare_latency(
    base: Samples, candidate: Samples, *, calls_per_block: int, seed: int = 0, minimum_effect: float = MINIMUM_EFFECT
) -> LatencyComparison:
    """The candidate against the base, process by process.

    The ratio is the median over processes of (median of the base / median of the candidate), since what a process does
    to both (clock, memory layout of the runtime, neighbours) cancels in it.

    Args:
        base: Seconds per call of the base, a sequence per process.
        candidate: The same of the candidate, from the same processes.
        calls_per_block: Calls timed in a row; the unit of resampling.
        seed: Seed of the bootstrap.
        minimum_effect: The smallest relative change that counts as faster or slower.
    """
    pairs = list(zip(base, candidate, strict=True))
    ratio = float(np.median([np.median(first) / np.median(second) for first, second in pairs]))
    interval = interval_of(ratio_draws(base, candidate, 0.5, calls_per_block=calls_per_block, seed=seed), 0.95)
    return LatencyComparison(
        ratio=ratio,
        ci95=interval,
        verdict=latency_verdict(ratio, interval, minimum_effect),
        minimum_effect=minimum_effect,
    )


def ratio_draws(
    base: Samples, candidate: Samples, quantile: float, *, calls_per_block: int, seed: int
) -> NDArray[np.float64]:
    """(resample,) ratios of a quantile, base over candidate, of processes that measured both."""
    generator = np.random.default_rng(seed)
    logs = []
    for base_process, candidate_process in zip(base, candidate, strict=True):
        first, second = _blocks(base_process, calls_per_block), _blocks(candidate_process, calls_per_block)
        count = min(len(first), len(second))
        picks = generator.integers(0, count, (RESAMPLES, count))
        logs.append(np.log(_quantiles(first, picks, quantile) / _quantiles(second, picks, quantile)))
    return np.exp(_medians_over_processes(np.stack(logs), generator))


def quantile_draws(processes: Samples, quantile: float, *, calls_per_block: int, seed: int) -> NDArray[np.float64]:
    """(resample,) values of a quantile of seconds per call: the median over processes of each one's quantile."""
    generator = np.random.default_rng(seed)
    values = []
    for process in processes:
        blocks = _blocks(process, calls_per_block)
        values.append(_quantiles(blocks, generator.integers(0, len(blocks), (RESAMPLES, len(blocks))), quantile))
    return _medians_over_processes(np.stack(values), generator)


def interval_of(draws: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)


def latency_verdict(ratio: float, interval: tuple[float, float], minimum_effect: float) -> LatencyVerdict:
    """What a ratio and its interval say (see `LatencyComparison`)."""
    low, high = interval
    if low > 1 and ratio >= 1 + minimum_effect:
        return "faster"
    if high < 1 and ratio <= 1 / (1 + minimum_effect):
        return "slower"
    return "same" if low >= 1 / (1 + minimum_effect) and high <= 1 + minimum_effect else "undecided"


def _blocks(samples: Sequence[float], calls_per_block: int) -> NDArray[np.float64]:
    """(block, call) seconds; samples beyond the last whole block are left out."""
    values = np.asarray(samples, dtype=np.float64)
    whole = max(calls_per_block, len(values) // calls_per_block * calls_per_block)
    return values[:whole].reshape(-1, min(calls_per_block, len(values)))


def _quantiles(blocks: NDArray[np.float64], picks: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """(resample,) quantiles of the samples in blocks drawn by `picks`, (resample, block)."""
    if quantile == 0.5:  # the median of block medians: the same centre for a tenth of the work
        medians: NDArray[np.float64] = np.median(np.median(blocks, axis=1)[picks], axis=1)
        return medians
    quantiles: NDArray[np.float64] = np.quantile(blocks[picks].reshape(len(picks), -1), quantile, axis=1)
    return quantiles


def _medians_over_processes(values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """(resample,) medians over processes drawn with replacement; `values` is (process, resample)."""
    draws = generator.integers(0, len(values), values.shape)
    medians: NDArray[np.float64] = np.median(np.take_along_axis(values, draws, axis=0), axis=0)
    return medians
