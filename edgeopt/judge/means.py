"""Intervals of means of values per sample, over samples or clusters of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.bootstrap import RESAMPLES, chunks
from edgeopt.judge.clusters import Positions
from edgeopt.judge.intervals import UNKNOWN, Bounds, Interval
from edgeopt.judge.student import student_quantile

# With so many units the draws differ little from Student's t, and half of the resamples find the little.
_MANY_UNITS = 20_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanBootstrap:
    """A mean with its standard error and draws of how many standard errors it strays.

    Attributes:
        value: The mean.
        error: Its standard error; over clusters that of a ratio of sums (Cochran 1977, section 6.4).
        units: Independent units, samples or clusters.
        pivots: (resample,) (mean of the resample - value) / standard error of the resample.
    """

    value: float
    error: float
    units: int
    pivots: Floats

    def interval(self, confidence: float) -> Interval:
        """At each end whatever reaches further: the bootstrap-t or Student's t.

        The bootstrap-t (Efron and Tibshirani 1993, section 12.5) moves both ends for skewness, which Student's t does
        not: on log-normal values its upper bound at 97.5 % is too low in 7 to 11 of 100. But where both tails are
        heavy, as in paired differences, the skewness of a sample is mostly chance and the bootstrap-t covers 90 to 93
        of 100, where Student's t holds (docs/results/judge-coverage.md). So no end is nearer than Student's t's.

        Args:
            confidence: Two-sided, in (0, 1).
        """
        if self.units < 2:
            return UNKNOWN
        reach = student_quantile(confidence, self.units - 1)
        low, high = -reach, reach
        if len(self.pivots):
            tails = np.quantile(self.pivots, ((1 - confidence) / 2, (1 + confidence) / 2))
            low, high = min(low, -float(tails[1])), max(high, -float(tails[0]))
        return self.value + low * self.error, self.value + high * self.error


def mean_bounds(
    values: NDArray[np.generic], *, seed: int, clusters: Positions | None = None, resamples: int = RESAMPLES
) -> Bounds:
    """Intervals of the mean of `values` (see `MeanBootstrap`); infinite for fewer than 2 units.

    Args:
        values: (sample,) numbers in any unit.
        seed: Seed of the draws.
        clusters: (sample,) numbers of what depends on each other; None where samples are independent.
        resamples: Number of draws; halved for 20,000 units and more.
    """
    return bootstrap_mean(values, seed=seed, clusters=clusters, resamples=resamples).interval


def bootstrap_mean(
    values: NDArray[np.generic], *, seed: int, clusters: Positions | None = None, resamples: int = RESAMPLES
) -> MeanBootstrap:
    """The mean of `values`, with what `mean_bounds` rests on; for its arguments see there."""
    exact, sizes = _sums(values.astype(np.float64), clusters)
    n = len(exact)
    if n < 2:
        return MeanBootstrap(value=math.nan, error=math.inf, units=n, pivots=np.empty(0))
    total = float(n if sizes is None else sizes.sum())
    value = float(exact.sum() / total)
    residuals = exact - value if sizes is None else exact - value * sizes
    error = math.sqrt(float(residuals @ residuals) * n / (n - 1)) / total
    if error == 0 or (sizes is None and np.ptp(exact) == 0):
        return MeanBootstrap(value=value, error=0.0, units=n, pivots=np.empty(0))
    count = resamples if n < _MANY_UNITS else resamples // 2
    return MeanBootstrap(value=value, error=error, units=n, pivots=_pivots(residuals, sizes, seed, count))


def student_interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Student's interval of the mean of a few independent values, (unit,); infinite for fewer than 2."""
    n = len(values)
    if n < 2:
        return UNKNOWN
    centre, reach = float(values.mean()), student_quantile(confidence, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return centre - reach, centre + reach


def welch_interval(first: Floats, second: Floats, confidence: float) -> Interval:
    """Interval of the mean of `second` minus that of `first`, unpaired (Welch 1947, Biometrika 34:28-35).

    The degrees of freedom, (a + b)² / (a² / (n - 1) + b² / (m - 1)) with a and b the squared standard errors, are
    rounded down. Infinite where either has fewer than 2 values.
    """
    if min(len(first), len(second)) < 2:
        return UNKNOWN
    centre = float(second.mean() - first.mean())
    squares = [float(values.var(ddof=1)) / len(values) for values in (first, second)]
    total = sum(squares)
    if total == 0:
        return centre, centre
    degrees = total**2 / sum(square**2 / (len(v) - 1) for square, v in zip(squares, (first, second), strict=True))
    reach = student_quantile(confidence, max(1, int(degrees))) * math.sqrt(total)
    return centre - reach, centre + reach


def _sums(values: Floats, clusters: Positions | None) -> tuple[Floats, Floats | None]:
    """Sums and sizes of clusters; the values themselves, and None, where samples are independent."""
    if clusters is None:
        return values, None
    numbers = np.unique(clusters, return_inverse=True)[1].ravel()
    return np.bincount(numbers, weights=values).astype(np.float64), np.bincount(numbers).astype(np.float64)


def _pivots(residuals: Floats, sizes: Floats | None, seed: int, resamples: int) -> Floats:
    """(resample,) pivots of units drawn with replacement; those without any spread are left out."""
    n, generator = len(residuals), np.random.default_rng(seed)
    found = []
    for rows in chunks(resamples, n):
        picks = generator.integers(n, size=(rows, n))
        drawn = residuals[picks]
        sums, squares = drawn.sum(axis=1), np.einsum("ij,ij->i", drawn, drawn)
        if sizes is None:
            # Σ(e - mean)² = Σe² - (Σe)² / n; the total n cancels in the pivot.
            spread = squares - sums**2 / n
        else:
            weights = sizes[picks]
            shift = sums / weights.sum(axis=1)
            products, weight_squares = np.einsum("ij,ij->i", drawn, weights), np.einsum("ij,ij->i", weights, weights)
            spread = squares - 2 * shift * products + shift**2 * weight_squares
        has_spread = spread > 1e-12 * squares
        found.append(sums[has_spread] / np.sqrt(spread[has_spread] * n / (n - 1)))
    return np.concatenate(found)
