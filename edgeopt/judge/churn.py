"""What flips alone say about accuracy: it cannot change by more than the share of predictions that changed.

A prediction that stays the same stays right or wrong, so |change of accuracy| <= flip rate, whatever the labels are
(ease.ml/ci: Renggli et al., SysML 2019). Few flips on unlabelled data, which is cheap, prove that accuracy stayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.measurement import Origin
from edgeopt.judge.clusters import Positions
from edgeopt.judge.estimate import ALPHA, Estimate
from edgeopt.judge.evidence import Finding
from edgeopt.judge.intervals import POWER, Interval, exact_upper, normal_quantile
from edgeopt.judge.rules import Rule
from edgeopt.judge.statistics import share_bounds
from edgeopt.units import format_points


def churn_finding(rule: Rule, changed: NDArray[np.bool_], clusters: Positions | None, *, seed: int) -> Finding:
    """What flips on samples without labels say about a rule on the change of accuracy.

    Args:
        rule: It says by how much accuracy may differ from the baseline's.
        changed: (sample,) whether the prediction changed.
        clusters: (sample,) numbers of what depends on each other; None where samples are independent.
        seed: Seed of the bootstrap over clusters.
    """
    flips, n = int(changed.sum()), len(changed)
    if clusters is None:
        return counted_finding(rule, flips, n)
    bounds = share_bounds(changed, seed=seed, clusters=clusters)
    return _finding(rule, flips, n, lambda confidence: bounds(confidence)[1])


def counted_finding(rule: Rule, flips: int, n: int, *, origin: Origin = Origin.HOST) -> Finding:
    """The same from the number of flips among `n` independent samples."""
    return _finding(rule, flips, n, lambda confidence: exact_upper(flips, n, confidence), origin)


def samples_to_bound(share: float, limit: float, *, power: float = POWER) -> int | None:
    """Number of samples that would show with a one-sided 95 % bound that a share lies below a limit.

    ((z_0.95·sqrt(X(1 - X)) + z_power·sqrt(p(1 - p))) / (X - p))² for the score test of one share, and at least the
    ln 0.05 / ln(1 - X) that a share of 0 needs.

    Args:
        share: p, the true share, in [0, 1].
        limit: X, in (0, 1).
        power: Probability that so many samples suffice, in [0.5, 1).

    Returns:
        The number; None where the share reaches the limit.
    """
    if share >= limit or limit >= 1:
        return None
    reach = normal_quantile(1 - 2 * ALPHA) * math.sqrt(limit * (1 - limit))
    reach += normal_quantile(2 * power - 1) * math.sqrt(share * (1 - share))
    return math.ceil(max((reach / (limit - share)) ** 2, math.log(ALPHA) / math.log1p(-limit)))


def _finding(rule: Rule, flips: int, n: int, upper: Callable[[float], float], origin: Origin = Origin.HOST) -> Finding:
    limit = rule.quantity.value

    def interval(confidence: float) -> Interval:
        bound = upper(confidence)
        return -bound, bound

    basis = f"without labels: {flips} of {n:,} predictions changed, and accuracy cannot change by more than they do"
    margin = limit if rule.is_upper else -limit
    if 0 < margin <= upper(1 - 2 * ALPHA):
        basis += f"; {_way_out(flips / n, margin)}"
    elif margin <= 0:
        basis += "; that it rose or fell, only labels can show"
    return Finding(estimate=Estimate(value=0.0, interval=interval, basis=basis), limit=limit, origin=origin)


def _way_out(share: float, margin: float) -> str:
    """What would decide the rule."""
    needed = samples_to_bound(share, margin)
    if needed is None:
        return f"that reaches the {format_points(margin).lstrip('+')} that may be lost, so labels are needed"
    return f"about {needed:,} unlabelled samples would show that it stays within the limit"
