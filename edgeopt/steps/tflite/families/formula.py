"""Formulas written with tensors: operations whose operands broadcast, and numbers beside them."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE, double
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Quantization, Tensor, options
from edgeopt.steps.tflite.refusal import Refused

# operator -> the table of its options, without which its kernel reads none
_FUSING: Final = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
_ANSWERS_BOOL: Final = frozenset({"EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"})
_TAKES_DOUBLE: Final = frozenset({"SIGN", "SELECT_V2"})
MOST_AXES: Final = 6  # XNNPACK's operands have as many at most (XNN_MAX_TENSOR_DIMS)


def computed(
    net: Lowering,
    kind: str,
    *operands: Tensor | float,
    options: Options | None = None,
    activation: str = "NONE",
    quantization: Quantization | None = None,
) -> Tensor:
    """What one operation gives.

    Args:
        net: Where it is added.
        kind: Name in the schema's BuiltinOperator.
        operands: Tensors that broadcast, at least one; numbers are of the type of the first tensor.
        options: Attributes; those of a sum, difference, product or quotient are made here.
        activation: Fused activation of such a one.
        quantization: What the integers of the result stand for, where operands are such.
    """
    first = next(each for each in operands if isinstance(each, Tensor))
    tensors = [each if isinstance(each, Tensor) else net.scalar(each, first.dtype) for each in operands]
    if any(each.dtype == DOUBLE for each in tensors) and kind not in _TAKES_DOUBLE:
        return double(net, kind, tensors)
    shape = np.broadcast_shapes(*(each.shape for each in tensors))
    if len(shape) > MOST_AXES and any(each.shape not in ((), shape) for each in tensors):
        tensors = _fewer_axes(net, tensors, shape)
        return net.reshape(
            computed(net, kind, *tensors, options=options, activation=activation, quantization=quantization), shape
        )
    if kind in _FUSING:
        options = Options(table=_FUSING[kind], values={"fusedActivationFunction": activation})
    dtype = "bool" if kind in _ANSWERS_BOOL else tensors[-1].dtype
    return net.add(kind, tensors, shape, dtype=dtype, options=options, quantization=quantization)


def _fewer_axes(net: Lowering, tensors: list[Tensor], shape: tuple[int, ...]) -> list[Tensor]:
    """Operands with neighbouring axes merged that all operands have, or lack, alike.

    Raises:
        Refused: More than `MOST_AXES` are left.
    """
    full = [(1,) * (len(shape) - len(each.shape)) + each.shape for each in tensors]
    kinds = [tuple(lengths[axis] == 1 for lengths in full) for axis in range(len(shape))]
    groups: list[list[int]] = []
    for axis, length in enumerate(shape):
        if groups and (length == 1 or kinds[groups[-1][-1]] == kinds[axis]):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    if len(groups) > MOST_AXES:
        raise Refused(f"broadcasts over {len(groups)} axes that cannot be merged; TFLite's kernels take {MOST_AXES}")

    def merged(lengths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(int(np.prod([lengths[axis] for axis in group])) for group in groups)

    return [net.reshape(each, merged(own)) for each, own in zip(tensors, full, strict=True)]


def size(net: Lowering, x: Tensor) -> Tensor:
    """|x|: ABS of float32 alone is in LiteRT's reference set."""
    return computed(net, "ABS", x) if x.dtype == "float32" else computed(net, "MAXIMUM", x, computed(net, "NEG", x))


def selected(net: Lowering, condition: Tensor, yes: Tensor | float, no: Tensor | float) -> Tensor:
    """`yes` where `condition` holds, else `no`; at least one of both is a tensor."""
    first = next(each for each in (yes, no) if isinstance(each, Tensor))
    tensors = [each if isinstance(each, Tensor) else net.scalar(each, first.dtype) for each in (yes, no)]
    return computed(net, "SELECT_V2", condition, *tensors)


def log1p(net: Lowering, z: Tensor) -> Tensor:
    """log(1 + z) for z >= 0, right for a small z too.

    LiteRT's LOG is off by up to 1e-7 near 1, however small its value. Below 1/2 it is the series of 2 artanh s with
    s = z / (2 + z) <= 1/5, whose next term is 1e-8 of the sum at most.
    """
    s = computed(net, "DIV", z, computed(net, "ADD", z, 2.0))
    square = computed(net, "MUL", s, s)
    series = computed(net, "MUL", square, 2 / 9)
    for factor in (2 / 7, 2 / 5, 2 / 3):
        series = computed(net, "MUL", computed(net, "ADD", series, factor), square)
    series = computed(net, "MUL", computed(net, "ADD", series, 2.0), s)
    logarithm = computed(net, "LOG", computed(net, "ADD", z, 1.0))
    return selected(net, computed(net, "LESS", z, 0.5), series, logarithm)


def rows_by_matrix(net: Lowering, rows: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """(row, output) of (row, input) rows by an (output, input) matrix, and a bias per output, in float32."""
    return net.add(
        "FULLY_CONNECTED",
        (rows, matrix, bias),
        (rows.shape[0], matrix.shape[0]),
        options=options("FullyConnectedOptions", fusedActivationFunction="NONE"),
    )
