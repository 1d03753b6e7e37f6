"""Determinants of small matrices."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.types import type_for
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

_MOST_ROWS: Final = 5  # an expansion along rows has 2**n minors


def det(node: Node, net: Lowering) -> None:
    """Det of (..., n, n) by Laplace's expansion along the rows, each minor once.

    Raises:
        Refused: n is above 5.
    """
    view = net.numbers(net.view(node.input(0)))
    type_for(view.tensor.dtype, frozenset({"float32"}))
    count = view.shape[-1]
    if count > _MOST_ROWS:
        raise Refused(f"takes determinants of {count} rows; those of up to {_MOST_ROWS} are written out")
    tensor = net.laid(view)
    shape = tensor.shape[:-2]

    @cache
    def minor(columns: tuple[int, ...]) -> Tensor:
        """The determinant of the last rows, as many as there are `columns`, in these."""
        row = count - len(columns)
        total = _element(net, tensor, row, columns[0])
        if len(columns) == 1:
            return total
        total = computed(net, "MUL", total, minor(columns[1:]))
        for place, column in enumerate(columns[1:], start=1):
            term = computed(net, "MUL", _element(net, tensor, row, column), minor(tuple(np.delete(columns, place))))
            total = computed(net, "SUB" if place % 2 else "ADD", total, term)
        return total

    made = minor(tuple(range(count))) if count else net.new_constant(np.ones(shape, np.float32))
    net.bind(node.output(0), net.reshape(made, shape))


def _element(net: Lowering, tensor: Tensor, row: int, column: int) -> Tensor:
    """(..., 1, 1) one element of each matrix."""
    stack = tensor.shape[:-2]
    begin = net.new_constant(np.array([*[0] * len(stack), row, column], np.int32), name="begin")
    size = net.new_constant(np.array([*stack, 1, 1], np.int32), name="size")
    return net.add("SLICE", (tensor, begin, size), (*stack, 1, 1), options=options("SliceOptions"))
