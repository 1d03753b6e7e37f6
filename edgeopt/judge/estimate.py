"""A figure with what is known of its uncertainty, and whether it keeps a limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edgeopt.judge.intervals import Bounds, Interval, normal_quantile, samples_to_separate

# All bounds are one-sided 95 %, so the interval that holds both has 90 %.
ALPHA = 0.05
_BISECTIONS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure that a rule is about.

    Attributes:
        value: The figure, in the unit of the limit.
        interval: Two-sided interval for a given confidence; None for a figure without chance in it (a size).
        basis: What it rests on, for people.
        needed: How many samples would decide it against a limit, where that can be told.
        drop_p: One-sided p of "it has not dropped below 0", of a test that needs no interval; None where there is none.
    """

    value: float
    interval: Callable[[float], Interval] | None = None
    basis: str = ""
    needed: Callable[[float], int | None] | None = None
    drop_p: float | None = None


def keeps(estimate: Estimate, limit: float, *, is_upper: bool, is_strict: bool = False) -> bool:
    """Whether the limit is kept beyond doubt: by the one-sided 95 % bound on the bad side."""
    low, high = estimate.interval(1 - 2 * ALPHA) if estimate.interval else (estimate.value, estimate.value)
    bound = high if is_upper else -low
    edge = limit if is_upper else -limit
    return bound < edge or (bound == edge and not is_strict)


def breaking_p(estimate: Estimate, limit: float, *, is_upper: bool) -> float:
    """The smallest one-sided level at which the limit is broken: p of "the limit is kept".

    It inverts the interval, so it exists for every kind of interval: the bound on the good side of a (1 - 2p) interval
    touches the limit. 1 where the figure itself keeps the limit; 0 for a figure without chance that breaks it.

    Against a lower limit of exactly 0 it is the figure's own `drop_p` where there is one, unless the bound of `keeps`
    keeps the limit: no figure does both.
    """
    is_broken = estimate.value > limit if is_upper else estimate.value < limit
    if not is_broken:
        return 1.0
    if estimate.interval is None:
        return 0.0
    if estimate.drop_p is not None and limit == 0 and not is_upper:
        return 1.0 if keeps(estimate, limit, is_upper=False) else estimate.drop_p
    low, high = 1e-9, 0.5
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        bounds = estimate.interval(1 - 2 * middle)
        if (bounds[0] > limit) if is_upper else (bounds[1] < limit):
            high = middle
        else:
            low = middle
    return high


def samples_that_decide(value: float, bounds: Bounds, n: int) -> Callable[[float], int | None]:
    """How many samples would decide a figure against a limit, from how far its interval on `n` samples reaches.

    The variance of one sample is n times the squared standard error; None where the figure sits at the limit or its
    interval is infinite.
    """

    def needed(limit: float) -> int | None:
        low, high = bounds(1 - 2 * ALPHA)
        error = (high - low) / 2 / normal_quantile(1 - 2 * ALPHA)
        return samples_to_separate(n * error**2, value - limit) if math.isfinite(error) else None

    return needed


def holm(p_values: list[float], alpha: float = ALPHA) -> list[bool]:
    """Which hypotheses are rejected at family-wise level `alpha` (Holm 1979, Scand. J. Statist. 6:65-70).

    The k-th smallest of m p-values is held against alpha / (m - k + 1); the first that fails stops the rest.
    """
    return [p <= alpha for p in holm_adjusted(p_values)]


def holm_adjusted(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values: the family-wise level at which each hypothesis is just rejected.

    Of the k-th smallest of m: the largest (m - j + 1) p of it and those before it, at most 1 (Wright 1992,
    https://doi.org/10.2307/2532694).
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
