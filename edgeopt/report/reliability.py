"""Whether the confidence of two models can be believed: rows of figures, and a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

from edgeopt.report.figures import Cells, Record

# Pixels of the view box.
_SIZE, _LEFT, _TOP, _BELOW = 260, 44, 24, 40
_WIDTH = 620
_COLOURS = {"baseline": "#0072b2", "candidate": "#d55e00"}  # Okabe and Ito (2008), safe for colour blindness
_LARGEST_RADIUS, _SMALLEST_RADIUS = 9.0, 2.0


def calibration_cells(calibration: Record | None) -> list[Cells]:
    """Log loss and Brier score with their differences, which can be judged, and the calibration error, which informs.

    Nothing without probabilities.
    """
    if not calibration:
        return []
    names = {"log_loss": "log loss", "brier": "Brier score"}
    rows = [_score_row(told, calibration[name]) for name, told in names.items()]
    ece, chance = calibration["ece"], calibration["ece_by_chance"]
    told = f"informs only: a perfectly calibrated model shows {chance['candidate']:.3f} on so many samples"
    return [*rows, ("calibration error", f"{ece['baseline']:.3f}", f"{ece['candidate']:.3f}", told)]


def reliability_svg(calibration: Record) -> str:
    """Accuracy against confidence per bin, both models in one `<svg>` without blank lines.

    A disc on the diagonal is calibrated, one below it is overconfident; its area is the share of samples in the bin.
    """
    height = _TOP + _SIZE + _BELOW
    right, bottom = _LEFT + _SIZE, _TOP + _SIZE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
        'font-family="sans-serif" font-size="11" fill="currentColor">',
        "<title>Reliability diagram: accuracy against confidence</title>",
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="currentColor"/>',
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{right}" y2="{_TOP}" stroke="currentColor" stroke-dasharray="3 3"/>',
        *(f'<text x="{_x(tick):.0f}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>' for tick in (0, 0.5, 1)),
        *(f'<text x="{_LEFT - 6}" y="{_y(tick) + 4:.0f}" text-anchor="end">{tick:g}</text>' for tick in (0, 0.5, 1)),
        f'<text x="{_LEFT + _SIZE / 2:.0f}" y="{bottom + 30}" text-anchor="middle">confidence</text>',
        f'<text x="{_LEFT}" y="14">accuracy</text>',
        *(line for number, side in enumerate(_COLOURS) for line in _side(side, calibration["bins"][side], number)),
        "</svg>",
    ]
    return "\n".join(lines)


def _score_row(name: str, score: Record) -> Cells:
    told = f"{score['difference']:+.4g}"
    if score["ci95"]:
        low, high = score["ci95"]
        told += f" (95 %: {low:+.4g} to {high:+.4g})"
    return name, f"{score['baseline']:.4g}", f"{score['candidate']:.4g}", told


def _side(side: str, bins: Sequence[Record], number: int) -> list[str]:
    colour, total = _COLOURS[side], sum(found["n"] for found in bins) or 1
    path = " ".join(f"{_x(found['confidence']):.1f},{_y(found['accuracy']):.1f}" for found in bins)
    label = _TOP + 14 + 18 * number
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}"/>',
        *(_disc(found, colour, found["n"] / total) for found in bins),
        f'<circle cx="{_LEFT + _SIZE + 24}" cy="{label - 4}" r="5" fill="{colour}"/>',
        f'<text x="{_LEFT + _SIZE + 36}" y="{label}">{side}</text>',
    ]


def _disc(found: Record, colour: str, share: float) -> str:
    radius = max(_SMALLEST_RADIUS, _LARGEST_RADIUS * share**0.5)
    told = f"{found['n']:,} samples of confidence {found['confidence']:.3f}: accuracy {found['accuracy']:.3f}"
    place = f'cx="{_x(found["confidence"]):.1f}" cy="{_y(found["accuracy"]):.1f}" r="{radius:.1f}"'
    return f'<circle {place} fill="{colour}" fill-opacity="0.7"><title>{told}</title></circle>'


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1 - share)
