"""A soak as people read it: its figures in words, and latency over time as a line."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from edgeopt.report.escape import printable, shortened
from edgeopt.report.figures import Record
from edgeopt.units import format_bytes, format_seconds

_BARS = "▁▂▃▄▅▆▇█"
_BAR_PARTS, _LINE_PARTS = 30, 200
# The scale spans a tenth of the time at least, so that noise does not look like heat.
_LEAST_SPAN = 0.1
_NAME_LENGTH = 60
# Pixels of the view box.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 200, 70, 20, 34, 24
# Of the palette of Okabe and Ito (2008), as in `edgeopt.report.plot`.
_LINE, _EARLY, _LATE = "#8a8a8a", "#009e73", "#d55e00"

HEADERS = ("soak", "first third", "last third", "early / late", "over time", "clock", "temperature", "memory")


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
        _first_to_last([_told(w["clock_hz"], 1e9, ".2f") for w in windows], "GHz"),
        _first_to_last([_told(w["celsius"], 1, ".0f") for w in windows], "°C"),
        _first_to_last([None if w["resident_bytes"] is None else format_bytes(w["resident_bytes"]) for w in windows]),
    )


def soak_text(row: Record) -> str:
    """The verdicts on speed and memory, for people."""
    soak = row["soak"]
    growth = soak["memory_growth"]
    texts = [f"{soak['verdict']}: {soak['text']}", *([growth["text"]] if growth else [])]
    return f"{PurePath(row['path']).name}: {'; '.join(texts)}"


def sparkline(windows: Sequence[Record]) -> str:
    """Medians over time as bars of text, high is slow; the lowest bar is the fastest part."""
    values = _medians(windows, _BAR_PARTS)
    low, high = _scale(values)
    return "".join(_BARS[round((len(_BARS) - 1) * (value - low) / (high - low))] for value in values)


def soak_svg(row: Record) -> str:
    """Latency over time as one `<svg>` without blank lines; the early and the late level are lines of their own."""
    soak = row["soak"]
    values = _medians(soak["windows"], _LINE_PARTS)
    low, high = _scale([*values, soak["early"], soak["late"]])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(share: float) -> str:
        return f"{_LEFT + width * share:.1f}"

    def y(value: float) -> str:
        return f"{_TOP + height * (high - value) / (high - low):.1f}"

    def level(value: float, begin: float, end: float, colour: str) -> str:
        return (
            f'<line x1="{x(begin)}" y1="{y(value)}" x2="{x(end)}" y2="{y(value)}" stroke="{colour}" stroke-width="3"/>'
        )

    points = " ".join(f"{x((index + 0.5) / len(values))},{y(value)}" for index, value in enumerate(values))
    name = escape(shortened(printable(PurePath(row["path"]).name), _NAME_LENGTH))
    told = f"{name}: first third {format_seconds(soak['early'])}, last third {format_seconds(soak['late'])}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        'font-family="sans-serif" font-size="11" fill="currentColor">',
        f"<title>Latency over time of {told}</title>",
        f'<text x="4" y="14">{told}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{format_seconds(high)}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + height}" text-anchor="end">{format_seconds(low)}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0 s</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{format_seconds(soak["seconds"])}</text>',
        f'<polyline points="{points}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>',
        level(soak["early"], 0, 1 / 3, _EARLY),
        level(soak["late"], 2 / 3, 1, _LATE),
        "</svg>",
    ]
    return "\n".join(lines)


def _medians(windows: Sequence[Record], parts: int) -> list[float]:
    """Median seconds per call of at most `parts` equal parts of the windows."""
    values = [statistics.median(window["samples"]) for window in windows]
    parts = min(parts, len(values))
    cuts = [part * len(values) // parts for part in range(parts + 1)]
    return [statistics.median(values[cuts[part] : cuts[part + 1]]) for part in range(parts)]


def _scale(values: Sequence[float]) -> tuple[float, float]:
    low = min(values)
    return low, max(*values, low * (1 + _LEAST_SPAN))


def _bound(value: float | None) -> str:
    """An end of an interval; JSON holds an infinite one as null."""
    return "unknown" if value is None else f"{value:.3f}"


def _told(value: float | None, factor: float, digits: str) -> str | None:
    return None if value is None else format(value / factor, digits)


def _first_to_last(texts: Sequence[str | None], unit: str = "") -> str:
    """What was told first and last."""
    told = [text for text in texts if text is not None]
    if not told:
        return "not told"
    return " ".join(filter(None, (told[0] if told[0] == told[-1] else f"{told[0]} to {told[-1]}", unit)))
