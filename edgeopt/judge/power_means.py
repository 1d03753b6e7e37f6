"""Power of Student's t: means of values per sample, and latency over processes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.power_looks import red_after_two_looks
from edgeopt.judge.student import student_quantile

_NODES = 96
_FEW_NODES = 40
_DEVIATIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean of values per sample that must not fall below a limit, with Student's bounds.

    Attributes:
        limit: In units of the metric.
        truth: The true mean, likewise.
        deviation: Standard deviation of one sample, above 0.
    """

    limit: float
    truth: float = 0.0
    deviation: float

    def passes(self, n: int) -> float:
        """The probability that the lower bound of `n` samples reaches the limit; 0 below 2 samples."""
        return bound_reaches(self.truth - self.limit, self.deviation / math.sqrt(n), degrees=n - 1, level=ALPHA)

    def fails(self, n: int, level: float) -> float:
        """The probability that the upper bound of `n` samples lies below the limit."""
        return bound_reaches(self.limit - self.truth, self.deviation / math.sqrt(n), degrees=n - 1, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Latency over processes, in logarithms: the axis is minus ln of the candidate's time, or of its ratio to the base.

    Attributes:
        limit: Minus ln of the longest time, in seconds or as a ratio.
        truth: Minus ln of the true one.
        deviation: Standard deviation between processes of one process's figure, above 0.
        held: Processes of a baseline that was not timed by turns, which adds its own error (Welch); 0 where the pair
            was timed by turns, or where there is no baseline.
        is_slowdown: Whether it is a ratio to a base that must not be exceeded: then a slowdown counts only from the
            minimum effect on.
    """

    limit: float
    truth: float
    deviation: float
    held: int = 0
    is_slowdown: bool = False

    def passes(self, n: int) -> float:
        """The probability that the bound of `n` processes keeps the limit; 0 below 2 processes."""
        distance = self.truth - self.limit
        if self.held:
            return welch_reaches(distance / self.deviation, n, self.held, level=ALPHA)
        return bound_reaches(distance, self.deviation / math.sqrt(n), degrees=n - 1, level=ALPHA)

    def fails(self, n: int, level: float) -> float:
        """The probability that two looks of `n` processes each show the limit broken (see `power_looks`)."""
        return red_after_two_looks(
            n,
            limit=-self.limit / self.deviation,
            truth=-self.truth / self.deviation,
            deviation=self.deviation,
            held=self.held,
            is_slowdown=self.is_slowdown,
            level=level,
        )


def bound_reaches(distance: float, error: float, *, degrees: int, level: float) -> float:
    """P(mean - t·s > 0) where the mean is normal around `distance` with standard error `error`, which s estimates.

    E[Φ(distance / error - t·S)] over S = sqrt(χ²/ν), by Gauss and Legendre's sum. That is the noncentral t.

    Args:
        distance: From the limit to the truth, positive on the side that is to be shown.
        error: Standard error, above 0.
        degrees: Degrees of freedom ν; below 1 nothing can be shown.
        level: Of the one-sided bound, in (0, 0.5).
    """
    if degrees < 1:
        return 0.0
    reach, normal = student_quantile(1 - 2 * level, degrees), NormalDist()
    return sum(
        weight * normal.cdf(distance / error - reach * scale) for scale, weight in zip(*_scales(degrees), strict=True)
    )


def welch_reaches(distance: float, first: int, second: int, *, level: float) -> float:
    """P(difference of two means - t·s > 0), with Welch's t (see `means.welch_interval`) and both sides as noisy.

    E[Φ(distance / error - t·S)] over the standard deviations of both sides, which Welch's degrees of freedom depend on.

    Args:
        distance: From the limit to the truth in standard deviations of one unit, positive on the side to be shown.
        first: Units of one side; below 2 nothing can be shown.
        second: Units of the other.
        level: Of the one-sided bound, in (0, 0.5).
    """
    if min(first, second) < 2:
        return 0.0
    total, normal, error = 0.0, NormalDist(), math.sqrt(1 / first + 1 / second)
    others = list(zip(*_scales(second - 1, _FEW_NODES), strict=True))
    for own, weight in zip(*_scales(first - 1, _FEW_NODES), strict=True):
        for other, other_weight in others:
            one, two = own**2 / first, other**2 / second
            degrees = max(1, int((one + two) ** 2 / (one**2 / (first - 1) + two**2 / (second - 1))))
            reach = student_quantile(1 - 2 * level, degrees) * math.sqrt(one + two)
            total += weight * other_weight * normal.cdf((distance - reach) / error)
    return total


@lru_cache(maxsize=1024)
def _scales(degrees: int, count: int = _NODES) -> tuple[list[float], list[float]]:
    """Values of sqrt(χ²/ν) and their weights, which sum to 1."""
    spread = _DEVIATIONS / math.sqrt(2 * degrees)
    nodes, weights = _nodes(count)
    low, high = max(0.0, 1 - spread), 1 + spread
    scales = low + (high - low) * (nodes + 1) / 2
    logs = (degrees - 1) * np.log(scales) - degrees * scales**2 / 2
    mass = weights * np.exp(logs - logs.max())
    return scales.tolist(), (mass / mass.sum()).tolist()


@lru_cache(maxsize=2)
def _nodes(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a function on (-1, 1) is asked for, and with which weights, so that their sum is its integral."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights
