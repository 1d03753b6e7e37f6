"""Products of two computed matrices, or of stacks of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE, double_sum
from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.integer import is_int8
from edgeopt.steps.tflite.families.types import narrowed, type_for, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Shape, View

_MATRIX: Final = 2
_MOST_AXES: Final = 5  # BATCH_MATMUL's kernels take as many
# Sums of products of integers of 9 bits are exact in float32 up to this many: 2**24 / 255**2.
_EXACT_TERMS: Final = 256
# Products that are not summed by the kernel are all held at once; above this many bytes none is made.
_MOST_BYTES: Final = 1 << 28


def product(net: Lowering, first: View, second: View, wanted: Quantization | None) -> View | None:
    """The matrix product of real numbers, as ONNX's MatMul defines it for operands of any rank.

    Args:
        net: Where it is added.
        first: (..., row, term), or (term).
        second: (..., term, column), or (term).
        wanted: What the product of int8 operands is quantized with; None for one in real numbers.

    Returns:
        The product; None where `wanted` is given and an operand is not of int8.
    """
    if wanted is not None and not (is_int8(first) and is_int8(second)):
        return None
    if wanted is None:
        first, second = net.numbers(first), net.numbers(second)
        type_for(first.tensor.dtype, frozenset({"float32"}))
    left, right = _as_matrices(net, first, second)
    made = _of_matrices(net, left, right, wanted)
    return _as_asked(net, made, first, second)


def _as_matrices(net: Lowering, first: View, second: View) -> tuple[View, View]:
    """A vector on the left as one row, on the right as one column."""
    first, second = net.unflattened(first), net.unflattened(second)
    left = net.reshaped(first, (1, *first.shape)) if first.rank == 1 else first
    right = net.reshaped(second, (*second.shape, 1)) if second.rank == 1 else second
    return left, right


def _as_asked(net: Lowering, made: View, first: View, second: View) -> View:
    """A product without the axes that `_as_matrices` added."""
    shape = made.shape
    if first.rank == 1:
        shape = (*shape[:-2], shape[-1])
    if second.rank == 1:
        shape = shape[:-1]
    return made if shape == made.shape else net.reshaped(made, shape)


def _of_matrices(net: Lowering, left: View, right: View, wanted: Quantization | None) -> View:
    rank = max(left.rank, right.rank)
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, left.shape[-2], right.shape[-1])
    if rank > _MOST_AXES:
        left, right = _fewer_axes(net, left, right)
    order = _batch_order(left, right)
    left_tensor = net.laid(left, (*order, left.rank - 2, left.rank - 1))
    right_order, is_turned = _right_order(right, order)
    right_tensor = net.laid(right, right_order)
    if right_tensor is left_tensor:  # XNNPACK merges a TRANSPOSE before it into one operand and changes both
        right_order, is_turned = (*right_order[:-2], right.rank - 1, right.rank - 2), True
        right_tensor = net.laid(right, right_order)
    batch_order = order if left.rank >= right.rank else tuple(range(right.rank - 2))
    merged = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    lengths = (*(merged[axis] for axis in batch_order), *shape[-2:])
    made = net.add(
        "BATCH_MATMUL",
        (left_tensor, right_tensor),
        lengths,
        quantization=wanted,
        options=options("BatchMatMulOptions", adjX=False, adjY=is_turned),
    )
    axes = (*batch_order, len(lengths) - 2, len(lengths) - 1)
    view = View(tensor=made, axes=axes, dtype=left.dtype, is_quantized=wanted is not None)
    return view if view.shape == shape else net.reshaped(view, shape)


def _batch_order(left: View, right: View) -> Axes:
    """The order of the left operand's axes before its matrix: as they lie, where the right one has them too."""
    if left.rank != right.rank:
        return tuple(range(left.rank - 2))
    leader = left if left.tensor.elements >= right.tensor.elements else right
    return tuple(axis for axis in leader.axes if axis < left.rank - 2)


def _right_order(view: View, batch: Axes) -> tuple[Axes, bool]:
    """(order of the right operand, whether its matrix lies turned): as it lies, so that the kernel turns it."""
    rank = view.rank
    stack = batch if len(batch) == rank - 2 else tuple(range(rank - 2))
    is_turned = view.axes.index(rank - 1) < view.axes.index(rank - 2) and view.tensor.data is None
    return ((*stack, rank - 1, rank - 2) if is_turned else (*stack, rank - 2, rank - 1)), is_turned


