"""Comparisons, logic and selection."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.types import ordered, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_ORDERS: Final = {
    "Greater": "GREATER",
    "GreaterOrEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessOrEqual": "LESS_EQUAL",
}
_LOGIC: Final = {"And": "LOGICAL_AND", "Or": "LOGICAL_OR", "Xor": "NOT_EQUAL"}


def equal(node: Node, net: Lowering) -> None:
    """Equal: EQUAL."""
    tensors, axes, shape = aligned(net, [net.numbers(net.view(name)) for name in node.inputs])
    made = computed(net, "EQUAL", *widened(net, tensors, "EQUAL", is_modular=True))
    net.bind(node.output(0), net.reshape(made, shape), axes)


def order(node: Node, net: Lowering) -> None:
    """Greater, Less and their like."""
    kind = _ORDERS[node.operator]
    tensors, axes, shape = aligned(net, [net.numbers(net.view(name)) for name in node.inputs])
    made = computed(net, kind, *ordered(net, tensors, kind))
    net.bind(node.output(0), net.reshape(made, shape), axes)


def logic(node: Node, net: Lowering) -> None:
    """And, Or and Xor of truth values."""
    tensors, axes, shape = aligned(net, [net.view(name) for name in node.inputs])
    made = computed(net, _LOGIC[node.operator], *tensors)
    net.bind(node.output(0), net.reshape(made, shape), axes)


def logical_not(node: Node, net: Lowering) -> None:
    """Not: LOGICAL_NOT."""
    view = net.view(node.input(0))
    net.bind_view(node.output(0), replace(view, tensor=computed(net, "LOGICAL_NOT", view.tensor)))


def is_nan(node: Node, net: Lowering) -> None:
    """IsNaN: only what is no number differs from itself."""
    view = net.numbers(net.view(node.input(0)))
    tensor = net.cast(view.tensor, "float32") if view.dtype == "float64" else view.tensor
    made = computed(net, "NOT_EQUAL", tensor, tensor)
    net.bind_view(node.output(0), replace(view, tensor=made, dtype="bool"))


def is_inf(node: Node, net: Lowering) -> None:
    """IsInf of either sign, or of one."""
    view = net.numbers(net.view(node.input(0)))
    if view.dtype == "float64":
        raise Refused("computes in `float64`: numbers above 3.4e38 would be taken for infinite", rewrite="use float32")
    is_positive, is_negative = (bool(node.attribute(f"detect_{sign}", 1)) for sign in ("positive", "negative"))
    tensor = view.tensor
    if is_positive and is_negative:
        tensor = computed(net, "ABS", tensor)
    wanted = np.inf if is_positive else -np.inf if is_negative else None
    if wanted is None:
        made = net.new_constant(np.zeros(tensor.shape, np.bool_))
    else:
        made = computed(net, "EQUAL", tensor, wanted)
    net.bind_view(node.output(0), replace(view, tensor=made, dtype="bool"))


def where(node: Node, net: Lowering) -> None:
    """Where: SELECT_V2; int8 stays where both choices have the same scale."""
    condition, *choices = (net.view(name) for name in node.inputs)
    is_integer = _are_alike(*choices)
    if not is_integer:
        choices = [net.numbers(view) for view in choices]
    tensors, axes, shape = aligned(net, [condition, *choices])
    quantization = choices[0].tensor.quantization if is_integer else None
    made = computed(net, "SELECT_V2", *tensors, quantization=quantization)
    net.bind(node.output(0), net.reshape(made, shape), axes, is_quantized=is_integer)


def _are_alike(first: View, second: View) -> bool:
    """Whether two values are real numbers that integers stand for in the same way."""
    return (
        first.is_quantized
        and second.is_quantized
        and first.tensor.dtype == second.tensor.dtype
        and first.tensor.quantization == second.tensor.quantization
        and first.tensor.quantization is not None
        and first.tensor.quantization.is_per_tensor
    )
