"""Area under the ROC curve, its variance, and the variance of the difference of two on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.judge.clusters import Positions
from edgeopt.judge.intervals import Interval, normal_quantile, wilson_interval
from edgeopt.judge.student import student_quantile

Floats = NDArray[np.float64]
# Placement values are multiples of 1/2n: what differs by less is equal, and the variance of equal values is 0.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """Where each sample stands among those of the other class (placement values, DeLong 1988).

    Attributes:
        positive: (positive,) float64, share of negatives with a lower score; equal ones count half.
        negative: (negative,) float64, share of positives with a higher score; equal ones count half.
        clusters: Cluster numbers of the positives and of the negatives; None where samples are independent.
    """

    positive: Floats
    negative: Floats
    clusters: tuple[Positions, Positions] | None = None

    @property
    def area(self) -> float:
        """The AUC: probability that a positive scores above a negative, ties counting half; NaN without one of them."""
        return float(self.positive.mean()) if len(self.positive) and len(self.negative) else math.nan

    @property
    def smaller_class(self) -> int:
        """Number of samples, or clusters, of the rarer class."""
        return min(len(side) for side in self._sides)

    def quantile(self, confidence: float) -> float:
        """How many standard errors an interval reaches: a normal's, or Student's t of the clusters less one."""
        if self.clusters is None:
            return normal_quantile(confidence)
        units = len(np.unique(np.concatenate(self.clusters)))
        return student_quantile(confidence, max(1, units - 1))

    @property
    def _sides(self) -> tuple[Array, Array]:
        if self.clusters is None:
            return self.positive, self.negative
        return np.unique(self.clusters[0]), np.unique(self.clusters[1])


def placements(scores: Floats, labels: Positions, *, clusters: Positions | None = None) -> Placements:
    """Placement values from midranks in O(n log n) (Sun and Xu 2014, https://doi.org/10.1109/LSP.2014.2337313).

    Args:
        scores: (sample,), larger for class 1.
        labels: (sample,) of 0 and 1.
        clusters: (sample,) numbers of what depends on each other; None where samples are independent.
    """
    is_positive = labels == 1
    ranks, positives, negatives = _midranks(scores), scores[is_positive], scores[~is_positive]
    return Placements(
        positive=(ranks[is_positive] - _midranks(positives)) / max(1, len(negatives)),
        negative=1 - (ranks[~is_positive] - _midranks(negatives)) / max(1, len(positives)),
        clusters=None if clusters is None else (clusters[is_positive], clusters[~is_positive]),
    )


def auc_interval(values: Placements, confidence: float) -> Interval:
    """Interval of an AUC from DeLong's variance (Biometrics 44:837-845, 1988), on the logit scale (Pepe 2003, 5.2.4).

    logit A ± z·s / (A(1 - A)) with s² = var(positive) / n₁ + var(negative) / n₀; over clusters s² is Obuchowski's and
    z is Student's t. Where s is 0 or unknown, as with perfect separation, it is the Wilson interval of A at
    n = min(n₁, n₀), since the variance never exceeds A(1 - A) / min(n₁, n₀) (van Dantzig 1951, as cited by Bamber 1975,
    https://doi.org/10.1016/0022-2496(75)90001-2).

    Args:
        values: Placements of the samples of both classes.
        confidence: Two-sided, in (0, 1).
    """
    area, variance = values.area, _variance(values.positive, values.negative, values.clusters)
    if variance <= 0:
        return wilson_interval(area * values.smaller_class, values.smaller_class, confidence)
    reach = values.quantile(confidence) * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    return _expit(centre - reach), _expit(centre + reach)


def auc_difference_interval(baseline: Placements, candidate: Placements, confidence: float) -> Interval:
    """Interval of the candidate's AUC minus the baseline's on the same samples (DeLong 1988).

    D ± z·s with s² from the differences of the placement values. Where none differs, it is D ± z² / (m + z²) with
    m = min(n₁, n₀): what the score interval of paired shares gives when no pair is discordant.

    Args:
        baseline: Placements under the baseline's scores.
        candidate: Placements of the same samples, in the same order, under the candidate's.
        confidence: Two-sided, in (0, 1).
    """
    difference, z = candidate.area - baseline.area, baseline.quantile(confidence)
    changes = candidate.positive - baseline.positive, candidate.negative - baseline.negative
    variance = _variance(*changes, baseline.clusters)
    reach = z * math.sqrt(variance) if variance > 0 else z * z / (baseline.smaller_class + z * z)
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def _variance(positive: Floats, negative: Floats, clusters: tuple[Positions, Positions] | None) -> float:
    """DeLong's variance of a mean over both classes; 0 where a class has a single sample, or cluster."""
    if clusters is not None:
        return _clustered_variance(positive, negative, *clusters)
    if min(len(positive), len(negative)) < 2:
        return 0.0
    return sum(float(values.var(ddof=1)) / len(values) for values in (positive, negative) if np.ptp(values) > _ROUNDING)


def _clustered_variance(positive: Floats, negative: Floats, of_positive: Positions, of_negative: Positions) -> float:
    """Variance of an area over clusters that may hold both classes (Obuchowski 1997, Biometrics 53:567-578).

    I₁Σx² / (I₁ - 1)n₁² + I₀Σy² / (I₀ - 1)n₀² + 2IΣxy / (I - 1)n₁n₀, where x and y are a cluster's sums of placements
    less their mean, I₁ and I₀ count the clusters with positives and with negatives, and I all.
    """
    units = len(np.unique(np.concatenate([of_positive, of_negative])))
    some = [len(np.unique(side)) for side in (of_positive, of_negative)]
    if min(some) < 2 or max(np.ptp(positive), np.ptp(negative)) <= _ROUNDING:
        return 0.0
    length = 1 + int(max(of_positive.max(), of_negative.max()))
    x = np.bincount(of_positive, positive - positive.mean(), length) / len(positive)
    y = np.bincount(of_negative, negative - negative.mean(), length) / len(negative)
    own = some[0] / (some[0] - 1) * float(x @ x) + some[1] / (some[1] - 1) * float(y @ y)
    return max(0.0, own + 2 * units / (units - 1) * float(x @ y))


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _expit(value: float) -> float:
    """1 / (1 + e⁻ˣ) without overflow."""
    return 0.5 * (1 + math.tanh(value / 2))