def _fewer_axes(net: Lowering, left: View, right: View) -> tuple[View, View]:
    """Both with neighbouring stack axes merged that both have, or lack, alike.

    Raises:
        Refused: More than the kernels take are left.
    """
    count = max(left.rank, right.rank) - _MATRIX
    stacks = [(1,) * (count + _MATRIX - view.rank) + view.shape[:-2] for view in (left, right)]
    cuts = [0, *(axis for axis in range(1, count) if _differ(stacks, axis)), count]
    if len(cuts) - 1 > _MOST_AXES - _MATRIX:
        raise Refused(f"multiplies stacks of matrices over {len(cuts) - 1} axes that cannot be merged")
    views = []
    for view, stack in zip((left, right), stacks, strict=True):
        merged = tuple(int(np.prod(stack[start:end])) for start, end in pairwise(cuts))
        views.append(net.reshaped(view, (*merged, *view.shape[-2:])))
    return views[0], views[1]


def _differ(stacks: list[Shape], axis: int) -> bool:
    """Whether an axis cannot be merged with the one before it: one operand has but one index of either."""
    return any((stack[axis - 1] == 1) != (stack[axis] == 1) for stack in stacks)


def exact_product(net: Lowering, first: View, second: View) -> View:
    """The matrix product of integers, exactly and wrapped around, or of float64: all products, then their sums."""
    left, right = _as_matrices(net, first, second)
    tensors = widened(net, [net.laid(left), net.laid(right)], "MUL", "SUM", is_modular=True)
    x, y = (net.reshape(tensor, shape) for tensor, shape in zip(tensors, _crossed(left, right), strict=True))
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, left.shape[-2], right.shape[-1])
    if 8 * int(np.prod(shape)) * left.shape[-1] > _MOST_BYTES:
        raise Refused(f"multiplies large matrices of `{first.dtype}`", rewrite="cast them to float32")
    products = computed(net, "MUL", x, y)
    axis = net.new_constant(np.array([len(products.shape) - 2], np.int32), name="axis")
    if products.dtype == DOUBLE:
        made = net.reshape(double_sum(net, products, [len(products.shape) - 2]), shape)
    else:
        made = net.add("SUM", (products, axis), shape, options=options("ReducerOptions", keepDims=False))
    made = narrowed(net, made, first.tensor.dtype)
    view = View(tensor=made, axes=tuple(range(len(shape))), dtype=first.dtype)
    return _as_asked(net, view, first, second)


def _crossed(left: View, right: View) -> tuple[Shape, Shape]:
    """Shapes (..., row, term, 1) and (..., 1, term, column), whose product has every pair."""
    return (*left.shape, 1), (*right.shape[:-2], 1, *right.shape[-2:])


def matmul_integer(node: Node, net: Lowering) -> None:
    """MatMulInteger: products of 8-bit integers in float32, which holds sums of 256; those added in int32."""
    left, right = (_from_zero(node, net, place) for place in (0, 1))
    left, right = _as_matrices(net, left, right)
    made: Tensor | None = None
    for start in range(0, left.shape[-1], _EXACT_TERMS):
        end = min(start + _EXACT_TERMS, left.shape[-1])
        part = product(net, _part(net, left, -1, start, end), _part(net, right, -2, start, end), None)
        assert part is not None
        whole = net.cast(net.laid(part), "int32")
        made = whole if made is None else computed(net, "ADD", made, whole)
    assert made is not None
    view = View(tensor=made, axes=tuple(range(len(made.shape))), dtype="int32")
    view = _as_asked(net, view, net.view(node.input(0)), net.view(node.input(1)))
    net.bind(node.output(0), view.tensor, view.axes)


def _from_zero(node: Node, net: Lowering, place: int) -> View:
    """An operand less its zero point, which may be one per row of the left one or per column of the right one."""
    view = net.unflattened(net.numbers(net.view(node.input(place))))
    view = replace(view, tensor=net.cast(net.laid(view), "float32"), axes=tuple(range(view.rank)), dtype="float32")
    name = node.input(2 + place)
    if not name:
        return view
    point = net.cast(net.tensor(name), "float32")
    if place == 0 and len(point.shape) == 1 and point.shape[0] > 1:
        point = net.reshape(point, (*point.shape, 1))
    return replace(view, tensor=computed(net, "SUB", view.tensor, point))


def _part(net: Lowering, view: View, axis: int, start: int, end: int) -> View:
    """Terms from `start` to `end` of an operand that lies as ONNX has it."""
    shape = view.shape
    if end - start == shape[axis]:
        return view
    begin, size = [0] * len(shape), list(shape)
    begin[axis], size[axis] = start, end - start
    tensor = net.add(
        "SLICE",
        (
            view.tensor,
            net.new_constant(np.array(begin, np.int32), name="begin"),
            net.new_constant(np.array(size, np.int32), name="size"),
        ),
        tuple(size),
        options=options("SliceOptions"),
    )
    return replace(view, tensor=tensor)
