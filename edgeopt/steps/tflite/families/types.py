"""Element types that a kernel lacks, computed in a wider one.

ONNX defines its operators for more types than TFLite's kernels take. A value goes through a type that holds each of its
values exactly and comes back: integers wrap around as ONNX says, since what lies below 2**n is kept. The unsigned
integers of 64 bits have no wider type; sums, differences, products and equality of their bits are those of int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused

_REAL: Final = frozenset({"float32"})
_SIGNED: Final = frozenset({"float32", "int32", "int64"})
_DOUBLE: Final = _SIGNED | {"float64"}  # see `double.py`
_ORDERED: Final = _DOUBLE | {"int8", "int16", "uint8"}
_BITS: Final = frozenset({"int8", "int16", "int32", "uint8", "uint16", "uint32"})
# Kernel -> types of plain numbers for which LiteRT 2.3's XNNPACK and reference kernels both give what NumPy gives; its
# int8, uint8 and int16 kernels of arithmetic want scales and are none. A test runs every one.
NATIVE: Final[dict[str, frozenset[str]]] = {
    "ABS": frozenset({"float32", "int32"}),
    "ADD": _DOUBLE,
    "ARG_MAX": frozenset({"float32", "int32", "int8", "uint8", "bool"}),
    "ARG_MIN": frozenset({"float32", "int32", "int8", "uint8", "bool"}),
    "BITWISE_XOR": _BITS,
    "CUMSUM": _SIGNED,
    "DIV": frozenset({"float32", "int32"}),
    "EQUAL": _SIGNED | {"bool"},
    "FLOOR_MOD": _SIGNED,
    "GREATER": _SIGNED,
    "GREATER_EQUAL": _SIGNED,
    "LESS": _SIGNED,
    "LESS_EQUAL": _SIGNED,
    "LOGICAL_AND": frozenset({"bool"}),
    "LOGICAL_NOT": frozenset({"bool"}),
    "LOGICAL_OR": frozenset({"bool"}),
    "MAXIMUM": _ORDERED,
    "MEAN": _SIGNED,
    "MINIMUM": _ORDERED,
    "MUL": _DOUBLE,
    "NEG": _DOUBLE,
    "NOT_EQUAL": _SIGNED | {"bool"},
    "REDUCE_ALL": frozenset({"bool"}),
    "REDUCE_ANY": frozenset({"bool"}),
    "REDUCE_MAX": _SIGNED,
    "REDUCE_MIN": _SIGNED,
    "REDUCE_PROD": _SIGNED,
    "RIGHT_SHIFT": _BITS,
    "SIGN": frozenset({"float32", "float64", "int32"}),
    "SQUARED_DIFFERENCE": frozenset({"float32", "int32"}),
    "SUB": _DOUBLE,
    "SUM": _DOUBLE,
}
# type -> types that hold each of its values, the cheapest first
_WIDER: Final[dict[str, tuple[str, ...]]] = {
    "bool": ("int32",),
    "int8": ("int32", "int64"),
    "uint8": ("int32", "int64"),
    "int16": ("int32", "int64"),
    "uint16": ("int32", "int64"),
    "int32": ("int64",),
    "uint32": ("int64",),
}
_LOWEST_INT64: Final = np.iinfo(np.int64).min


def type_for(dtype: str, native: frozenset[str]) -> str:
    """The type to compute in: `dtype` where it is native, else the narrowest native one that holds its values.

    Raises:
        Refused: There is none.
    """
    if dtype in native:
        return dtype
    for wider in _WIDER.get(dtype, ()):
        if wider in native:
            return wider
    raise Refused(f"computes in `{dtype}`, for which TFLite has no kernel", rewrite="cast to float32 or int32 before")


def widened(net: Lowering, tensors: Sequence[Tensor], *kinds: str, is_modular: bool = False) -> list[Tensor]:
    """`tensors`, all of one type, in a type that the kernels `kinds` take; `narrowed` brings the result back.

    Args:
        net: Where casts are added.
        tensors: Plain numbers.
        kinds: Names of TFLite operators; the default of an unlisted one is float32 alone.
        is_modular: Whether the low 64 bits of the result depend on those of the operands alone, as in a sum.
    """
    dtype = "float64" if any(each.dtype == "float64" for each in tensors) else tensors[0].dtype
    if dtype == "uint64" and is_modular:
        tensors, dtype = [bits(net, each, "int64") for each in tensors], "int64"
    native = frozenset.intersection(*(NATIVE.get(kind, _REAL) for kind in kinds))
    wanted = type_for(dtype, native)
    return [net.cast(each, wanted) for each in tensors]


def narrowed(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    """What has been computed in a wider type as `dtype`, wrapped around."""
    if dtype == "uint64" and tensor.dtype == "int64":
        return bits(net, tensor, "uint64")
    return net.cast(tensor, dtype)


def bits(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    """The bits of `tensor` taken for numbers of another type; a last axis counts the parts of a wider element."""
    if tensor.dtype == dtype:
        return tensor
    if tensor.data is not None and np.dtype(tensor.dtype).itemsize == np.dtype(dtype).itemsize:
        return net.new_constant(tensor.data.view(dtype), name=tensor.name)
    have, want = np.dtype(tensor.dtype).itemsize, np.dtype(dtype).itemsize
    shape = tensor.shape
    if have > want:
        shape = (*shape, have // want)
    elif have < want:
        shape = shape[:-1]
    return net.add("BITCAST", (tensor,), shape, dtype=dtype, options=options("BitcastOptions"))


def ordered(net: Lowering, tensors: Sequence[Tensor], *kinds: str) -> list[Tensor]:
    """`tensors` in a type that comparing kernels take, in the same order of size.

    Unsigned integers of 64 bits become signed ones that lie 2**63 lower.
    """
    if tensors[0].dtype != "uint64":
        return widened(net, tensors, *kinds)
    lowest = net.scalar(_LOWEST_INT64, "int64")
    return [
        net.add("ADD", (bits(net, each, "int64"), lowest), each.shape, options=options("AddOptions"))
        for each in tensors
    ]


def unordered(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    """What `ordered` made of numbers of `dtype`, as such again."""
    if dtype != "uint64":
        return narrowed(net, tensor, dtype)
    lowest = net.scalar(_LOWEST_INT64, "int64")
    return bits(net, net.add("ADD", (tensor, lowest), tensor.shape, options=options("AddOptions")), "uint64")
