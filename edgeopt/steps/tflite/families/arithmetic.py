"""Arithmetic, element by element."""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np

from edgeopt.steps.tflite.ending import Ending
from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.division import quotient, remainder
from edgeopt.steps.tflite.families.formula import computed, size
from edgeopt.steps.tflite.families.integer import is_int8, requantized
from edgeopt.steps.tflite.families.patterns import fused
from edgeopt.steps.tflite.families.types import narrowed, ordered, unordered, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.source import Node

_KINDS: Final = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Sum": "ADD", "Mean": "ADD"}
_EXTREMES: Final = {"Max": "MAXIMUM", "Min": "MINIMUM"}


def add_sub_mul(node: Node, net: Lowering) -> None:
    """Add, Sub and Mul, in int8 where both sides are and the result is quantized."""
    if fused(node, net):
        return
    views = [net.view(name) for name in node.inputs]
    ending = net.ending(node.output(0)) if all(is_int8(view) for view in views) else Ending()
    kind = _KINDS[node.operator]
    if ending.quantization is not None:
        tensors, axes, shape = aligned(net, views)
        made = computed(net, kind, *tensors, activation=ending.activation, quantization=ending.quantization)
    else:
        tensors, axes, shape = aligned(net, [net.numbers(view) for view in views])
        ending = _float_ending(node, net, tensors[0])
        wide = widened(net, tensors, kind, is_modular=True)
        made = narrowed(net, computed(net, kind, *wide, activation=ending.activation), tensors[0].dtype)
    net.absorb(ending)
    net.bind(node.output(0), net.reshape(made, shape), axes, is_quantized=ending.quantization is not None)


def _float_ending(node: Node, net: Lowering, tensor: Tensor) -> Ending:
    """What can be done with an operation on numbers like `tensor`: kernels of integers fuse nothing that holds."""
    return net.ending(node.output(0), quantized=False) if tensor.dtype == "float32" else Ending()


def div(node: Node, net: Lowering) -> None:
    """Div: DIV; integers are divided towards zero."""
    if fused(node, net):
        return
    views = [net.numbers(net.view(name)) for name in node.inputs]
    tensors, axes, shape = aligned(net, views)
    dtype = tensors[0].dtype
    if dtype in ("uint32", "int64", "uint64"):
        made = quotient(net, *tensors)
        net.bind(node.output(0), net.reshape(made, shape), axes)
        return
    ending = _float_ending(node, net, tensors[0])
    made = computed(net, "DIV", *widened(net, tensors, "DIV"), activation=ending.activation)
    net.absorb(ending)
    net.bind(node.output(0), net.reshape(narrowed(net, made, dtype), shape), axes)


def variadic(node: Node, net: Lowering) -> None:
    """Sum and Mean of any number of values that broadcast."""
    views = [net.numbers(net.view(name)) for name in node.inputs]
    tensors, axes, shape = aligned(net, views)
    made = reduce(lambda left, right: computed(net, "ADD", left, right), widened(net, tensors, "ADD"))
    if node.operator == "Mean" and len(tensors) > 1:
        made = computed(net, "MUL", made, float(np.float32(1 / len(tensors))))
    net.bind(node.output(0), net.reshape(made, shape), axes)


def extreme(node: Node, net: Lowering) -> None:
    """Max and Min of any number of values that broadcast; in int8 where all have, or get, the same scale."""
    kind = _EXTREMES[node.operator]
    views = [net.view(name) for name in node.inputs]
    wanted = net.wanted(node.output(0)) if all(is_int8(view) for view in views) else None
    if wanted is not None:
        tensors, axes, shape = aligned(net, [requantized(net, view, wanted) for view in views])
        made = reduce(lambda left, right: computed(net, kind, left, right, quantization=wanted), tensors)
        net.bind(node.output(0), net.reshape(made, shape), axes, is_quantized=True)
        return
    tensors, axes, shape = aligned(net, [net.numbers(view) for view in views])
    dtype = tensors[0].dtype
    made = reduce(lambda left, right: computed(net, kind, left, right), ordered(net, tensors, kind))
    net.bind(node.output(0), net.reshape(unordered(net, made, dtype), shape), axes)


def mod(node: Node, net: Lowering) -> None:
    """Mod: FLOOR_MOD, whose sign is the divisor's; with `fmod` that of the dividend."""
    tensors, axes, shape = aligned(net, [net.numbers(net.view(name)) for name in node.inputs])
    dtype = tensors[0].dtype
    if dtype == "uint64":
        net.bind(node.output(0), net.reshape(remainder(net, *tensors), shape), axes)
        return
    x, y = widened(net, tensors, "FLOOR_MOD")
    if node.attribute("fmod", 0) and not dtype.startswith("uint"):
        rest = computed(net, "FLOOR_MOD", size(net, x), size(net, y))
        made = computed(net, "MUL", rest, _sign(net, x))
    else:
        made = computed(net, "FLOOR_MOD", x, y)
    net.bind(node.output(0), net.reshape(narrowed(net, made, dtype), shape), axes)


def _sign(net: Lowering, x: Tensor) -> Tensor:
    if x.dtype != "int64":
        return computed(net, "SIGN", x)
    return computed(net, "MINIMUM", computed(net, "MAXIMUM", x, -1), 1)
