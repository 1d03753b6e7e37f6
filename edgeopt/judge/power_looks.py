"""Power of the two looks that make latency red (`edgeopt.judge.second_look`), drawn: three conditions on shared data.

The first look suspects, the second alone repeats, both pooled show. The figure of a process is normal in logarithms, so
a look is a mean and a variance, and thousands of pairs of looks are drawn at once, the same at every call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.latency import MINIMUM_EFFECT
from edgeopt.judge.student import student_quantile

# A probability is drawn to within 0.5 points (one standard deviation).
_DRAWS = 10_000
_NOISE_FACTOR = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """Draws in standard deviations of one process: means and variances of two looks, of a held baseline, and noise."""

    means: tuple[Floats, Floats]
    variances: tuple[Floats, Floats]
    held_mean: Floats
    held_variance: Floats
    noise: Floats


def red_after_two_looks(
    n: int, *, limit: float, truth: float, deviation: float, held: int, is_slowdown: bool, level: float
) -> float:
    """The probability that latency is red after two looks.

    Args:
        n: Processes per look; below 2 nothing can be shown.
        limit: ln of the longest time or ratio that is allowed, in standard deviations of one process.
        truth: ln of the true one, likewise.
        deviation: That standard deviation.
        held: Processes of a baseline that was not timed by turns; 0 where there is none.
        is_slowdown: Whether a slowdown counts only from the minimum effect on (see `Speed`).
        level: Of the one-sided bounds, in (0, 0.5).
    """
    if n < 2 or held == 1:
        return 0.0
    looks = _drawn(n, held)
    first, second = (truth + mean - looks.held_mean for mean in looks.means)
    both = (first + second) / 2
    lower_first = first - _reach(looks, looks.variances[0], n, held, level)
    lower_both = both - _reach(looks, _pooled(looks, n), 2 * n, held, level)
    least, most = _effects(looks, deviation, n)
    is_counted = is_slowdown and limit >= 0
    suspected = (lower_first > limit) & ((first >= least) | (not (is_counted and limit < least)))
    if is_slowdown and not held:  # `bench` itself looks again at what seems slower than the base, whatever the rule
        suspected |= (first > _reach(looks, looks.variances[0], n, held, ALPHA)) & (first >= least)
    is_small = is_counted & (limit < most)
    repeated = (second > limit) & (~is_small | (second >= least))
    shown = (lower_both > limit) & (~is_small | (both >= most))
    return float((suspected & repeated & shown).mean())


def _pooled(looks: _Looks, n: int) -> Floats:
    """Variances of both looks taken as one."""
    (first, second), (one, other) = looks.means, looks.variances
    return np.asarray(((n - 1) * (one + other) + n * (first - second) ** 2 / 2) / (2 * n - 1))


def _effects(looks: _Looks, deviation: float, n: int) -> tuple[float, Floats]:
    """The minimum effect, and what counts beside the noise of both looks, in standard deviations of one process."""
    noise = np.abs(np.expm1(deviation * looks.noise / math.sqrt(2 * n)))
    effect = np.maximum(MINIMUM_EFFECT, _NOISE_FACTOR * noise)
    return math.log1p(MINIMUM_EFFECT) / deviation, np.log1p(effect) / deviation


def _reach(looks: _Looks, variances: Floats, n: int, held: int, level: float) -> Floats:
    """How far bounds lie below means: Student's over `n` processes, or Welch's against the held baseline."""
    confidence, own = 1 - 2 * level, variances / n
    if not held:
        return np.asarray(student_quantile(confidence, n - 1) * np.sqrt(own))
    other = looks.held_variance / held
    degrees = np.maximum(1, ((own + other) ** 2 / (own**2 / (n - 1) + other**2 / (held - 1))).astype(np.int64))
    known, where = np.unique(degrees, return_inverse=True)
    reaches = np.array([student_quantile(confidence, int(degree)) for degree in known])[where]
    return np.asarray(reaches * np.sqrt(own + other))


@lru_cache(maxsize=64)
def _drawn(n: int, held: int) -> _Looks:
    generator = np.random.default_rng(n)

    def mean(count: int) -> Floats:
        return generator.standard_normal(_DRAWS) / math.sqrt(count)

    def variance(count: int) -> Floats:
        return generator.chisquare(count - 1, _DRAWS) / (count - 1)

    means, variances = (mean(n), mean(n)), (variance(n), variance(n))
    nothing = np.zeros(_DRAWS)
    return _Looks(
        means,
        variances,
        mean(held) if held else nothing,
        variance(held) if held else nothing,
        generator.standard_normal(_DRAWS),
    )
