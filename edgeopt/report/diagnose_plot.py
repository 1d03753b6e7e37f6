"""Layers of a quantized model as a picture: whose noise reaches the output, and where in the layer it arises."""

from __future__ import annotations

from collections.abc import Iterator

from edgeopt.report.canvas import Box, Canvas, Dot, Line, Shape, Words
from edgeopt.report.escape import shortened
from edgeopt.report.figures import Record

_MOST = 40
_WIDTH, _ROW, _HEAD, _FOOT = 980, 20, 56, 12
_NAME_LENGTH, _WHY_LENGTH = 38, 56
_BAR, _BAR_WIDTH = 240, 130
_SCALE, _SCALE_WIDTH = 400, 220
_WHY = _SCALE + _SCALE_WIDTH + 24
# dB at both ends of the scale: what lies beyond is drawn at the end.
_LOW, _HIGH = 0.0, 60.0
_TICKS = (0, 15, 30, 45, 60)
_HEALTHY = 30
# Of the palette of Okabe and Ito (2008), as in `edgeopt.report.plot`.
_NOISE, _WEIGHTS, _ACTIVATIONS, _OUTPUT, _GRID = "#d55e00", "#0072b2", "#009e73", "#8a8a8a", "#c8c8c8"


def layers_canvas(record: Record) -> Canvas:
    """A row per layer, the one that does most harm first; of more than 40 the worst 40.

    Args:
        record: What `diagnose --json` prints.
    """
    layers = record["layers"][:_MOST]
    height = _HEAD + _ROW * len(layers) + _FOOT
    most = max((layer["noise_share"] for layer in layers), default=0.0) or 1.0
    shapes = [*_head(record, height), *(shape for row, layer in enumerate(layers) for shape in _row(row, layer, most))]
    told = f"{len(layers)} of {len(record['layers'])} layers by the noise that each alone brings to the output"
    return Canvas(width=_WIDTH, height=height, title=told, shapes=shapes)


def _head(record: Record, height: int) -> Iterator[Shape]:
    left = len(record["layers"]) - _MOST
    more = f"; {left} layers that do less are left out" if left > 0 else ""
    yield Words(
        x=4,
        y=14,
        text=f"output: {record['candidate_sqnr_db']:.1f} dB signal to noise, {record['samples']} samples, "
        f"{record['origin']}{more}",
    )
    yield Words(x=_BAR, y=34, text="share of the output's noise")
    x = float(_SCALE)
    for name, colour, is_ring in (
        ("weights", _WEIGHTS, False),
        ("activations", _ACTIVATIONS, False),
        ("output", _OUTPUT, True),
    ):
        yield Dot(x=x + 4, y=30, radius=4, colour=colour, is_ring=is_ring)
        yield Words(x=x + 12, y=34, text=name)
        x += 76 if name == "activations" else 64
    yield Words(x=_WHY, y=34, text="why, and what mends it")
    for tick in _TICKS:
        place = _place(tick)
        yield Words(x=place, y=48, text=f"{tick} dB" if tick == _TICKS[-1] else str(tick), anchor="middle")
        is_bound = tick == _HEALTHY
        yield Line(
            x1=place,
            y1=_HEAD - 4,
            x2=place,
            y2=height - 4,
            colour="" if is_bound else _GRID,
            is_dashed=is_bound,
        )


def _row(row: int, layer: Record, most: float) -> Iterator[Shape]:
    y = _HEAD + _ROW * row + _ROW / 2
    why = layer["reasons"][0]
    told = f"{why['text']}: {why['mend']}" if why["mend"] else "nothing is wrong"
    yield Words(x=4, y=y + 4, text=_shortened_name(layer["node"]), told=f"{layer['node']} ({layer['operator']})")
    length = _BAR_WIDTH * layer["noise_share"] / most
    yield Box(x=_BAR, y=y - 5, width=max(length, 0.5), height=10, colour=_NOISE)
    yield Words(x=_BAR + length + 4, y=y + 4, text=f"{100 * layer['noise_share']:.2g} %")
    for name, colour, is_ring in (
        ("output_sqnr_db", _OUTPUT, True),
        ("activations_sqnr_db", _ACTIVATIONS, False),
        ("weights_sqnr_db", _WEIGHTS, False),
    ):
        if layer[name] is not None:
            yield Dot(x=_place(layer[name]), y=y, radius=4, colour=colour, is_ring=is_ring)
    yield Words(x=_WHY, y=y + 4, text=shortened(told.replace("`", ""), _WHY_LENGTH), told=told)


def _shortened_name(name: str) -> str:
    """The end of a long name, which tells layers of one block apart."""
    return name if len(name) <= _NAME_LENGTH else f"…{name[1 - _NAME_LENGTH :]}"


def _place(decibels: float) -> float:
    share = (min(max(decibels, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
    return _SCALE + _SCALE_WIDTH * share
