"""Bitwise operators: TFLite has XOR and a shift to the right, and arithmetic does the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.formula import computed, selected
from edgeopt.steps.tflite.families.types import bits, narrowed
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node

_LONG: Final = frozenset({"int64", "uint64"})
_HALF: Final = 16


def bitwise(node: Node, net: Lowering) -> None:
    """BitwiseAnd, BitwiseOr and BitwiseXor."""
    tensors, axes, shape = aligned(net, [net.numbers(net.view(name)) for name in node.inputs])
    dtype = tensors[0].dtype
    x, y = (_words(net, each) for each in tensors)
    made = computed(net, "BITWISE_XOR", x, y)
    if node.operator != "BitwiseXor":
        both = _and(net, x, y)
        made = both if node.operator == "BitwiseAnd" else computed(net, "ADD", made, both)
    net.bind(node.output(0), net.reshape(_from_words(net, made, dtype), shape), axes)


def bitwise_not(node: Node, net: Lowering) -> None:
    """BitwiseNot: XOR with ones."""
    view = net.numbers(net.view(node.input(0)))
    made = computed(net, "BITWISE_XOR", _words(net, view.tensor), -1)
    net.bind_view(node.output(0), replace(view, tensor=_from_words(net, made, view.tensor.dtype)))


def _words(net: Lowering, tensor: Tensor) -> Tensor:
    """`tensor` as int32; an element of 64 bits as two, along a last axis."""
    if tensor.dtype not in _LONG:
        return net.cast(tensor, "int32")
    tensor = bits(net, tensor, "int64")
    if tensor.data is not None:
        return net.new_constant(tensor.data.reshape(*tensor.shape, 1).view(np.int32), name=tensor.name)
    return bits(net, tensor, "int32")


def _from_words(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    if dtype not in _LONG:
        return net.cast(tensor, dtype)
    return narrowed(net, bits(net, tensor, "int64"), dtype)


def _and(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    """The bits that both int32 have: of each half, x + y = (x ^ y) + 2 (x & y) without overflow."""
    high_x, low_x = _halves(net, x)
    high_y, low_y = _halves(net, y)
    high, low = _and_of_halves(net, high_x, high_y), _and_of_halves(net, low_x, low_y)
    return computed(net, "ADD", computed(net, "MUL", high, 1 << _HALF), low)


def _halves(net: Lowering, x: Tensor) -> tuple[Tensor, Tensor]:
    """(the upper 16 bits with their sign, the lower 16 bits) of int32."""
    high = computed(net, "RIGHT_SHIFT", x, _HALF)
    return high, computed(net, "SUB", x, computed(net, "MUL", high, 1 << _HALF))


def _and_of_halves(net: Lowering, x: Tensor, y: Tensor) -> Tensor:
    twice = computed(net, "SUB", computed(net, "ADD", x, y), computed(net, "BITWISE_XOR", x, y))
    return computed(net, "RIGHT_SHIFT", twice, 1)


def bit_shift(node: Node, net: Lowering) -> None:
    """BitShift; as many places as an integer has bits, or more, leave 0, and its sign when to the right."""
    tensors, axes, shape = aligned(net, [net.numbers(net.view(name)) for name in node.inputs])
    dtype = tensors[0].dtype
    x, by = tensors[0], _places(net, tensors[1])
    if node.attribute("direction") == "LEFT":
        made = _left(net, x, by)
    else:
        made = right_long(net, x, by) if dtype in _LONG else _right(net, x, by, np.dtype(dtype).itemsize * 8)
    net.bind(node.output(0), net.reshape(made, shape), axes)


def _places(net: Lowering, tensor: Tensor) -> Tensor:
    """How far to shift, as int32 from 0 to 64."""
    wide = bits(net, tensor, "int64") if tensor.dtype == "uint64" else net.cast(tensor, "int64")
    limited = computed(net, "MINIMUM", wide, 64)
    return net.cast(selected(net, computed(net, "LESS", limited, 0), 64, limited), "int32")


def _power(net: Lowering, by: Tensor, dtype: str) -> Tensor:
    """2**by in int32 or int64, 0 from their number of bits on: looked up."""
    count = np.dtype(dtype).itemsize * 8
    table = np.array([(1 << place) % (1 << count) for place in range(65)], np.uint64).astype(f"u{dtype}").view(dtype)
    return net.add(
        "GATHER", (net.new_constant(table, name="powers"), by), by.shape, options=options("GatherOptions", axis=0)
    )


def _left(net: Lowering, x: Tensor, by: Tensor) -> Tensor:
    dtype = "int64" if x.dtype in _LONG else "int32"
    wide = bits(net, x, "int64") if x.dtype in _LONG else net.cast(x, "int32")
    return narrowed(net, computed(net, "MUL", wide, _power(net, by, dtype)), x.dtype)


def _right(net: Lowering, x: Tensor, by: Tensor, count: int) -> Tensor:
    """X >> by; the kernel takes up to `count` - 1 places, which leave the sign of a signed integer."""
    moved = computed(net, "RIGHT_SHIFT", x, net.cast(computed(net, "MINIMUM", by, count - 1), x.dtype))
    if not x.dtype.startswith("uint"):
        return moved
    zero = net.new_constant(np.array(0, x.dtype), name="zero")
    return selected(net, computed(net, "LESS", by, count), moved, zero)


def right_long(net: Lowering, x: Tensor, by: Tensor) -> Tensor:
    """X >> by of 64 bits, `by` int32 from 0 to 64: the lower half takes in what leaves the upper one."""
    low, high = _unsigned_halves(net, x)
    high = high if x.dtype == "uint64" else net.cast(high, "int32")
    upper = _right(net, high, by, 32)
    carried = computed(net, "MUL", net.cast(high, "int32"), _power(net, _limited(net, 32, by), "int32"))
    far = _right(net, high, _limited(net, by, 32), 32)
    is_near = computed(net, "LESS", by, 32)
    near = computed(net, "ADD", net.cast(_right(net, low, by, 32), "int32"), carried)
    lower = selected(net, is_near, near, net.cast(far, "int32"))
    parts = [net.reshape(each, (*each.shape, 1)) for each in (lower, net.cast(upper, "int32"))]
    words = net.add(
        "CONCATENATION",
        parts,
        (*lower.shape, 2),
        options=options("ConcatenationOptions", axis=len(lower.shape), fusedActivationFunction="NONE"),
    )
    return narrowed(net, bits(net, words, "int64"), x.dtype)


def _limited(net: Lowering, left: Tensor | int, right: Tensor | int) -> Tensor:
    """Left - right, at least 0."""
    return computed(net, "MAXIMUM", _difference(net, left, right), 0)


def _difference(net: Lowering, left: Tensor | int, right: Tensor | int) -> Tensor:
    return computed(net, "SUB", left, right)


def _unsigned_halves(net: Lowering, x: Tensor) -> tuple[Tensor, Tensor]:
    """(lower, upper) 32 bits of each 64, as uint32."""
    words = _words(net, x)
    rank = len(x.shape)
    halves = []
    for place in (0, 1):
        begin = net.new_constant(np.array([*[0] * rank, place], np.int32), name="begin")
        size = net.new_constant(np.array([*x.shape, 1], np.int32), name="size")
        half = net.add("SLICE", (words, begin, size), (*x.shape, 1), options=options("SliceOptions"))
        halves.append(net.cast(net.reshape(half, x.shape), "uint32"))
    return halves[0], halves[1]
