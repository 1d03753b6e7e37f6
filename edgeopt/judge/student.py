"""Student's t: how far a mean of few units may stray, in standard errors."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from edgeopt.judge.intervals import normal_quantile

# Above so many degrees the expansion is as good as the exact sum: 1e-8 at confidence 0.95, 1e-4 at 1 - 1e-9.
_MANY_DEGREES = 200
_HALVINGS = 100


def student_tail(t: float, degrees: int) -> float:
    """P(T > t) of Student's t, for any t.

    The finite sums of Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, for up to 200 degrees; above them the normal tail
    of t·(1 - 1/4ν) / sqrt(1 + t²/2ν) (ibid., 26.7.8), within 1e-5.

    Args:
        t: In standard errors.
        degrees: Degrees of freedom ν, at least 1.
    """
    if degrees > _MANY_DEGREES:
        return NormalDist().cdf(-t * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t * t / (2 * degrees)))
    return (1 - math.copysign(_within(abs(t), degrees), t)) / 2


@lru_cache(maxsize=4096)
def student_quantile(confidence: float, degrees: int) -> float:
    """The t for which Student's t lies in (-t, t) with probability `confidence`.

    Args:
        confidence: Two-sided, in (0, 1).
        degrees: Degrees of freedom, at least 1; of one degree t is 12.7 at 0.95, of many that of a normal.
    """
    if degrees > _MANY_DEGREES:
        return _expanded(normal_quantile(confidence), degrees)
    low, high = 0.0, 1.0
    while _within(high, degrees) < confidence and high < 1e12:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """P(|T| < t), by the sums over powers of cos θ with tan θ = t / sqrt(ν)."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = degrees % 2 == 1
    term = cosine if is_odd else 1.0
    total = term if degrees > 1 else 0.0
    for power in range(2 + is_odd, degrees - 1, 2):
        term *= cosine * cosine * (power - 1) / power
        total += term
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total


def _expanded(z: float, degrees: int) -> float:
    """The quantile from that of a normal (Abramowitz and Stegun 1964, 26.7.5)."""
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
