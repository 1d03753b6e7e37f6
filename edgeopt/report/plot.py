"""Forest plots: every figure with its interval against its limit, as SVG or as a bar of text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edgeopt.report.escape import printable, shortened
from edgeopt.report.intervals import Interval

# Pixels of the view box; the reader's page scales it.
_WIDTH, _ROW, _HEAD = 900, 22, 26
_MIDDLE, _HALF = 470, 115
_NAME_LENGTH, _TOLD_LENGTH = 58, 52
_BAR_HALF = 10
# Middle tones that stand out on white and on black, of the palette of Okabe and Ito (2008), safe for colour blindness.
_COLOURS = {
    "passed": "#009e73",
    "faster": "#009e73",
    "better": "#009e73",
    "failed": "#d55e00",
    "slower": "#d55e00",
    "worse": "#d55e00",
}
_OTHER = "#8a8a8a"


def forest_svg(intervals: Sequence[Interval]) -> str:
    """The plot as one `<svg>` without blank lines, so that Markdown takes it for one block of HTML.

    The limit is the vertical line; what lies right of it keeps the limit. A square failed, a circle did not; every line
    has a scale of its own.
    """
    height = _HEAD + _ROW * len(intervals) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        'role="img" font-family="sans-serif" font-size="11" fill="currentColor">',
        "<title>Figures with their intervals against their limits</title>",
        f'<text x="{_MIDDLE - 8}" y="14" text-anchor="end">breaks the limit</text>',
        f'<text x="{_MIDDLE + 8}" y="14">keeps the limit</text>',
        f'<line x1="{_MIDDLE}" y1="4" x2="{_MIDDLE}" y2="{height - 4}" stroke="currentColor" stroke-dasharray="3 3"/>',
        *(line for index, interval in enumerate(intervals) for line in _row(index, interval)),
        "</svg>",
    ]
    return "\n".join(lines)


def bar_text(interval: Interval) -> str:
    """The same as 21 characters: `│` is the limit, `●` the figure, right of the limit is what keeps it."""
    low, value, high = (_BAR_HALF + round(_BAR_HALF * place) for place in interval.places())
    cells = ["·"] * (2 * _BAR_HALF + 1)
    if high > low:
        cells[low : high + 1] = ["├", *["─"] * (high - low - 1), "┤"]
    cells[_BAR_HALF] = "┼" if low <= _BAR_HALF <= high and high > low else "│"
    cells[value] = "●"
    return "".join(cells)


def _row(index: int, interval: Interval) -> list[str]:
    y = _HEAD + _ROW * index + _ROW // 2
    low, value, high = (_MIDDLE + _HALF * place for place in interval.places())
    colour = _COLOURS.get(interval.verdict, _OTHER)
    name, told = printable(interval.name), printable(f"{interval.verdict}: {interval.told}")
    return [
        f"<g><title>{escape(shortened(name, 200))}: {escape(told)}</title>",
        f'<text x="4" y="{y + 4}">{escape(shortened(name, _NAME_LENGTH))}</text>',
        f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        _mark(value, y, colour, is_square=interval.verdict in ("failed", "slower", "worse")),
        f'<text x="{_MIDDLE + _HALF + 10}" y="{y + 4}">{escape(shortened(told, _TOLD_LENGTH))}</text></g>',
    ]


def _mark(x: float, y: int, colour: str, *, is_square: bool) -> str:
    if is_square:
        return f'<rect x="{x - 5:.1f}" y="{y - 5}" width="10" height="10" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"/>'
