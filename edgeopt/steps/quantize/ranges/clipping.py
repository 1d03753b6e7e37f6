"""Search for the range that costs least, over both of its ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

# (candidate,) lower ends, at most 0, and upper ends, at least 0 -> (candidate,) costs
Cost = Callable[[Doubles, Doubles], Doubles]

# Shares of the whole range: four to the octave, down to the width of a bin.
_COARSE = 2.0 ** -(np.arange(13 * 4) / 4)
_FINE_POINTS = 12
_ROUNDS = 2


def clipped(cost: Cost, low: float, high: float) -> tuple[float, float]:
    """The range within [low, high], widened to hold zero, of least cost.

    Both ends are moved together over a grid, then each alone, twice; each time the best of the grid is refined. The
    cost need not be convex: it is never above that of the whole range, which is the first candidate.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    ends = np.array([low, high])
    directions = [np.array([1.0, 1.0])]
    if low < 0 < high:
        directions += [np.array([0.0, 1.0]), np.array([1.0, 0.0])] * _ROUNDS
    shares, best = np.ones(2), float(cost(ends[:1], ends[1:])[0])
    for direction in directions:
        shares, best = _searched(cost, ends, shares, best, direction)
    return float(low * shares[0]), float(high * shares[1])


def _searched(cost: Cost, ends: Doubles, shares: Doubles, best: float, direction: Doubles) -> tuple[Doubles, float]:
    """Shares of both ends, and their cost, the best after moving those that `direction` names over all their grid."""
    is_moved = direction > 0
    factors = _COARSE
    for _ in range(3):
        tried = np.where(is_moved, factors[:, None], shares[None])
        costs = cost(tried[:, 0] * ends[0], tried[:, 1] * ends[1])
        found = int(np.argmin(costs))
        if costs[found] < best:
            shares, best = tried[found], float(costs[found])
        around = factors[[max(found - 1, 0), min(found + 1, len(factors) - 1)]]
        factors = np.linspace(around[0], around[1], _FINE_POINTS)
    return shares, best
