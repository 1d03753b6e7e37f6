"""Power of what the gate does with shares: Tango's test of pairs, Wilson's of one share, and flips without labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from edgeopt.judge.binomial import binomial_cdf, binomial_term, central_range
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.intervals import mcnemar_drop_p, tango_score

# What lies further out adds less than 1e-9 to a probability.
_DEVIATIONS = 6.5
# Of so many expected discordant pairs the normal approximation is right to 0.1 points, of 50 to 1.2 points
# (tests/judge/test_power_shares.py); of fewer than these all outcomes are summed.
_MANY_PAIRS = 2000
_ROUNDING = 1e-9

# Whether so many losses and gains show what is to be shown.
Shown = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedShares:
    """A share of hits against the baseline's on the same samples: the axis is candidate - baseline.

    The gate passes where Tango's score test rejects "the difference is `limit` or less" (Tango 1998, Statistics in
    Medicine 17:891-908), and fails where it rejects "`limit` or more"; any drop at all fails by McNemar's mid-p. Losses
    and gains are trinomial. Up to 2,000 expected discordant pairs their outcomes are summed, which is exact; beyond,
    power is Φ((sqrt(n)·|d - λ| - z·σ₀) / σ₁) with σ₁² = ψ - d² and σ₀² the variance that the score test takes at λ.

    Attributes:
        limit: λ, minus the margin, in (-1, 1).
        truth: d, the true difference.
        discordance: ψ, share of samples that only one of the two hits, in [0, 1]; at least |d| is taken.
        is_any_drop: Whether the rule allows no drop at all, so that failing is McNemar's question.
    """

    limit: float
    truth: float = 0.0
    discordance: float
    is_any_drop: bool = False

    def passes(self, n: int) -> float:
        """The probability that `n` samples show the difference to lie above the limit."""
        z = NormalDist().inv_cdf(1 - ALPHA)
        return self._reached(n, z, lambda losses, gains: _is_above(losses, gains, n, self.limit, z))

    def fails(self, n: int, level: float) -> float:
        """The probability that `n` samples show it to lie below the limit: losses and gains change places."""
        z, limit = NormalDist().inv_cdf(1 - level), -self.limit
        mirrored = PairedShares(limit=limit, truth=-self.truth, discordance=self.discordance)
        if self.is_any_drop:
            return mirrored._reached(n, z, lambda gains, losses: mcnemar_drop_p(losses, gains) <= level)
        return mirrored._reached(n, z, lambda losses, gains: _is_above(losses, gains, n, limit, z))

    @property
    def _shares(self) -> tuple[float, float]:
        """Shares of samples that are lost and gained."""
        discordance = min(1.0, max(self.discordance, abs(self.truth)))
        return (discordance - self.truth) / 2, (discordance + self.truth) / 2

    def _reached(self, n: int, z: float, is_shown: Shown) -> float:
        """The probability of outcomes that show the truth to lie above the limit."""
        losses, gains = self._shares
        return self._normal(n, z) if n * (losses + gains) > _MANY_PAIRS else self._summed(n, is_shown)

    def _normal(self, n: int, z: float) -> float:
        losses, gains = self._shares
        discordance, limit = losses + gains, self.limit
        # The most likely share of losses under the hypothesis, as in `tango_score`, at the expected counts.
        linear = (2 - gains + losses) * limit - discordance
        constant = -losses * limit * (1 - limit)
        share = (math.sqrt(max(0.0, linear * linear - 8 * constant)) - linear) / 4
        charged = math.sqrt(max(0.0, 2 * share + limit * (1 - limit)))
        spread = math.sqrt(max(0.0, discordance - self.truth**2))
        surplus = math.sqrt(n) * (self.truth - limit) - z * charged
        if spread == 0:
            return float(surplus > 0)
        return NormalDist().cdf(surplus / spread)

    def _summed(self, n: int, is_shown: Shown) -> float:
        """Sum over numbers of discordant pairs of P(number) x P(few enough of them are losses).

        One more pair that is a gain shows more, one more that is a loss less. So with one more pair the most
        losses that pass stay the same or are one more, and a walk finds them all.
        """
        losses, gains = self._shares
        discordance = losses + gains
        if discordance == 0:
            return float(is_shown(0, 0))
        share = losses / discordance
        total, most, within = 0.0, None, 0.0
        for pairs in central_range(n, discordance, _DEVIATIONS):
            if most is None:
                most = _most_losses(pairs, is_shown)
                within = binomial_cdf(most, pairs, share)
            else:  # P(X <= k) of one more trial, then of one more success
                within -= share * binomial_term(most, pairs - 1, share)
                if most < pairs and is_shown(most + 1, pairs - most - 1):
                    most += 1
                    within += binomial_term(most, pairs, share)
            total += binomial_term(pairs, n, discordance) * within
        return min(1.0, max(0.0, total))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share against a fixed limit that it must not fall below: Wilson's score bounds, all outcomes summed.

    Attributes:
        limit: In (0, 1).
        truth: The true share, in [0, 1].
    """

    limit: float
    truth: float

    def passes(self, n: int) -> float:
        """The probability that the lower bound of `n` samples reaches the limit."""
        fewest = math.ceil(self._edge(n, NormalDist().inv_cdf(1 - ALPHA)) - _ROUNDING)
        return 1 - binomial_cdf(fewest - 1, n, self.truth)

    def fails(self, n: int, level: float) -> float:
        """The probability that the upper bound of `n` samples lies below the limit."""
        fewest = math.floor(self._edge(n, -NormalDist().inv_cdf(1 - level)) + _ROUNDING)
        return binomial_cdf(fewest, n, self.truth)

    def _edge(self, n: int, z: float) -> float:
        """Hits at which a score bound touches the limit: nX + z·sqrt(nX(1 - X))."""
        return n * self.limit + z * math.sqrt(n * self.limit * (1 - self.limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Accuracy against the baseline's without labels: it cannot fall by more than the share of changed predictions.

    Passes where the exact upper bound of that share keeps the margin (see `judge.churn`); flips alone never fail it.

    Attributes:
        limit: Minus the margin, in (-1, 0).
        truth: Minus the true share of changed predictions, in [-1, 0].
    """

    limit: float
    truth: float

    def passes(self, n: int) -> float:
        """The probability that the flips of `n` samples are few enough."""
        most, high = -1, n
        while high - most > 1:  # the exact bound keeps the margin while P(X <= flips) at the margin is at most 5 %
            middle = (most + high) // 2
            most, high = (middle, high) if binomial_cdf(middle, n, -self.limit) <= ALPHA else (most, middle)
        return binomial_cdf(most, n, -self.truth)

    def fails(self, n: int, level: float) -> float:
        """0: that accuracy fell, only labels can show."""
        del n, level
        return 0.0


def _most_losses(pairs: int, is_shown: Shown) -> int:
    """The largest number of losses among `pairs` discordant pairs that passes; -1 where even none does not."""
    low, high = -1, pairs + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_shown(middle, pairs - middle) else (low, middle)
    return low


def _is_above(losses: int, gains: int, n: int, limit: float, z: float) -> bool:
    """Whether the lower bound lies above the limit; without discordant pairs a difference of 0 is not above 0."""
    return gains - losses > n * limit and tango_score(losses, gains, n, limit) > z
