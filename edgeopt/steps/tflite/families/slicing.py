"""Slice, Split and Trilu: parts of a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_MOST_AXES = 5  # of SLICE and STRIDED_SLICE on every runtime; TFLite Micro and releases before 2.17 have no more
_FEWEST_STEPS = 4  # XNNPACK splits in as many equal parts at most; slices run there in any number


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The part of one axis that is taken: indices `start`, `start + step`, ... as many as `length`."""

    start: int
    step: int
    length: int

    @property
    def stop(self) -> int:
        """The first index behind the last one that is taken; -1 is in front of the axis."""
        return max(self.start + self.step * self.length, -1)

    def is_all(self, length: int) -> bool:
        """Whether it is an axis of `length` as it is."""
        return (self.start, self.step, self.length) == (0, 1, length)


def whole(length: int) -> Span:
    """All of an axis of `length`."""
    return Span(start=0, step=1, length=length)


def span_of(length: int, start: int, end: int, step: int) -> Span:
    """What ONNX's Slice takes of an axis of `length` (https://onnx.ai/onnx/operators/onnx__Slice.html)."""
    taken = range(length)[slice(start, end if not (step < 0 and end < -length) else None, step)]
    if not taken:
        return Span(start=0, step=1, length=0)
    return Span(start=taken.start, step=step if len(taken) > 1 else 1, length=len(taken))  # a step may exceed an int32


def cut(net: Lowering, view: View, spans: Sequence[Span], *, name: str = "") -> View:
    """The part `spans`, one per axis of the value, of `view`: in the order in which it lies."""
    placed = [spans[axis] for axis in view.axes]
    shape = tuple(span.length for span in placed)
    tensor = view.tensor
    if shape == tensor.shape and all(span.is_all(span.length) for span in placed):
        return view
    if 0 in shape:
        empty = np.zeros(shape, tensor.dtype)
        return replace(view, tensor=net.new_constant(empty, name=name, quantization=tensor.quantization))
    if tensor.data is not None:
        index = tuple(slice(span.start, span.stop if span.stop >= 0 else None, span.step) for span in placed)
        data = np.ascontiguousarray(tensor.data[index])
        return replace(view, tensor=net.new_constant(data, like=tensor))
    lengths = tensor.shape
    if len(lengths) > _MOST_AXES:
        placed, lengths = _merged(placed, lengths)
    made = _cut(net, net.reshape(tensor, lengths), placed, name)
    return replace(view, tensor=net.reshape(made, shape))


def _merged(spans: list[Span], lengths: tuple[int, ...]) -> tuple[list[Span], tuple[int, ...]]:
    """Spans and lengths with neighbours that are taken whole made one."""
    merged: list[tuple[Span, int]] = []
    for span, length in zip(spans, lengths, strict=True):
        if merged and span.is_all(length) and merged[-1][0].is_all(merged[-1][1]):
            together = merged[-1][1] * length
            merged[-1] = (whole(together), together)
        else:
            merged.append((span, length))
    return [span for span, _ in merged], tuple(length for _, length in merged)


def _cut(net: Lowering, tensor: Tensor, spans: list[Span], name: str) -> Tensor:
    def constant(values: list[int], what: str) -> Tensor:
        return net.new_constant(np.array(values, np.int32), name=what)

    shape = tuple(span.length for span in spans)
    begin = constant([span.start for span in spans], "begin")
    if all(span.step == 1 for span in spans):
        inputs = (tensor, begin, constant(list(shape), "size"))
        return carried(net, "SLICE", inputs, shape, options=options("SliceOptions"), name=name)
    ends = constant([span.stop for span in spans], "end")
    mask = sum(1 << place for place, span in enumerate(spans) if span.stop < 0)  # an end of -1 would be the last index
    steps = constant([span.step for span in spans], "strides")
    how = options("StridedSliceOptions", endMask=mask)
    return carried(net, "STRIDED_SLICE", (tensor, begin, ends, steps), shape, options=how, name=name)


