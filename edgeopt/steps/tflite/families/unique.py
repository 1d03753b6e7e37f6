"""Unique, by comparing every part with every other: all of fixed length until the very end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried_view
from edgeopt.steps.tflite.families.picking import taken
from edgeopt.steps.tflite.families.types import ordered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import UNKNOWN, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_MOST_COMPARED = 1 << 24  # elements of all pairs of parts: 64 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class _Classes:
    """Which parts are equal.

    Attributes:
        order: (part) int32, the first part of each class in the order of the classes, then all others.
        count: (1,) int32, number of classes.
        place: (part) int32, class that each part belongs to.
        sizes: (part) int32, number of parts equal to each.
    """

    order: Tensor
    count: Tensor
    place: Tensor
    sizes: Tensor


def unique(node: Node, net: Lowering) -> None:
    """Unique of values, or of parts along an axis; NaN is not looked after."""
    view = carried_view(net, node.input(0))
    if node.attribute("axis") is None:
        view = net.reshaped(net.numbers(view), (view.tensor.elements,))
    axis = int(node.attribute("axis", 0)) % view.rank
    first = net.laid(net.numbers(view), (axis, *(each for each in range(view.rank) if each != axis)))
    count = first.shape[0]
    parts = net.reshape(first, (count, first.elements // max(count, 1)))
    if not parts.elements or parts.elements * count > _MOST_COMPARED:
        raise Refused(f"compares {count} parts of {parts.elements // max(count, 1)} with each other")
    classes = _classes(net, parts, is_sorted=bool(node.attribute("sorted", 1)))
    begin = net.new_constant(np.zeros(1, np.int32), name="begin")
    firsts = net.add("SLICE", (classes.order, begin, classes.count), (UNKNOWN,), options=options("SliceOptions"))
    if node.output(0):
        place = view.axes.index(axis)
        net.bind_view(node.output(0), replace(view, tensor=taken(net, view.tensor, firsts, place)))
    _bind_numbers(net, node.output(1), firsts)
    _bind_numbers(net, node.output(2), classes.place)
    _bind_numbers(net, node.output(3), taken(net, classes.sizes, firsts, 0))


def _bind_numbers(net: Lowering, name: str, tensor: Tensor) -> None:
    if name:
        net.bind_view(name, View(tensor=net.cast(tensor, "int64"), axes=(0,), dtype="int64"))


def _classes(net: Lowering, parts: Tensor, *, is_sorted: bool) -> _Classes:
    count = parts.shape[0]
    pairs = (count, count)
    numbers = np.arange(count, dtype=np.int32)
    is_equal, is_behind = _compared(net, parts)
    equal = net.cast(is_equal, "int32")
    earlier = net.new_constant(np.tril(np.ones(pairs, np.int32), -1), name="earlier")
    repeats = _sum(net, net.add("MUL", (equal, earlier), pairs, options=options("MulOptions")))
    zero = net.new_constant(np.array(0, np.int32), name="zero")
    is_first = net.add("EQUAL", (repeats, zero), (count,), dtype="bool", options=options("EqualOptions"))
    first = net.cast(is_first, "int32")
    if not is_sorted:  # a class lies behind those whose first part is earlier than its own first one
        own = net.add(
            "ARG_MAX",
            (equal, _axis(net)),
            (count,),
            dtype="int32",
            options=options("ArgMaxOptions", outputType="INT32"),
        )
        own = net.reshape(own, (count, 1))
        each = net.new_constant(numbers.reshape(1, -1), name="parts")
        is_behind = net.add("LESS", (each, own), pairs, dtype="bool", options=options("LessOptions"))
    behind = net.add(
        "MUL",
        (net.cast(is_behind, "int32"), net.reshape(first, (1, count))),
        pairs,
        options=options("MulOptions"),
    )
    place = _sum(net, behind)
    total = net.reshape(_sum(net, net.reshape(first, (1, count))), (1,))
    order = _order(net, is_first, place, total)
    return _Classes(order=order, count=total, place=place, sizes=_sum(net, equal))


def _order(net: Lowering, is_first: Tensor, place: Tensor, total: Tensor) -> Tensor:
    """(part) int32: first parts by the place of their class, then the others by number."""
    count = place.shape[0]
    others = net.cast(net.add("LOGICAL_NOT", (is_first,), (count,), options=options("LogicalNotOptions")), "int32")
    before = net.add("CUMSUM", (others, _axis(net, 0)), (count,), options=options("CumsumOptions", exclusive=True))
    later = net.add("ADD", (before, total), (count,), options=options("AddOptions"))
    target = net.add("SELECT_V2", (is_first, place, later), (count,), dtype="int32", options=options("SelectV2Options"))
    numbers = net.new_constant(np.arange(count, dtype=np.int32), name="parts")
    shape = net.new_constant(np.array([count], np.int32), name="shape")
    inputs = (net.reshape(target, (count, 1)), numbers, shape)
    return net.add("SCATTER_ND", inputs, (count,), dtype="int32", options=options("ScatterNdOptions"))


def _compared(net: Lowering, parts: Tensor) -> tuple[Tensor, Tensor]:
    """(whether part i equals part j, whether it lies behind it in lexicographic order), (i, j) bool both."""
    count, width = parts.shape
    shape = (count, count, width)
    (comparable,) = ordered(net, [parts], "LESS", "EQUAL")
    rows, columns = net.reshape(comparable, (count, 1, width)), net.reshape(comparable, (1, count, width))
    is_less = net.add("LESS", (columns, rows), shape, dtype="bool", options=options("LessOptions"))
    if width == 1:
        is_equal = net.add("EQUAL", (rows, columns), shape, dtype="bool", options=options("EqualOptions"))
        return net.reshape(is_equal, (count, count)), net.reshape(is_less, (count, count))
    differs = net.add("NOT_EQUAL", (rows, columns), shape, dtype="bool", options=options("NotEqualOptions"))
    number = net.cast(differs, "int32")
    so_far = net.add("CUMSUM", (number, _axis(net, 2)), shape, options=options("CumsumOptions", exclusive=True))
    zero = net.new_constant(np.array(0, np.int32), name="zero")
    is_same = net.add("EQUAL", (so_far, zero), shape, dtype="bool", options=options("EqualOptions"))
    decides = net.add("LOGICAL_AND", (is_same, is_less), shape, options=options("LogicalAndOptions"))
    last = net.new_constant(np.array([2], np.int32), name="axes")
    how = options("ReducerOptions", keepDims=False)
    is_behind = net.add("REDUCE_ANY", (decides, last), (count, count), dtype="bool", options=how)
    any_differs = net.add("REDUCE_ANY", (differs, last), (count, count), dtype="bool", options=how)
    is_equal = net.add("LOGICAL_NOT", (any_differs,), (count, count), options=options("LogicalNotOptions"))
    return is_equal, is_behind


def _sum(net: Lowering, tensor: Tensor) -> Tensor:
    """Sums of the rows."""
    axes = net.new_constant(np.array([1], np.int32), name="axes")
    return net.add("SUM", (tensor, axes), tensor.shape[:1], options=options("ReducerOptions", keepDims=False))


def _axis(net: Lowering, axis: int = 1) -> Tensor:
    return net.new_constant(np.array(axis, np.int32), name="axis")
