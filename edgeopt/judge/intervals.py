"""Intervals and tests for shares and paired shares, and how many samples would decide.

`confidence` is that of a two-sided interval; each end alone is a one-sided bound of confidence (1 + confidence) / 2, so
the one-sided 95 % bounds that a gate uses are the ends of `confidence=0.90`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.binomial import binomial_cdf

CONFIDENCE = 0.95
POWER = 0.80
# Halving (-1, 1) sixty times leaves 2e-18, below the spacing of doubles near any share that matters.
_HALVINGS = 60

Interval = tuple[float, float]
# From a two-sided confidence in (0, 1) to the interval; what is drawn is drawn once.
Bounds = Callable[[float], Interval]
UNKNOWN: Interval = (-math.inf, math.inf)


def normal_quantile(confidence: float) -> float:
    """The z for which a standard normal lies in (-z, z) with probability `confidence`, in (0, 1)."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson_interval(successes: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a share (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953).

    (p + z²/2n ± z·sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n) with p = successes / n; never empty, never beyond [0, 1].

    Args:
        successes: How many of the samples, in [0, n]; a fraction where it stands for a mean of values in [0, 1].
        n: Number of samples; with 0 nothing is known and the interval is (0, 1).
        confidence: Two-sided, in (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} samples")
    if n == 0:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return min(share, max(0.0, low)) if successes else 0.0, max(share, min(1.0, high)) if successes < n else 1.0


def exact_upper(successes: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Upper end of the exact interval of a share (Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404).

    The share at which so few successes have probability (1 - confidence) / 2. Unlike Wilson's, it never promises too
    much: of a share that was never seen it is 3.0 / n at the one-sided 95 %, Wilson's 2.7 / n.

    Args:
        successes: How many of the samples, in [0, n].
        n: Number of samples; with 0 nothing is known and the end is 1.
        confidence: Two-sided, in (0, 1).
    """
    if successes >= n:
        return 1.0
    low, high = successes / n, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if binomial_cdf(successes, n, middle) > (1 - confidence) / 2:
            low = middle
        else:
            high = middle
    return high


def tango_interval(losses: int, gains: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of D = (gains - losses) / n, the difference of two paired shares.

    All D that the score test (see `tango_score`) does not reject (Tango 1998, Statistics in Medicine 17:891-908); it
    holds its level where no pair is discordant, which a Wald interval does not.

    Args:
        losses: Pairs where only the baseline is right.
        gains: Pairs where only the candidate is right.
        n: All pairs; with 0 nothing is known and the interval is (-1, 1).
        confidence: Two-sided, in (0, 1).
    """
    if losses < 0 or gains < 0 or losses + gains > n:
        raise ValueError(f"{losses} losses and {gains} gains of {n} pairs")
    z = normal_quantile(confidence)
    return _tango_lower(losses, gains, n, z), -_tango_lower(gains, losses, n, z)


def tango_score(losses: int, gains: int, n: int, difference: float) -> float:
    """Standard normal statistic of the hypothesis D = `difference`; above 0 the data lie above it (Tango 1998).

    Z = (g - l - nλ) / sqrt(n(2q + λ(1 - λ))) with the most likely share of losses under the hypothesis,
    q = (sqrt(B² - 4AC) - B) / 2A, A = 2n, B = -g - l + (2n - g + l)λ, C = -lλ(1 - λ). At λ = 0 it is McNemar's.

    Args:
        losses: Pairs where only the baseline is right, l.
        gains: Pairs where only the candidate is right, g.
        n: All pairs, at least 1.
        difference: λ, in (-1, 1).
    """
    linear = -gains - losses + (2 * n - gains + losses) * difference
    constant = -losses * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    # Both are the same root; each is taken where it does not subtract two nearly equal numbers.
    share = -2 * constant / (root + linear) if linear > 0 else (root - linear) / (4 * n)
    variance = n * (2 * max(share, 0.0, -difference) + difference * (1 - difference))
    surplus = gains - losses - n * difference
    return surplus / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, surplus)