def slice_(node: Node, net: Lowering) -> None:
    """Slice with constant bounds: SLICE, or STRIDED_SLICE where it steps or goes backwards."""
    view = carried_view(net, node.input(0))
    starts, ends = _bounds(node, net, 1, "starts"), _bounds(node, net, 2, "ends")
    if starts is None or ends is None:
        raise Refused("has no starts or ends")
    axes = _bounds(node, net, 3, "axes") or list(range(len(starts)))
    steps = _bounds(node, net, 4, "steps") or [1] * len(starts)
    spans = [whole(length) for length in view.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        spans[axis % view.rank] = span_of(view.shape[axis], start, end, step)
    net.bind_view(node.output(0), cut(net, view, spans))


def _bounds(node: Node, net: Lowering, position: int, name: str) -> list[int] | None:
    """A list of numbers that is an input, or an attribute before opset 10."""
    value = net.optional_constant(position, name) if node.input(position) else node.attribute(name)
    return None if value is None else [int(each) for each in value]


def split(node: Node, net: Lowering) -> None:
    """Split: SPLIT into equal parts, else a SLICE for each."""
    view = carried_view(net, node.input(0))
    axis = int(node.attribute("axis", 0)) % view.rank
    lengths = _part_lengths(node, net, view.shape[axis])
    place = view.axes.index(axis)
    if len(set(lengths)) == 1 and 1 < len(lengths) <= _FEWEST_STEPS and _can_split(view):
        _split_equally(node, net, view, place)
        return
    begin = 0
    for name, length in zip(node.outputs, lengths, strict=False):
        spans = [whole(each) for each in view.shape]
        spans[axis] = Span(start=begin, step=1, length=length)
        begin += length
        if name:
            net.bind_view(name, cut(net, view, spans, name=name))


def _can_split(view: View) -> bool:
    return view.rank <= _MOST_AXES and view.tensor.dtype in ("float32", "int8", "uint8", "int16", "int32", "int64")


def _part_lengths(node: Node, net: Lowering, length: int) -> list[int]:
    given = _bounds(node, net, 1, "split")
    if given is not None:
        return given
    count = int(node.attribute("num_outputs", len(node.outputs)))
    part = -(-length // count)  # the last one takes what is left (https://onnx.ai/onnx/operators/onnx__Split.html)
    return [max(min(part, length - part * place), 0) for place in range(count)]


def _split_equally(node: Node, net: Lowering, view: View, place: int) -> None:
    tensor, count = view.tensor, len(node.outputs)
    shape = tuple(length // count if axis == place else length for axis, length in enumerate(tensor.shape))
    parts = [
        net.new_tensor(shape, dtype=tensor.dtype, quantization=tensor.quantization, name=name) for name in node.outputs
    ]
    axis = net.new_constant(np.array(place, np.int32), name="axis")
    net.add_operation("SPLIT", (axis, tensor), parts, options=options("SplitOptions", numSplits=count))
    for name, part in zip(node.outputs, parts, strict=True):
        net.bind_view(name, replace(view, tensor=part))


def trilu(node: Node, net: Lowering) -> None:
    """Trilu: SELECT_V2 with a constant triangle, which lets NaN and infinity through where they stay."""
    view = carried_view(net, node.input(0))
    shift = net.optional_constant(1, "diagonal")
    diagonal = 0 if shift is None else int(shift.item())
    rows, columns = view.shape[-2:]
    distances = np.arange(columns)[None, :] - np.arange(rows)[:, None]
    kept = distances >= diagonal if node.attribute("upper", 1) else distances <= diagonal
    if kept.all() or not view.tensor.elements:
        net.bind_view(node.output(0), view)
        return
    mask = kept.reshape(*[1] * (view.rank - 2), rows, columns).transpose(view.axes)
    made = carried(
        net,
        "SELECT_V2",
        (net.new_constant(np.ascontiguousarray(mask), name="triangle"), view.tensor, zero_of(net, view)),
        view.tensor.shape,
        values=(1, 2),
        options=options("SelectV2Options"),
    )
    net.bind_view(node.output(0), replace(view, tensor=made))


def zero_of(net: Lowering, view: View) -> Tensor:
    """A constant of no axes: what stands for zero in the tensor of `view`."""
    tensor = view.tensor
    lower = view.dtype == "uint8" and tensor.dtype == "int8"
    zero = tensor.quantization.zero_point if view.is_quantized and tensor.quantization else -128 if lower else 0
    return net.new_constant(np.array(zero, tensor.dtype), name="zero", quantization=tensor.quantization)
