"""The binomial distribution, exact for any number of trials that fits in memory as one row."""

from __future__ import annotations

import math

import numpy as np

# Below so many standard deviations under the mean nothing is left of a distribution: 1e-32.
_FAR = 12


def binomial_term(successes: int, trials: int, share: float) -> float:
    """P(X = successes) with X ~ Binomial(trials, share), share in [0, 1]; 0 outside 0 to `trials`."""
    if not 0 <= successes <= trials:
        return 0.0
    if share in (0.0, 1.0):
        return float(successes == round(share * trials))
    log_choices = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(log_choices + successes * math.log(share) + (trials - successes) * math.log1p(-share))


def binomial_cdf(successes: int, trials: int, share: float) -> float:
    """P(X <= successes) with X ~ Binomial(trials, share), share in [0, 1]; 0 below 0 and 1 from `trials` on."""
    if successes < 0 or successes >= trials:
        return float(successes >= trials)
    if share in (0.0, 1.0):
        return float(share == 0.0)
    if successes > share * trials:  # the shorter tail is summed, largest term first
        return 1 - binomial_cdf(trials - successes - 1, trials, 1 - share)
    terms = min(successes, math.ceil(_FAR * math.sqrt(trials * share * (1 - share))) + 2 * _FAR)
    counts = np.arange(successes, successes - terms, -1, dtype=np.float64)
    ratios = np.cumprod(counts / (trials - counts + 1) * ((1 - share) / share))
    return min(1.0, binomial_term(successes, trials, share) * (1 + float(ratios.sum())))


def central_range(trials: int, share: float, deviations: float) -> range:
    """The numbers of successes within so many standard deviations of the mean, and a few more on both sides."""
    reach = deviations * math.sqrt(trials * share * (1 - share)) + deviations
    return range(max(0, math.floor(trials * share - reach)), min(trials, math.ceil(trials * share + reach)) + 1)
