"""The windows of a soak: one model without a pause, and what was seen at the end of each window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from edgeopt.measure.sensors import Sensors, preemptions

# A window lasts a second; less where a soak is too short for 60 of them, more where it is so long that the record would
# grow beyond what one can read.
_WINDOW_SECONDS = 1.0
_SHORTEST_WINDOW_SECONDS = 0.1
_USUAL_WINDOWS = 60
_MOST_WINDOWS = 600
# Calls of a window that are kept.
_SAMPLES = 20


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
    """How long a window of a soak of `seconds` is, in seconds: at most 600 windows, and 60 where each has 0.1 s."""
    usual = max(_SHORTEST_WINDOW_SECONDS, min(_WINDOW_SECONDS, seconds / _USUAL_WINDOWS))
    return max(usual, seconds / _MOST_WINDOWS)


def soak_windows(call: Callable[[], object], *, seconds: float, sensors: Sensors) -> Iterator[Window]:
    """One window after the other, until the time is over; the last one begins before that.

    None is kept: what grows in the process that soaks would pass for a leak of the model.

    Args:
        call: Makes one inference.
        seconds: How long.
        sensors: Where clock, temperature and memory are told.
    """
    length = window_seconds(seconds)
    begin = time.perf_counter()
    now, switches = begin, preemptions()
    while now < begin + seconds:
        samples = _samples(call, length)
        before, switches, now = switches, preemptions(), time.perf_counter()
        yield Window(
            end=now - begin,
            samples=samples,
            preemptions=None if switches is None or before is None else switches - before,
            clock_hz=sensors.clock_hz(),
            celsius=sensors.celsius(),
            resident_bytes=sensors.resident_bytes(),
        )


def _samples(call: Callable[[], object], seconds: float) -> tuple[float, ...]:
    """Seconds of some calls of one window; all are made, since the load is the point."""
    clock, length = time.perf_counter_ns, int(seconds * 1e9)
    due = clock()
    end, step = due + length, length // _SAMPLES
    samples: list[float] = []
    while not samples or clock() < end:
        start = clock()
        call()
        if start >= due and len(samples) < _SAMPLES:
            samples.append((clock() - start) * 1e-9)
            due = max(due + step, start)  # after a stall no calls in a row
    return tuple(samples)
