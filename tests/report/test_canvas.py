"""A drawing is the same in both formats, and what cannot be written is refused before any work."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from edgeopt.errors import ExtraMissing, InputError
from edgeopt.report.canvas import Box, Canvas, Dot, Line, Words, canvas_svg, require_plottable, write_plot

SHAPES = (
    Box(x=10, y=10, width=20, height=10, colour="#ff0000"),
    Dot(x=60, y=20, radius=5, colour="#0000ff"),
    Dot(x=80, y=20, radius=5, colour="#00ff00", is_ring=True),
    Line(x1=0, y1=40, x2=100, y2=40, colour="#000000", is_dashed=True),
    Line(x1=0, y1=45, x2=100, y2=45, colour="#000000"),
    Words(x=50, y=36, text="<5 & 6>", anchor="middle", told="more"),
)


@pytest.fixture
def canvas():
    return Canvas(width=100, height=50, title="a <drawing>", shapes=SHAPES)


def test_svg_is_one_element_with_everything_escaped(canvas):
    drawing = canvas_svg(canvas)

    root = ElementTree.fromstring(drawing)
    assert root.get("viewBox") == "0 0 100 50"
    texts = [entry.text for entry in root.iter() if entry.tag.endswith(("title", "text"))]
    assert texts == ["a <drawing>", "<5 & 6>", "more"]
    assert [entry.tag.rpartition("}")[2] for entry in root] == [
        "title",
        "rect",
        "circle",
        "circle",
        "line",
        "line",
        "text",
    ]


def test_png_shows_the_same_at_twice_the_size(canvas, tmp_path):
    image = pytest.importorskip("PIL.Image")

    write_plot(canvas, tmp_path / "a.png", force=False)

    with image.open(tmp_path / "a.png") as opened:
        pixels = np.asarray(opened.convert("RGB"))
    assert pixels.shape == (100, 200, 3)
    assert pixels[30, 40].tolist() == [255, 0, 0]
    assert pixels[40, 120].tolist() == [0, 0, 255]
    assert pixels[40, 160].tolist() == [255, 255, 255], "a ring is empty inside"
    assert pixels[90, 100].tolist() == [0, 0, 0]
    dashed = (pixels[80] == 0).all(axis=1).mean()
    assert 0.3 < dashed < 0.8
    assert (pixels[50:75, 60:140] < 100).any(), "there are words"


def test_both_endings_are_written_whole(canvas, tmp_path):
    write_plot(canvas, tmp_path / "a.svg", force=False)

    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == canvas_svg(canvas) + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"`.*a\.jpg` ends in neither `\.svg` nor `\.png`"):
        require_plottable(tmp_path / "a.jpg", force=False)


def test_a_plot_that_exists_is_kept_unless_forced(tmp_path):
    (tmp_path / "a.svg").write_text("mine")

    with pytest.raises(InputError, match="exists"):
        require_plottable(tmp_path / "a.svg", force=False)
    require_plottable(tmp_path / "a.svg", force=True)


def test_png_without_pillow_is_refused_with_the_pip_line(tmp_path, monkeypatch):
    for module in ("PIL", "PIL.ImageDraw"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ExtraMissing) as caught:
        require_plottable(tmp_path / "a.png", force=False)

    assert caught.value.hint == "pip install 'edgeopt[images]'"
    require_plottable(tmp_path / "a.svg", force=False)
