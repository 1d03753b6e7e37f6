"""Powers."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.formula import computed, selected
from edgeopt.steps.tflite.families.types import bits, narrowed
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

_MOST_FACTORS: Final = 4
_BITS_OF_EXPONENT: Final = 7  # powers from the 64th on are 0 or those of -1, 0 and 1 in integers of 64 bits


def power(node: Node, net: Lowering) -> None:
    """Pow: products and a root where the exponent is one small number, else POW; integers by squares."""
    views = [net.numbers(net.view(name)) for name in node.inputs]
    base = views[0].tensor.dtype
    exponent = net.constant(node.input(1))
    if base == "float32" and exponent is not None and exponent.size == 1:
        number = float(exponent.reshape(()))
        simple = _simple(net, views[0].tensor, number) if exponent.ndim <= views[0].rank else None
        if simple is not None:
            net.bind(node.output(0), simple, views[0].axes)
            return
    tensors, axes, shape = aligned(net, views)
    x, y = tensors
    if x.dtype == "float64" or y.dtype == "float64":
        raise Refused("computes in `float64`, for which TFLite has no kernel", rewrite="use float32")
    if x.dtype == "float32" or y.dtype == "float32":
        real = [_real(net, each) for each in (x, y)]
        made = net.cast(computed(net, "POW", *real), x.dtype)
    else:
        made = narrowed(net, _integer_power(net, _long(net, x), _long(net, y)), x.dtype)
    net.bind(node.output(0), net.reshape(made, shape), axes)


def _simple(net: Lowering, x: Tensor, exponent: float) -> Tensor | None:
    """X to a power that a root or a few products give."""
    if exponent == 0.5:
        return computed(net, "SQRT", x)
    if exponent == -1:
        return computed(net, "DIV", 1.0, x)
    if exponent not in range(1, _MOST_FACTORS + 1):
        return None
    if exponent == _MOST_FACTORS:
        square = computed(net, "MUL", x, x)
        return computed(net, "MUL", square, square)
    product = x
    for _ in range(int(exponent) - 1):
        product = computed(net, "MUL", product, x)
    return product


def _real(net: Lowering, tensor: Tensor) -> Tensor:
    return net.cast(bits(net, tensor, "int64") if tensor.dtype == "uint64" else tensor, "float32")


def _long(net: Lowering, tensor: Tensor) -> Tensor:
    return bits(net, tensor, "int64") if tensor.dtype == "uint64" else net.cast(tensor, "int64")


def _integer_power(net: Lowering, base: Tensor, exponent: Tensor) -> Tensor:
    """base**exponent of int64, wrapped around: the squares of the base whose bits the exponent has, multiplied.

    With a negative exponent only -1 and 1 have powers that are integers; those of the others are 0 towards zero.
    """
    is_negative = computed(net, "LESS", exponent, 0)
    parity = computed(net, "FLOOR_MOD", exponent, 2)
    many = computed(net, "GREATER_EQUAL", exponent, 1 << (_BITS_OF_EXPONENT - 1))
    exponent = selected(net, many, computed(net, "ADD", parity, 1 << (_BITS_OF_EXPONENT - 1)), exponent)
    left = net.cast(selected(net, is_negative, parity, exponent), "int32")
    made: Tensor | None = None
    square = base
    for place in range(_BITS_OF_EXPONENT):
        has_bit = computed(net, "EQUAL", computed(net, "FLOOR_MOD", left, 2), 1)
        factor = selected(net, has_bit, square, 1)
        made = factor if made is None else computed(net, "MUL", made, factor)
        if place + 1 < _BITS_OF_EXPONENT:
            square = computed(net, "MUL", square, square)
            left = computed(net, "RIGHT_SHIFT", left, 1)
    assert made is not None
    is_unit = computed(net, "EQUAL", computed(net, "MUL", base, base), 1)
    is_lost = computed(net, "LOGICAL_AND", is_negative, computed(net, "LOGICAL_NOT", is_unit))
    return selected(net, is_lost, net.new_constant(np.array(0, np.int64), name="zero"), made)
