"""The windows of a soak: one model without a pause, and what was seen at the end of each window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.measure.sensors import Sensors, preemptions

# A window lasts a second; less where a soak is too short for 60 of them, more where it is so long that the record would
# grow beyond what one can read.
_WINDOW_SECONDS = 1.0
_SHORTEST_WINDOW_SECONDS = 0.1
_USUAL_WINDOWS = 60
_MOST_WINDOWS = 600
# Calls of a window that are kept.
_SAMPLES = 20
# Columns of the table before the samples: end, preemptions, clock, temperature, memory.
_SEEN = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was measured in one window.

    Attributes:
        end: Seconds from the beginning of the soak to the end of the window.
        samples: Seconds per call of some calls, evenly spaced; at least one.
        preemptions: How often another process took the core in this window; None where it is not told, as below.
        clock_hz: Clock of the CPUs at its end.
        celsius: Temperature of the processor at its end, in °C.
        resident_bytes: Memory of the process at its end.
    """

    end: float
    samples: tuple[float, ...]
    preemptions: int | None
    clock_hz: float | None
    celsius: float | None
    resident_bytes: int | None

    def as_json(self) -> dict[str, Any]:
        """The window under its JSON keys."""
        return asdict(self)


def window_from_json(record: dict[str, Any]) -> Window:
    """The window that `Window.as_json` wrote."""
    return Window(**{**record, "samples": tuple(record["samples"])})


def window_seconds(seconds: float) -> float:
    """How long a window of a soak of `seconds` is, in seconds: 60 to 600 windows, of 0.1 s at least."""
    usual = max(_SHORTEST_WINDOW_SECONDS, min(_WINDOW_SECONDS, seconds / _USUAL_WINDOWS))
    return max(usual, seconds / _MOST_WINDOWS)


def soak_windows(call: Callable[[], object], *, seconds: float, sensors: Sensors) -> tuple[Window, ...]:
    """One window after the other, until the time is over; the last one begins before that.

    What is seen goes into a table that was filled beforehand: a list that grows would pass for a leak of the model.

    Args:
        call: Makes one inference.
        seconds: How long.
        sensors: Where clock, temperature and memory are told.
    """
    length = window_seconds(seconds)
    table = np.full((math.ceil(seconds / length) + 1, _SEEN + _SAMPLES), np.nan)
    begin = time.perf_counter()
    done, now, switches = 0, begin, preemptions()
    while now < begin + seconds and done < len(table):
        _sample(call, length, table[done, _SEEN:])
        before, switches, now = switches, preemptions(), time.perf_counter()
        lost = None if switches is None or before is None else switches - before
        seen = (now - begin, lost, sensors.clock_hz(), sensors.celsius(), sensors.resident_bytes())
        table[done, :_SEEN] = [math.nan if value is None else value for value in seen]
        done += 1
    return tuple(map(_window, table[:done]))


def _sample(call: Callable[[], object], seconds: float, into: Floats) -> None:
    """Seconds of some calls of one window; all are made, since the load is the point."""
    clock, length = time.perf_counter_ns, int(seconds * 1e9)
    due = clock()
    end, step = due + length, length // _SAMPLES
    taken = 0
    while not taken or clock() < end:
        start = clock()
        call()
        if start >= due and taken < len(into):
            into[taken] = (clock() - start) * 1e-9
            taken += 1
            due += step


def _window(row: Floats) -> Window:
    """The window of a row of the table, in which NaN is what was not told."""
    end, lost, clock, celsius, resident = (None if math.isnan(value) else float(value) for value in row[:_SEEN])
    samples = row[_SEEN:]
    return Window(
        end=end or 0.0,
        samples=tuple(samples[~np.isnan(samples)].tolist()),
        preemptions=None if lost is None else int(lost),
        clock_hz=clock,
        celsius=celsius,
        resident_bytes=None if resident is None else int(resident),
    )
