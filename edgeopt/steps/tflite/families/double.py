"""Arithmetic of float64, for which LiteRT has the element-wise kernels of StableHLO and few others.

They take operands of one shape; what only moves elements goes through the bits, as int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.types import bits
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options

DOUBLE: Final = "float64"
# TFLite's operator -> StableHLO's, which has kernels for float64
_KINDS: Final = {
    "ADD": "STABLEHLO_ADD",
    "MAXIMUM": "STABLEHLO_MAXIMUM",
    "MINIMUM": "STABLEHLO_MINIMUM",
    "MUL": "STABLEHLO_MULTIPLY",
}


def double(net: Lowering, kind: str, tensors: Sequence[Tensor]) -> Tensor:
    """What an operation of two operands gives, one of which is float64; the other is exact in it."""
    shape = np.broadcast_shapes(*(each.shape for each in tensors))
    if kind == "NEG":
        return double(net, "MUL", [tensors[0], net.scalar(-1, DOUBLE)])
    if kind == "SUB":
        return double(net, "ADD", [tensors[0], double(net, "NEG", [tensors[1]])])
    ready = [_spread(net, net.cast(each, DOUBLE), shape) for each in tensors]
    return net.add(_KINDS[kind], ready, shape)


def _spread(net: Lowering, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`tensor` broadcast to `shape`: its bits added to zeros."""
    if tensor.shape == shape:
        return tensor
    if tensor.data is not None:
        return net.new_constant(np.ascontiguousarray(np.broadcast_to(tensor.data, shape)), name=tensor.name)
    zeros = net.new_constant(np.zeros(shape, np.int64), name="zeros")
    made = net.add("ADD", (bits(net, tensor, "int64"), zeros), shape, options=options("AddOptions"))
    return bits(net, made, DOUBLE)


def double_sum(net: Lowering, tensor: Tensor, axes: Sequence[int]) -> Tensor:
    """The sum along memory axes, which stay with length 1, by halves."""
    for axis in axes:
        while tensor.shape[axis] > 1:
            count = tensor.shape[axis]
            half = count // 2
            left, right = _part(net, tensor, axis, 0, half), _part(net, tensor, axis, half, half)
            made = double(net, "ADD", [left, right])
            if count % 2:
                made = _first_mended(net, made, _part(net, tensor, axis, count - 1, 1), axis)
            tensor = made
    return tensor


def _first_mended(net: Lowering, tensor: Tensor, last: Tensor, axis: int) -> Tensor:
    """`tensor` with `last`, which has one index along an axis, added to its first."""
    count = tensor.shape[axis]
    along = [1] * len(tensor.shape)
    along[axis] = count
    is_first = net.new_constant((np.arange(count) == 0).astype(DOUBLE).reshape(along), name="first")
    return double(net, "ADD", [tensor, double(net, "MUL", [last, is_first])])


def _part(net: Lowering, tensor: Tensor, axis: int, start: int, count: int) -> Tensor:
    begin, size = [0] * len(tensor.shape), list(tensor.shape)
    begin[axis], size[axis] = start, count
    return net.add(
        "SLICE",
        (
            tensor,
            net.new_constant(np.array(begin, np.int32), name="begin"),
            net.new_constant(np.array(size, np.int32), name="size"),
        ),
        tuple(size),
        options=options("SliceOptions"),
    )
