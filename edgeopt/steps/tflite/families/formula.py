"""Formulas written with tensors: operations whose operands broadcast, and numbers beside them."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.double import DOUBLE, double
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Quantization, Tensor
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


def selected(net: Lowering, condition: Tensor, yes: Tensor | float, no: Tensor | float) -> Tensor:
    """`yes` where `condition` holds, else `no`; at least one of both is a tensor."""
    first = next(each for each in (yes, no) if isinstance(each, Tensor))
    tensors = [each if isinstance(each, Tensor) else net.scalar(each, first.dtype) for each in (yes, no)]
    return computed(net, "SELECT_V2", condition, *tensors)


def log1p(net: Lowering, z: Tensor) -> Tensor:
    """log(1 + z) to a few units in the last place, for small z too.

    Kahan's way: with w = 1 + z rounded, log(w) * z / (w - 1) mends the rounding, and z itself where w is 1. An infinite
    z stays so.
    """
    w = computed(net, "ADD", z, 1.0)
    difference = computed(net, "SUB", w, 1.0)
    logarithm = computed(net, "LOG", w)
    is_extreme = computed(net, "GREATER", w, 3e38)
    safe = selected(net, computed(net, "EQUAL", difference, 0.0), 1.0, difference)
    mended = computed(net, "DIV", computed(net, "MUL", logarithm, z), safe)
    tiny = selected(net, computed(net, "EQUAL", difference, 0.0), z, mended)
    return selected(net, is_extreme, logarithm, tiny)
