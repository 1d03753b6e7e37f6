"""Why a model became slower or faster during a soak, from what the system told beside the times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeopt.units import format_count

# A clock moves by a per cent or so at any load; what throttles loses more, at least about what the model lost.
_CLOCK_CHANGE = 0.02
_SHARE_EXPLAINED = 0.5
# So many more lost turns a second are other work: each costs a cache and a slice of some milliseconds.
_PREEMPTIONS = 5.0
_PREEMPTIONS_FACTOR = 1.5

Told = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the system told in each window of a soak; empty, or None in a window, where it did not.

    Attributes:
        clock_hz: Clock of the CPUs.
        celsius: Temperature of the processor, in °C.
        preemptions: How often a second another process took the core.
    """

    clock_hz: Told = ()
    celsius: Told = ()
    preemptions: Told = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """Medians of the first and of the last third."""

    early: float
    late: float


def cause_of_slowing(slowdown: float, conditions: Conditions) -> str:
    """The likely cause and its remedy.

    Args:
        slowdown: Late time over early time, less 1.
        conditions: What the system told.
    """
    clock, lost, heat = _seen(conditions)
    least_fall = max(_CLOCK_CHANGE, _SHARE_EXPLAINED * slowdown / (1 + slowdown))
    if clock and clock.late <= clock.early * (1 - least_fall):
        fell = f"the clock fell from {_hertz(clock.early)} to {_hertz(clock.late)}"
        return f"{fell}{f' at {heat.late:.0f} °C' if heat else ''}: the chip is hot or its power budget spent, cool it"
    if lost and lost.late >= lost.early * _PREEMPTIONS_FACTOR + _PREEMPTIONS:
        return f"other work took the core more often ({_counts(lost)}): stop it, then repeat"
    if clock:
        held = f"the clock held at {_hertz(clock.late)}, so it is not heat"
        return f"{held}: other work on the machine grew, or the model does more as it goes on"
    warmed = f"the chip went from {heat.early:.0f} to {heat.late:.0f} °C; " if heat else ""
    return f"{warmed}this system does not tell the clock: either it fell (cool the chip), or other work grew (stop it)"


def cause_of_speeding(conditions: Conditions) -> str:
    """The likely cause of less time at last than at first."""
    clock, lost, _ = _seen(conditions)
    if clock and clock.late >= clock.early * (1 + _CLOCK_CHANGE):
        return f"the clock rose from {_hertz(clock.early)} to {_hertz(clock.late)}: repeat on a governor that holds it"
    if lost and lost.early >= lost.late * _PREEMPTIONS_FACTOR + _PREEMPTIONS:
        return f"other work that took the core ended ({_counts(lost)}): repeat"
    return "other work on the machine ended, or the clock rose: repeat"


def _seen(conditions: Conditions) -> tuple[_Change | None, _Change | None, _Change | None]:
    """Changes of clock, lost turns and temperature; None for what was not told."""
    return _change(conditions.clock_hz), _change(conditions.preemptions), _change(conditions.celsius)


def _change(values: Told) -> _Change | None:
    third = len(values) // 3
    early, late = (
        [value for value in part if value is not None and math.isfinite(value)]
        for part in (values[:third], values[len(values) - third :])
    )
    return _Change(float(np.median(early)), float(np.median(late))) if early and late else None


def _counts(lost: _Change) -> str:
    return f"{lost.early:.0f} times a second at first, {lost.late:.0f} at last"


def _hertz(value: float) -> str:
    return f"{format_count(value)}Hz"
