"""Softmax and its like: operators that look along one axis."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.integer import is_int8
from edgeopt.steps.tflite.families.types import type_for
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, View

# From this version on the three look along one axis; before, along all from theirs on.
_ONE_AXIS: Final = 13
# The only output scales that int8 kernels know (TFLite's 8-bit specification).
_PROBABILITY: Final = Quantization(scales=(1 / 256,), zero_points=(-128,))
_LOWEST: Final = -128  # of int8
_LOGARITHM: Final = Quantization(scales=(16 / 256,), zero_points=(127,))
_MOST_AXES: Final = 4


def softmax(node: Node, net: Lowering) -> None:
    """Softmax over the last axis in memory."""
    _write(node, net, "SOFTMAX", _PROBABILITY)


def log_softmax(node: Node, net: Lowering) -> None:
    """LogSoftmax: LOG_SOFTMAX."""
    _write(node, net, "LOG_SOFTMAX", _LOGARITHM)


def hardmax(node: Node, net: Lowering) -> None:
    """Hardmax: 1 where the axis has its first largest value, else 0."""
    view, order = _along_last(node, net, net.numbers(net.view(node.input(0))))
    type_for(view.tensor.dtype, frozenset({"float32"}))
    tensor = net.laid(view, order)
    axis = net.new_constant(np.array([len(tensor.shape) - 1], np.int32), name="axis")
    place = net.add(
        "ARG_MAX",
        (tensor, axis),
        tensor.shape[:-1],
        dtype="int32",
        options=options("ArgMaxOptions", outputType="int32"),
    )
    places = net.new_constant(np.arange(tensor.shape[-1], dtype=np.int32), name="places")
    is_first = computed(net, "EQUAL", net.reshape(place, (*tensor.shape[:-1], 1)), places)
    _bind(node, net, net.cast(is_first, "float32"), order, is_quantized=False)


def _write(node: Node, net: Lowering, kind: str, rule: Quantization) -> None:
    view = net.view(node.input(0))
    wanted = net.wanted(node.output(0))
    is_integer = is_int8(view) and (_reaches(rule, wanted) if wanted is not None else net.is_end(node.output(0)))
    view, order = _along_last(node, net, view if is_integer else net.numbers(view))
    type_for("float32" if is_integer else view.tensor.dtype, frozenset({"float32"}))
    tensor = net.laid(view, order)
    shape = tensor.shape
    if not 1 < len(shape) <= _MOST_AXES:
        tensor = net.reshape(tensor, (int(np.prod(shape[:-1])), shape[-1]))
    given = options("SoftmaxOptions", beta=1.0) if kind == "SOFTMAX" else options("LogSoftmaxOptions")
    made = net.add(kind, (tensor,), tensor.shape, quantization=rule if is_integer else None, options=given)
    _bind(node, net, net.reshape(made, shape), order, is_quantized=is_integer)


def _reaches(rule: Quantization, wanted: Quantization) -> bool:
    """Whether the scale that a kernel insists on goes as low as the one that is wanted: below, it would saturate."""
    lowest, needed = ((_LOWEST - each.zero_point) * each.scale for each in (rule, wanted))
    return lowest <= needed + rule.scale + wanted.scale or rule.zero_point == _LOWEST


def _along_last(node: Node, net: Lowering, view: View) -> tuple[View, Axes]:
    """(a view, the order that brings the axis which `node` looks along to the end)."""
    view = net.unflattened(view)
    default = -1 if net.source.opset >= _ONE_AXIS else 1
    axis = int(node.attribute("axis", default))
    axis = axis + view.rank if axis < 0 else axis
    if net.source.opset >= _ONE_AXIS or (axis == view.rank - 1):
        return view, (*(each for each in view.axes if each != axis), axis)
    rows = int(np.prod(view.shape[:axis]))
    return net.reshaped(view, (rows, int(np.prod(view.shape[axis:])))), (0, 1)


def _bind(node: Node, net: Lowering, made: Tensor, order: Axes, *, is_quantized: bool) -> None:
    """Bind what looks along the last axis, in the shape that the node's input has."""
    view = View(tensor=made, axes=order, dtype="float32", is_quantized=is_quantized)
    shape = net.shape(node.output(0))
    view = view if view.shape == shape else net.reshaped(view, shape)
    net.bind(node.output(0), view.tensor, view.axes, is_quantized=is_quantized)
