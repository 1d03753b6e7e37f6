"""Sums and products of all that comes before along an axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.ranking import reversed_along
from edgeopt.steps.tflite.families.types import narrowed, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def cumulative_sum(node: Node, net: Lowering) -> None:
    """CumSum: CUMSUM."""
    view, place = _along(node, net)
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
    """CumProd by doubling: after each round a value is the product of twice as many neighbours before it."""
    view, place = _along(node, net)
    (made,) = widened(net, [view.tensor], "MUL", is_modular=True)
    is_reversed = bool(node.attribute("reverse", 0))
    made = reversed_along(net, made, place) if is_reversed else made
    if node.attribute("exclusive", 0):
        made = _shifted(net, made, place, 1)
    steps = 1
    while steps < made.shape[place]:
        made = computed(net, "MUL", made, _shifted(net, made, place, steps))
        steps *= 2
    made = reversed_along(net, made, place) if is_reversed else made
    net.bind_view(node.output(0), replace(view, tensor=narrowed(net, made, view.tensor.dtype)))


def _along(node: Node, net: Lowering) -> tuple[View, int]:
    """(the input as numbers, the memory axis along which the node goes)."""
    view = net.unflattened(net.numbers(net.view(node.input(0))))
    axis = int(net.required_constant(1, "axis").reshape(-1)[0])
    return view, view.axis_in_memory(axis)


def _shifted(net: Lowering, tensor: Tensor, place: int, steps: int) -> Tensor:
    """`tensor` moved `steps` places up along an axis, with ones where nothing is left."""
    shape = tensor.shape
    kept = tuple(length - steps if axis == place else length for axis, length in enumerate(shape))
    ones = tuple(steps if axis == place else length for axis, length in enumerate(shape))
    begin = net.new_constant(np.zeros(len(shape), np.int32), name="begin")
    size = net.new_constant(np.array(kept, np.int32), name="size")
    rest = net.add("SLICE", (tensor, begin, size), kept, options=options("SliceOptions"))
    filled = net.new_constant(np.ones(ones, tensor.dtype), name="ones")
    given = options("ConcatenationOptions", axis=place, fusedActivationFunction="NONE")
    return net.add("CONCATENATION", (filled, rest), shape, options=given)
