"""Pad and CenterCropPad: in whatever order a value lies, in float or in integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import bordered, gathered, sliced
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_PADDED = frozenset({"float32", "int8", "uint8", "int16", "int32", "int64", "bool"})  # pad.cc
_MOST_MIRRORED_AXES = 5

Widths = dict[int, tuple[int, int]]


def pad(node: Node, net: Lowering) -> None:
    """Pad with constant widths: negative ones cut, the others fill with a constant, the edge, a mirror or a repeat."""
    view = net.unflattened(net.view(node.input(0)))
    widths, value = _widths(node, net, view), _value(node, net)
    mode = node.attribute("mode", "constant")
    cut = {axis: (max(-before, 0), max(-after, 0)) for axis, (before, after) in widths.items()}
    view = _cut(net, view, cut)
    wider = {axis: (max(before, 0), max(after, 0)) for axis, (before, after) in widths.items()}
    net.bind_view(node.output(0), padded_view(net, view, wider, mode, value))


def padded_view(net: Lowering, view: View, widths: Widths, mode: str, value: float | int | None) -> View:
    """`view` made wider along its axes, in its own order.

    Args:
        net: Where to add it.
        view: What to pad.
        widths: (before, behind) per axis of the value, none negative.
        mode: As ONNX names it.
        value: What to fill with where `mode` is `constant`, None for zero.

    Raises:
        Refused: TFLite's kernels do not pad its type.
    """
    if not any(any(pair) for pair in widths.values()):
        return view
    if view.tensor.dtype not in _PADDED:
        raise Refused(f"pads `{view.dtype}`, which TFLite's kernels lack", rewrite="a Cast before it")
    if mode == "constant":
        filling = _held(view, value)
        if filling is not None and not _is_exact(view, value, filling):
            view, filling = net.numbers(view), value
        pairs = [widths.get(axis, (0, 0)) for axis in view.axes]
        return replace(view, tensor=bordered(net, view.tensor, pairs, filling))
    tensor = view.tensor
    places = {view.axis_in_memory(axis): pair for axis, pair in widths.items() if any(pair)}
    if mode == "reflect" and _can_mirror(tensor, places):
        return replace(view, tensor=_mirrored(net, tensor, places))
    for place, (before, after) in places.items():
        tensor = gathered(net, tensor, source_indices(tensor.shape[place], before, after, mode), place)
    return replace(view, tensor=tensor)


def source_indices(length: int, before: int, after: int, mode: str) -> NDArray[np.int64]:
    """(before + length + after) which element of an axis each padded one repeats.

    Raises:
        Refused: There is no such mode, or nothing to repeat.
    """
    modes = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
    if mode not in modes:
        raise Refused(f"pads in mode `{mode}`")
    if not length:
        raise Refused("repeats elements of an empty axis")
    return np.asarray(np.pad(np.arange(length), (before, after), mode=modes[mode]), np.int64)  # type: ignore[call-overload]


def center_crop_pad(node: Node, net: Lowering) -> None:
    """CenterCropPad to a constant shape; the odd element goes behind."""
    view = net.unflattened(net.view(node.input(0)))
    lengths = [int(length) for length in net.required_constant(1, "shape")]
    axes = [int(axis) % view.rank for axis in node.attribute("axes") or range(view.rank)]
    cut: Widths = {}
    wider: Widths = {}
    for axis, length in zip(axes, lengths, strict=True):
        missing = length - view.shape[axis]
        half = abs(missing) // 2
        (wider if missing > 0 else cut)[axis] = (half, abs(missing) - half)
    net.bind_view(node.output(0), padded_view(net, _cut(net, view, cut), wider, "constant", None))


def _widths(node: Node, net: Lowering, view: View) -> Widths:
    """(before, behind) per axis that is padded, from the inputs or, before opset 11, from the attributes."""
    given = node.attribute("pads") or node.attribute("paddings")
    pads = np.array(given) if given else net.required_constant(1, "padding")
    chosen = net.optional_constant(3, "axes")
    axes = [int(axis) % view.rank for axis in (chosen if chosen is not None else range(view.rank))]
    before, after = np.reshape(pads, (2, -1))
    return {axis: (int(a), int(b)) for axis, a, b in zip(axes, before, after, strict=True)}


def _value(node: Node, net: Lowering) -> float | int | None:
    """What a constant padding holds; None for zero."""
    given = net.optional_constant(2, "value")
    value = node.attribute("value", 0.0) if given is None or not given.size else given.reshape(-1)[0].item()
    return value if value != 0 else None


def _held(view: View, value: float | int | None) -> float | int | None:
    """A value of `view` as its tensor holds it; None for what stands for zero."""
    quantization = view.tensor.quantization
    if view.is_quantized and quantization is not None:
        if value is None:
            return None
        limits = np.iinfo(view.tensor.dtype)
        steps = np.rint(value / quantization.scale) if np.isfinite(value) else np.copysign(1e9, value)
        return int(np.clip(steps + quantization.zero_point, limits.min, limits.max))
    if view.dtype == "uint8" and view.tensor.dtype == "int8":
        return (value or 0) - 128
    if value is None and quantization is not None and any(quantization.zero_points):
        return 0  # the integer 0, where PAD would fill with the zero point
    return value


def _is_exact(view: View, value: float | int | None, filling: float | int) -> bool:
    """Whether the integer `filling` stands for `value`, or for the nearest that the integers of `view` can say."""
    quantization = view.tensor.quantization
    if not view.is_quantized or quantization is None or value is None or not np.isfinite(value):
        return True
    real = (filling - quantization.zero_point) * quantization.scale
    return abs(real - value) <= quantization.scale / 2


def _cut(net: Lowering, view: View, widths: Widths) -> View:
    """`view` without (before, behind) elements per axis.

    Raises:
        Refused: Nothing would be left of an axis.
    """
    begins = [widths.get(axis, (0, 0))[0] for axis in view.axes]
    sizes = [length - sum(widths.get(axis, (0, 0))) for axis, length in zip(view.axes, view.tensor.shape, strict=True)]
    if min(sizes, default=0) < 0:
        raise Refused("cuts off more than there is")
    return replace(view, tensor=sliced(net, view.tensor, begins, sizes))


def _can_mirror(tensor: Tensor, widths: Widths) -> bool:
    fits = all(max(pair) < tensor.shape[place] for place, pair in widths.items())
    return fits and len(tensor.shape) <= _MOST_MIRRORED_AXES and tensor.dtype != "bool"


def _mirrored(net: Lowering, tensor: Tensor, widths: Widths) -> Tensor:
    pairs = [widths.get(place, (0, 0)) for place in range(len(tensor.shape))]
    shape = tuple(length + sum(pair) for length, pair in zip(tensor.shape, pairs, strict=True))
    return net.add(
        "MIRROR_PAD",
        (tensor, net.new_constant(np.array(pairs, np.int32), name="widths")),
        shape,
        dtype=tensor.dtype,
        quantization=tensor.quantization,
        options=options("MirrorPadOptions", mode="REFLECT"),
    )
