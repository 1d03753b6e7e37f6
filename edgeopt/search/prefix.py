"""The fewest layers to spare from quantization so that a budget of accuracy is kept, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """One evaluation.

    Attributes:
        count: How many of the layers, most harmful first, stayed in higher precision.
        drop: What the model then loses, in the unit of the limit.
    """

    count: int
    drop: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixSearch:
    """What `smallest_prefix` gives.

    Attributes:
        best: The fewest spared layers that keep the limit; where none do, the evaluation with the smallest drop.
        is_met: Whether `best` keeps the limit.
        evaluations: All of them in order.
    """

    best: Spared
    is_met: bool
    evaluations: tuple[Spared, ...]


def smallest_prefix(most: int, drop_of: Callable[[int], float], limit: float) -> PrefixSearch:
    """The smallest count in [0, most] whose drop is at most `limit`, taking drops to fall as counts grow.

    It evaluates 0, then `most`, then bisects between them: at most 2 + ceil(log2(most)) evaluations. Measured drops
    are noisy and need not fall with every layer, so the count found keeps the limit, but a smaller one might as well.

    Args:
        most: The largest count that may be tried, at least 0.
        drop_of: What is lost when so many layers are spared.
        limit: What may be lost.
    """
    evaluations = [Spared(count=0, drop=drop_of(0))]
    if evaluations[0].drop > limit and most > 0:
        evaluations.append(Spared(count=most, drop=drop_of(most)))
        low, high = 0, most
        while evaluations[1].drop <= limit and high - low > 1:
            middle = (low + high) // 2
            evaluations.append(Spared(count=middle, drop=drop_of(middle)))
            low, high = (low, middle) if evaluations[-1].drop <= limit else (middle, high)
    kept = [one for one in evaluations if one.drop <= limit]
    best = min(kept, key=lambda one: one.count) if kept else min(evaluations, key=lambda one: (one.drop, one.count))
    return PrefixSearch(best=best, is_met=bool(kept), evaluations=tuple(evaluations))
