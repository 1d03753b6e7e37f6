"""A soak as SVG: latency over time, and below it what the clock or the temperature did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from edgeopt.report.escape import printable, shortened
from edgeopt.report.figures import Record
from edgeopt.report.soak import medians_over_time, parted, scale_of
from edgeopt.units import format_seconds

_PARTS = 200
_NAME_LENGTH = 60
# Pixels of the view box; the reader's page scales it.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 200, 70, 70, 34, 24
# Of the palette of Okabe and Ito (2008), as in `edgeopt.report.plot`.
_LINE, _EARLY, _LATE, _CHIP = "#8a8a8a", "#009e73", "#d55e00", "#56b4e9"
# What explains a change, the first that the system told: key of a window, factor, unit, digits.
_EXPLAINING = (("clock_hz", 1e-9, "GHz", 2), ("celsius", 1.0, "°C", 0))


def soak_svg(row: Record) -> str:
    """The plot as one `<svg>` without blank lines, so that Markdown takes it for one block of HTML.

    Args:
        row: A row of `runs` that holds a soak.
    """
    soak = row["soak"]
    values = medians_over_time(soak["windows"], _PARTS)
    low, high = scale_of([*values, soak["early"], soak["late"]])
    name = escape(shortened(printable(PurePath(row["path"]).name), _NAME_LENGTH))
    told = f"{name}: first third {format_seconds(soak['early'])}, last third {format_seconds(soak['late'])}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        'font-family="sans-serif" font-size="11" fill="currentColor">',
        f"<title>Latency over time of {told}</title>",
        f'<text x="4" y="14">{told}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{format_seconds(high)}</text>',
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">{format_seconds(low)}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0 s</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{format_seconds(soak["seconds"])}</text>',
        *_chip(soak["windows"]),
        f'<polyline points="{_points(values, low, high)}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>',
        _level(_y(soak["early"], low, high), 0, 1 / 3, _EARLY),
        _level(_y(soak["late"], low, high), 2 / 3, 1, _LATE),
        "</svg>",
    ]
    return "\n".join(lines)


def _chip(windows: Sequence[Record]) -> list[str]:
    """The clock, else the temperature, as a dashed line with a scale of its own on the right; nothing if untold."""
    for key, factor, unit, digits in _EXPLAINING:
        values = [factor * window[key] for window in windows if window[key] is not None]
        if values:
            medians = parted(values, _PARTS)
            low = min(medians)
            high = max(*medians, low + max(0.1 * abs(low), 10**-digits))
            points, right = _points(medians, low, high), _WIDTH - _RIGHT + 6
            return [
                f'<polyline points="{points}" fill="none" stroke="{_CHIP}" stroke-dasharray="4 3"/>',
                f'<text x="{right}" y="{_TOP + 8}" fill="{_CHIP}">{high:.{digits}f} {unit}</text>',
                f'<text x="{right}" y="{_HEIGHT - _BOTTOM}" fill="{_CHIP}">{low:.{digits}f} {unit}</text>',
            ]
    return []


def _points(values: Sequence[float], low: float, high: float) -> str:
    """Values at equal distances over the whole width."""
    return " ".join(
        f"{_x((index + 0.5) / len(values)):.1f},{_y(value, low, high):.1f}" for index, value in enumerate(values)
    )


def _level(y: float, begin: float, end: float, colour: str) -> str:
    """A flat line from one share of the time to another."""
    return (
        f'<line x1="{_x(begin):.1f}" y1="{y:.1f}" x2="{_x(end):.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'
    )


def _x(share: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)
