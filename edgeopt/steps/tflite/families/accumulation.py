"""Sums and products of all that comes before along an axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE
from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.ranking import reversed_along
from edgeopt.steps.tflite.families.types import bits, narrowed, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def cumulative_sum(node: Node, net: Lowering) -> None:
    """CumSum: CUMSUM; in float64 by doubling."""
    view, place = _along(node, net)
    if view.tensor.dtype == DOUBLE:
        net.bind_view(node.output(0), replace(view, tensor=_doubled(node, net, view.tensor, place, "ADD")))
        return
    (tensor,) = widened(net, [view.tensor], "CUMSUM", is_modular=True)
    given = options(
        "CumsumOptions",
        exclusive=bool(node.attribute("exclusive", 0)),
        reverse=bool(node.attribute("reverse", 0)),
    )
    along = net.new_constant(np.array(place, np.int32), name="axis")
    made = net.add("CUMSUM", (tensor, along), tensor.shape, options=given)
    net.bind_view(node.output(0), replace(view, tensor=narrowed(net, made, view.tensor.dtype)))


def cumulative_product(node: Node, net: Lowering) -> None:
    """CumProd by doubling."""
    view, place = _along(node, net)
    (tensor,) = widened(net, [view.tensor], "MUL", is_modular=True)
    made = _doubled(node, net, tensor, place, "MUL")
    net.bind_view(node.output(0), replace(view, tensor=narrowed(net, made, view.tensor.dtype)))


def _doubled(node: Node, net: Lowering, tensor: Tensor, place: int, kind: str) -> Tensor:
    """Sums or products along an axis: after each round a value takes in twice as many neighbours before it."""
    is_reversed = bool(node.attribute("reverse", 0))
    made = _reversed(net, tensor, place) if is_reversed else tensor
    if node.attribute("exclusive", 0):
        made = _shifted(net, made, place, 1, kind)
    steps = 1
    while steps < made.shape[place]:
        made = computed(net, kind, made, _shifted(net, made, place, steps, kind))
        steps *= 2
    return _reversed(net, made, place) if is_reversed else made


def _reversed(net: Lowering, tensor: Tensor, place: int) -> Tensor:
    if tensor.dtype != DOUBLE:
        return reversed_along(net, tensor, place)
    return bits(net, reversed_along(net, bits(net, tensor, "int64"), place), DOUBLE)


def _along(node: Node, net: Lowering) -> tuple[View, int]:
    """(the input as numbers, the memory axis along which the node goes)."""
    view = net.unflattened(net.numbers(net.view(node.input(0))))
    axis = int(net.required_constant(1, "axis").reshape(-1)[0])
    return view, view.axis_in_memory(axis)


def _shifted(net: Lowering, tensor: Tensor, place: int, steps: int, kind: str) -> Tensor:
    """`tensor` moved `steps` places up along an axis, with what changes nothing where nothing is left."""
    shape = tensor.shape
    kept = tuple(length - steps if axis == place else length for axis, length in enumerate(shape))
    new = tuple(steps if axis == place else length for axis, length in enumerate(shape))
    begin = net.new_constant(np.zeros(len(shape), np.int32), name="begin")
    size = net.new_constant(np.array(kept, np.int32), name="size")
    parts = (
        net.new_constant(np.full(new, 0 if kind == "ADD" else 1, tensor.dtype), name="neutral"),
        net.add("SLICE", (tensor, begin, size), kept, options=options("SliceOptions")),
    )
    given = options("ConcatenationOptions", axis=place, fusedActivationFunction="NONE")
    if tensor.dtype != DOUBLE:
        return net.add("CONCATENATION", parts, shape, options=given)
    made = net.add("CONCATENATION", [bits(net, part, "int64") for part in parts], shape, options=given)
    return bits(net, made, DOUBLE)
