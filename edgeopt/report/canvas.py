"""A drawing of lines, boxes, dots and words, written as SVG or, with Pillow, as PNG (docs/adr/0013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

from edgeopt._optional import require
from edgeopt.core.files import replacing, require_writable, write_text
from edgeopt.errors import InputError
from edgeopt.report.escape import printable, xml_text

ENDINGS = (".svg", ".png")
FONT_SIZE = 11
_ZOOM = 2  # pixels of a PNG per unit: text of 11 units stays legible on a screen of high density
_INK, _PAPER = "#1a1a1a", "#ffffff"

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str = ""
    width: float = 1.0
    is_dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A filled circle, or a ring."""

    x: float
    y: float
    radius: float
    colour: str
    is_ring: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A line of text; `y` is its base line, `told` shows where a pointer rests on it."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    told: str = ""


Shape = Line | Box | Dot | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A drawing; the origin is its upper left corner, y grows downwards.

    Attributes:
        width: In units; a PNG has two pixels per unit.
        height: In units.
        title: What it shows, for who cannot see it.
        shapes: In the order in which they are drawn. A colour is `#rrggbb`; empty is the colour of text.
    """

    width: int
    height: int
    title: str
    shapes: Sequence[Shape]


def require_plottable(path: Path, *, force: bool) -> None:
    """Check, before any work is done, that a plot can be written to `path`.

    Raises:
        InputError: The ending is neither `.svg` nor `.png`, or the file may not be written.
        ExtraMissing: A PNG needs Pillow, which is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"plot `{path}` ends in neither `.svg` nor `.png`", hint="`--plot layers.svg` needs no extra")
    require_writable(path, force=force)
    if path.suffix.lower() == ".png":
        require("PIL.ImageDraw", purpose="write a plot as PNG; `.svg` does without")


def write_plot(canvas: Canvas, path: Path, *, force: bool) -> None:
    """Write a drawing to `path`, in the format that its ending names.

    Raises:
        InputError: The file may not be written.
        ExtraMissing: A PNG needs Pillow, which is not installed.
    """
    if path.suffix.lower() == ".svg":
        write_text(path, canvas_svg(canvas) + "\n", force=force)
        return
    image = _image(canvas)
    with replacing(path, force=force) as temporary:
        image.save(temporary, format="PNG")


def canvas_svg(canvas: Canvas) -> str:
    """The drawing as one `<svg>` without blank lines, so that Markdown takes it for one block of HTML."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {canvas.width} {canvas.height}" width="{canvas.width}" '
        f'role="img" font-family="sans-serif" font-size="{FONT_SIZE}" fill="currentColor">',
        f"<title>{_text(canvas.title)}</title>",
        *(_svg(shape) for shape in canvas.shapes),
        "</svg>",
    ]
    return "\n".join(lines)


def _svg(shape: Shape) -> str:
    if isinstance(shape, Line):
        dashes = ' stroke-dasharray="3 3"' if shape.is_dashed else ""
        return (
            f'<line x1="{shape.x1:.1f}" y1="{shape.y1:.1f}" x2="{shape.x2:.1f}" y2="{shape.y2:.1f}" '
            f'stroke="{shape.colour or "currentColor"}" stroke-width="{shape.width:g}"{dashes}/>'
        )
    if isinstance(shape, Box):
        return (
            f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" '
            f'fill="{shape.colour}"/>'
        )
    if isinstance(shape, Dot):
        paint = f'fill="none" stroke="{shape.colour}" stroke-width="2"' if shape.is_ring else f'fill="{shape.colour}"'
        return f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}" {paint}/>'
    told = f"<title>{_text(shape.told)}</title>" if shape.told else ""
    return f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}">{_text(shape.text)}{told}</text>'


def _text(text: str) -> str:
    return escape(xml_text(printable(text)))


def _image(canvas: Canvas) -> Any:
    """The drawing as a Pillow image, dark on white."""
    purpose = "write a plot as PNG; `.svg` does without"
    image = require("PIL.Image", purpose=purpose).new("RGB", (canvas.width * _ZOOM, canvas.height * _ZOOM), _PAPER)
    pen = require("PIL.ImageDraw", purpose=purpose).Draw(image)
    font = require("PIL.ImageFont", purpose=purpose).load_default(FONT_SIZE * _ZOOM)
    for shape in canvas.shapes:
        _draw(pen, font, shape)
    return image


_ANCHORS: dict[Anchor, str] = {"start": "ls", "middle": "ms", "end": "rs"}


def _draw(pen: Any, font: Any, shape: Shape) -> None:
    if isinstance(shape, Line):
        for x1, y1, x2, y2 in _dashes(shape):
            ends = [x1 * _ZOOM, y1 * _ZOOM, x2 * _ZOOM, y2 * _ZOOM]
            pen.line(ends, fill=shape.colour or _INK, width=max(1, round(shape.width * _ZOOM)))
    elif isinstance(shape, Box):
        corner = ((shape.x + shape.width) * _ZOOM, (shape.y + shape.height) * _ZOOM)
        pen.rectangle([(shape.x * _ZOOM, shape.y * _ZOOM), corner], fill=shape.colour)
    elif isinstance(shape, Dot):
        box = [(value + side * shape.radius) * _ZOOM for side in (-1, 1) for value in (shape.x, shape.y)]
        pen.ellipse(box, **({"outline": shape.colour, "width": 2 * _ZOOM} if shape.is_ring else {"fill": shape.colour}))
    else:
        place = (shape.x * _ZOOM, shape.y * _ZOOM)
        pen.text(place, printable(shape.text), fill=_INK, font=font, anchor=_ANCHORS[shape.anchor])


def _dashes(line: Line) -> list[tuple[float, float, float, float]]:
    """The line, or the dashes of 3 units that it is drawn with."""
    if not line.is_dashed:
        return [(line.x1, line.y1, line.x2, line.y2)]
    length = ((line.x2 - line.x1) ** 2 + (line.y2 - line.y1) ** 2) ** 0.5
    steps = max(1, int(length // 6))
    dx, dy = (line.x2 - line.x1) / steps, (line.y2 - line.y1) / steps
    starts = [(line.x1 + index * dx, line.y1 + index * dy) for index in range(steps)]
    return [(x, y, x + dx / 2, y + dy / 2) for x, y in starts]