def mcnemar_drop_p(losses: int, gains: int) -> float:
    """One-sided mid-p of McNemar's test that there is no drop: small when losses outnumber gains beyond chance.

    P(X >= l) - P(X = l) / 2 with X ~ Binomial(l + g, 1/2). Mid-p, since the exact conditional test is far too cautious:
    Fagerland, Lydersen and Laake 2013, https://doi.org/10.1186/1471-2288-13-91. Without discordant pairs it is 0.5.

    Args:
        losses: Pairs where only the baseline is right.
        gains: Pairs where only the candidate is right.
    """
    if losses < gains:
        return 1 - mcnemar_drop_p(gains, losses)
    terms = _upper_terms(losses, losses + gains)
    return float(terms.sum() - terms[0] / 2)


def mcnemar_change_p(losses: int, gains: int) -> float:
    """Two-sided mid-p of McNemar's test that losses and gains are equally likely; 1 without discordant pairs.

    Twice the smaller one-sided mid-p (see `mcnemar_drop_p`); the JSON key `mcnemar_p`.

    Args:
        losses: Pairs where only the baseline is right.
        gains: Pairs where only the candidate is right.
    """
    return min(1.0, 2 * mcnemar_drop_p(max(losses, gains), min(losses, gains)))


def samples_to_decide(
    difference: float, discordance: float, margin: float, *, confidence: float = 0.90, power: float = POWER
) -> int | None:
    """Number of paired samples that would decide whether a share drops by no more than `margin`.

    n = (z_confidence + z_power)² · max(ψ - d², |M|(1 - |M|)) / (M + d)², were the observed d and ψ the true ones. The
    variance of one pair is ψ - d²; under the hypothesis D = -M it is at least |M|(1 - |M|) even where no pair was
    discordant, which is what the score interval of `tango_interval` charges. At d = 0 and the defaults n = 6.18 ψ / M².

    Args:
        difference: d, candidate minus baseline, a share in [-1, 1].
        discordance: ψ, share of samples that only one of the two gets right, in [0, 1].
        margin: M, largest drop that is accepted, a share; below 0 where a gain is demanded.
        confidence: Two-sided (each bound alone is one-sided 95 % by default), in (0, 1).
        power: Probability that so many samples decide, in [0.5, 1).

    Returns:
        The number, at least 1; None where the difference sits at the margin, which no number of samples decides.
    """
    variance = max(discordance - difference**2, abs(margin) * (1 - abs(margin)))
    return samples_to_separate(variance, difference + margin, confidence=confidence, power=power)


def samples_to_separate(
    variance: float, distance: float, *, confidence: float = 0.90, power: float = POWER
) -> int | None:
    """Number of samples whose mean would be told apart from a limit: (z_confidence + z_power)² · variance / distance².

    Args:
        variance: Variance of one sample, in squared units of the metric.
        distance: From the mean to the limit, in units of the metric.
        confidence: Two-sided, in (0, 1).
        power: Probability that so many samples suffice, in [0.5, 1).

    Returns:
        The number, at least 1; None where mean and limit are one.
    """
    if math.isclose(distance, 0, abs_tol=1e-12):
        return None
    quantiles = normal_quantile(confidence) + NormalDist().inv_cdf(power)
    return max(1, math.ceil(quantiles**2 * variance / distance**2))


def _tango_lower(losses: int, gains: int, n: int, z: float) -> float:
    """Largest D, to rounding, that the score test still rejects as too low; -1 when it rejects none."""
    if n == 0:
        return -1.0
    low, high = -1.0, (gains - losses) / n
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if tango_score(losses, gains, n, middle) > z:
            low = middle
        else:
            high = middle
    return low


def _upper_terms(first: int, trials: int) -> NDArray[np.float64]:
    """P(X = k) for k = `first` to `trials`, X ~ Binomial(trials, 1/2), for `first` of at least half the trials."""
    log_choices = math.lgamma(trials + 1) - math.lgamma(first + 1) - math.lgamma(trials - first + 1)
    later = np.arange(first, trials, dtype=np.float64)
    ratios = np.cumprod((trials - later) / (later + 1))
    return math.exp(log_choices - trials * math.log(2)) * np.concatenate(([1.0], ratios))
