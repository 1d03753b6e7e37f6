"""A soak as people read it: its figures in words, and latency over time as bars of text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import PurePath

from edgeopt.report.figures import Record
from edgeopt.units import format_bytes, format_seconds

_BARS = "▁▂▃▄▅▆▇█"
_BAR_PARTS = 30
_LEAST_SPAN = 0.1

HEADERS = ("soak", "first third", "last third", "early / late", "over time", "chip", "memory")


def soak_cells(row: Record) -> tuple[str, ...]:
    """The cells under `HEADERS` of a row of `runs` that holds a soak."""
    soak = row["soak"]
    low, high = soak["ci95"]
    windows = soak["windows"]
    return (
        f"{PurePath(row['path']).name}, {format_seconds(soak['seconds'])}",
        format_seconds(soak["early"]),
        format_seconds(soak["late"]),
        f"{soak['ratio']:.3f} (95 %: {_bound(low)} to {_bound(high)})",
        sparkline(windows),
        ", ".join(filter(None, _chip(windows))) or "not told",
        _first_to_last([format_bytes(size) for size in _seen(windows, "resident_bytes")]) or "not told",
    )


def soak_text(row: Record) -> str:
    """The verdicts on speed and memory, for people."""
    soak = row["soak"]
    growth = soak["memory_growth"]
    texts = [f"{soak['verdict']}: {soak['text']}", *([growth["text"]] if growth else [])]
    return f"{PurePath(row['path']).name}: {'; '.join(texts)}"


def sparkline(windows: Sequence[Record]) -> str:
    """Medians over time as bars of text, high is slow; the lowest bar is the fastest part."""
    values = medians_over_time(windows, _BAR_PARTS)
    low, high = scale_of(values)
    return "".join(_BARS[round((len(_BARS) - 1) * (value - low) / (high - low))] for value in values)


def medians_over_time(windows: Sequence[Record], parts: int) -> list[float]:
    """Median seconds per call of at most `parts` equal parts of the windows."""
    return parted([statistics.median(window["samples"]) for window in windows], parts)


def parted(values: Sequence[float], parts: int) -> list[float]:
    """Medians of at most `parts` equal parts of values that follow each other."""
    parts = min(parts, len(values))
    cuts = [part * len(values) // parts for part in range(parts + 1)]
    return [statistics.median(values[cuts[part] : cuts[part + 1]]) for part in range(parts)]


def scale_of(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest time of a plot; they are a tenth apart at least, so that noise does not look like heat."""
    low = min(values)
    return low, max(*values, low * (1 + _LEAST_SPAN))


def _bound(value: float | None) -> str:
    """An end of an interval; JSON holds an infinite one as null."""
    return "unknown" if value is None else f"{value:.3f}"


def _chip(windows: Sequence[Record]) -> tuple[str, str]:
    """Clock and temperature, first and last; empty where the system does not tell them."""
    return (
        _first_to_last([f"{hertz / 1e9:.2f}" for hertz in _seen(windows, "clock_hz")], "GHz"),
        _first_to_last([f"{celsius:.0f}" for celsius in _seen(windows, "celsius")], "°C"),
    )


def _seen(windows: Sequence[Record], key: str) -> list[float]:
    """What the system told, in order."""
    return [window[key] for window in windows if window[key] is not None]


def _first_to_last(texts: Sequence[str], unit: str = "") -> str:
    if not texts:
        return ""
    return " ".join(filter(None, (texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}", unit)))
