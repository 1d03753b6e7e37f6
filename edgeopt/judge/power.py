"""Statistical power: what so many samples or processes would decide, and how many decide with a wanted probability.

An experiment is a rule of the gate together with an assumed truth. Its axis is the figure that the rule is about,
turned so that the truth must not lie below the limit: a difference candidate - baseline, a share, minus a logarithm of
time. All of it is computed before anything is measured, so every figure of it is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

POWERS = (0.80, 0.95)
# Beyond so many samples nothing that people have decides.
MOST_UNITS = 10**8
# A number of samples is found to within this share: the truth that it rests on is known far worse.
_RESOLUTION = 1 / 256
# Where a number that was found is checked again, in proportion to it: 1.1 to 2.1 times.
_LATER = tuple(1.1**step for step in range(1, 9))
# Leaves a millionth of the distance that is searched.
_BISECTIONS = 20


class Experiment(Protocol):
    """A rule and an assumed truth; a frozen dataclass with fields `limit` and `truth` on one axis."""

    def __hash__(self) -> int:
        """Of all fields."""

    @property
    def limit(self) -> float:
        """What the truth must not lie below."""

    @property
    def truth(self) -> float:
        """What is assumed to be true."""

    def passes(self, n: int) -> float:
        """The probability that the rule passes with `n` units, one-sided at 5 %."""

    def fails(self, n: int, level: float) -> float:
        """The probability that the rule fails with `n` units where failing is tested at `level`, one-sided."""


E = TypeVar("E", bound=Experiment)


def needed_units(power_of: Callable[[int], float], power: float, *, least: int = 1) -> int | None:
    """A number of units from which on the probability reaches `power`.

    Found by doubling and bisection to within 0.4 %, and checked: the number given does reach it, and so do larger ones.
    Counts are whole numbers, so that the probability rises in steps and falls back between them: of few discordant
    pairs a first step may reach `power` and lose it again, and does not count.

    Args:
        power_of: The probability for a number of units.
        power: What it shall reach, in (0, 1).
        least: The smallest number that can be judged.

    Returns:
        The number; None where 100 million do not reach it.
    """
    low, high = least - 1, max(least, 2)
    while high <= MOST_UNITS:
        if power_of(high) < power:
            low, high = high, 2 * high
            continue
        found = _first(power_of, power, low, high, least)
        lost = [n for n in (math.ceil(found * ratio) for ratio in _LATER) if power_of(n) < power]
        if not lost:
            return found
        low, high = lost[-1], 2 * lost[-1]
    return None


def _first(power_of: Callable[[int], float], power: float, low: int, high: int, least: int) -> int:
    """Where the probability crosses `power` between `low`, which is below it, and `high`, which reaches it."""
    while high - low > max(1, int(high * _RESOLUTION)):
        middle = (low + high) // 2
        if middle >= least and power_of(middle) >= power:
            high = middle
        else:
            low = middle
    return high


def strictest_limit(experiment: E, n: int, power: float, *, floor: float) -> float | None:
    """The strictest limit that `n` units would show to be kept with probability `power`, were the truth as assumed.

    Args:
        experiment: Its own limit does not matter.
        n: Units.
        power: In (0, 1).
        floor: The lowest limit that makes sense.

    Returns:
        The limit, below the truth; None where even `floor` is not shown.
    """
    return _highest(lambda limit: changed(experiment, limit=limit).passes(n) >= power, floor, experiment.truth)


def detectable_truth(experiment: E, n: int, power: float, *, level: float, floor: float) -> float | None:
    """The truth nearest to the limit that `n` units would show to break it with probability `power`.

    Args:
        experiment: Its own truth does not matter.
        n: Units.
        power: In (0, 1).
        level: Of the one-sided test that fails.
        floor: The lowest truth that makes sense.

    Returns:
        The truth, below the limit; None where even `floor` is not shown.
    """
    return _highest(lambda truth: changed(experiment, truth=truth).fails(n, level) >= power, floor, experiment.limit)


def changed(experiment: E, **fields: float) -> E:
    """The experiment with another `limit` or `truth`."""
    return replace(experiment, **fields)  # type: ignore[type-var]  # experiments are dataclasses


def _highest(is_met: Callable[[float], bool], low: float, high: float) -> float | None:
    """The highest value between `low` and `high` that meets a condition which low values meet; None if none does."""
    if not is_met(low):
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_met(middle) else (low, middle)
    return low
