"""Bootstrap intervals of any statistic: bias-corrected and accelerated, over samples or clusters of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.clusters import Positions, units_of
from edgeopt.judge.intervals import CONFIDENCE, UNKNOWN, Interval
from edgeopt.judge.student import student_quantile

# Efron and Tibshirani 1993, section 14.3: intervals want at least 1,000 resamples.
RESAMPLES = 2000
# Entries of one chunk of resamples: 8 MiB of indices stay small next to a model's predictions, and in the cache.
_CHUNK = 1 << 20
# Sums in another order differ by less; draws this close to the value, relative to it, are the value.
_ROUNDING = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bootstrap:
    """Draws of a statistic, with what bends their percentiles into an interval.

    BCa (Efron 1987, https://doi.org/10.1080/01621459.1987.10478410): the ends are the percentiles
    Φ(z₀ + (z₀ ± z) / (1 - a(z₀ ± z))) of the draws. Draws of n units spread too little by a factor sqrt((n - 1) / n)
    and lack the tails of Student's t, so z is sqrt(n / (n - 1)) times the t of n - 1 degrees (Hesterberg 2015,
    https://doi.org/10.1080/00031305.2015.1089789, "expanded" percentiles).

    Attributes:
        value: The statistic of the data itself.
        draws: (resample,) float64 statistics of resamples; NaN has been left out.
        units: Number of units that were drawn from, samples or clusters.
        bias: z₀, the normal quantile of the share of draws below the value.
        acceleration: a, a sixth of the skewness of the jackknife.
        reason: Why plain percentiles are taken instead, bias and acceleration 0; empty where they are not.
    """

    value: float
    draws: Floats
    units: int
    bias: float = 0.0
    acceleration: float = 0.0
    reason: str = ""

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The interval; infinite where nothing is known.

        Args:
            confidence: Two-sided, in (0, 1).
        """
        if not len(self.draws) or self.units < 2 or math.isnan(self.value):
            return UNKNOWN
        z = math.sqrt(self.units / (self.units - 1)) * student_quantile(confidence, self.units - 1)
        low, high = np.quantile(self.draws, (self._level(-z), self._level(z)))
        return float(low), float(high)

    def _level(self, z: float) -> float:
        """The percentile, in [0, 1], that stands for `z`; beyond the pole of the formula it is the last draw."""
        shifted = self.bias + z
        scale = 1 - self.acceleration * shifted
        return NormalDist().cdf(self.bias + shifted / scale) if scale > 0 else float(z > 0)


def bootstrap(
    statistic: Callable[[Positions], float],
    n: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    clusters: Positions | None = None,
) -> Bootstrap:
    """Bootstrap of any statistic; resamples on which it is NaN, as an AUC without negatives, are left out.

    Args:
        statistic: From (n,) int64 sample positions, drawn with replacement, to a number.
        n: Number of samples.
        seed: Seed of the draws.
        resamples: Number of draws.
        clusters: (sample,) numbers of what depends on each other; whole clusters are drawn. None: samples are.
    """
    units = units_of(n, clusters)
    if len(units) < 2:
        return Bootstrap(value=math.nan, draws=np.empty(0), units=len(units), reason=f"{len(units)} independent unit")
    generator = np.random.default_rng(seed)
    draws = np.fromiter((statistic(units.drawn(generator)) for _ in range(resamples)), np.float64, resamples)
    jackknife = np.fromiter((statistic(rows) for rows in units.left_out(generator)), np.float64)
    return bootstrap_from_draws(statistic(np.arange(n)), draws, jackknife, units=len(units))


def bootstrap_from_draws(value: float, draws: Floats, jackknife: Floats, *, units: int) -> Bootstrap:
    """BCa of what was drawn elsewhere; plain percentiles, with the reason, where it has no meaning.

    Args:
        value: The statistic of the data itself.
        draws: (resample,) of resamples.
        jackknife: (group,) of the data without one group of units after the other.
        units: Number of units.
    """
    plain = Bootstrap(value=value, draws=draws[~np.isnan(draws)], units=units)
    margin = _ROUNDING * max(1.0, abs(value)) if math.isfinite(value) else 0.0
    below = np.count_nonzero(plain.draws < value - margin) + np.count_nonzero(abs(plain.draws - value) <= margin) / 2
    reason = _reason_against(plain.draws, below, jackknife)
    if reason:
        return Bootstrap(value=value, draws=plain.draws, units=units, reason=reason)
    bias = NormalDist().inv_cdf(below / len(plain.draws))
    return Bootstrap(value=value, draws=plain.draws, units=units, bias=bias, acceleration=acceleration_of(jackknife))


def bootstrap_interval(
    statistic: Callable[[Positions], float],
    n: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    clusters: Positions | None = None,
) -> Interval:
    """The interval of `bootstrap`; infinite for fewer than 2 units."""
    return bootstrap(statistic, n, seed=seed, resamples=resamples, clusters=clusters).interval(confidence)


def acceleration_of(jackknife: Floats) -> float:
    """Σd³ / 6(Σd²)^1.5 with d the mean of the jackknife minus each of it (Efron 1987, section 6); NaN is left out."""
    known = jackknife[~np.isnan(jackknife)]
    differences = known.mean() - known
    return float((differences**3).sum() / (6 * (differences**2).sum() ** 1.5))


def bootstrap_counts(counts: Positions, *, seed: int, resamples: int = RESAMPLES) -> Iterator[Positions]:
    """Bootstrap draws of a table of counts, in chunks of (resample, cell) int64.

    Drawing n samples with replacement changes only how many fall in each cell: Multinomial(n, counts / n).

    Args:
        counts: (cell,) samples in each cell, at least one in all.
        seed: Seed of the draws.
        resamples: Number of draws over all chunks.
    """
    generator = np.random.default_rng(seed)
    total = int(counts.sum())
    for rows in chunks(resamples, len(counts)):
        yield generator.multinomial(total, counts / total, size=rows)


def chunks(resamples: int, width: int) -> Iterator[int]:
    """How many resamples of `width` entries to draw at a time."""
    rows = max(1, _CHUNK // width)
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _reason_against(draws: Floats, below: float, jackknife: Floats) -> str:
    """Why BCa has no meaning; empty when it has."""
    if not len(draws):
        return "the statistic has no value on any resample"
    if np.ptp(draws) == 0:
        return "all resamples give the same value"
    if not 0 < below < len(draws):
        return "all resamples lie on one side of the value"
    known = jackknife[~np.isnan(jackknife)]
    if len(known) < 2 or np.ptp(known) <= _ROUNDING * max(1.0, float(abs(known).max())):
        return "no sample moves the statistic alone"
    return ""
