"""Casts from one element type to another."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from edgeopt.steps.tflite.builder import STORED_AS
from edgeopt.steps.tflite.families.types import bits
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

_TYPES: Final = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    }
)


def cast(node: Node, net: Lowering) -> None:
    """Cast and CastLike: CAST; a half-precision number is rounded, and then held as float32."""
    view = net.numbers(net.view(node.input(0)))
    wanted = net.source.types[node.output(0)].dtype if node.output(0) in net.source.types else "unknown"
    if wanted not in _TYPES:
        raise Refused(f"casts to `{wanted}`, which TFLite does not cast to")
    made = view.tensor
    if view.dtype != wanted:
        made = _rounded(net, made, wanted) if wanted in STORED_AS else _cast(net, made, wanted)
    net.bind_view(node.output(0), replace(view, tensor=made, dtype=wanted))


def _rounded(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    """`tensor` rounded to half precision, held as float32."""
    stored = STORED_AS[dtype]
    real = _cast(net, tensor, stored)
    if real.data is not None:
        return net.new_constant(real.data.astype(dtype), name=real.name)
    return net.cast(net.cast(real, dtype), stored)


def _cast(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    if tensor.dtype == "uint64" and dtype.startswith("float"):
        raise Refused("casts `uint64` to a real type, which TFLite does not", rewrite="cast to int64 before")
    if dtype == "uint64" and tensor.dtype.startswith("float"):
        raise Refused("casts a real number to `uint64`, which TFLite does not", rewrite="cast to int64 before")
    if tensor.dtype == "uint64" and dtype == "bool":
        return net.cast(bits(net, tensor, "int64"), "bool")
    if tensor.dtype == "uint64":
        return net.cast(bits(net, tensor, "int64"), dtype)
    if dtype == "uint64":
        return bits(net, net.cast(tensor, "int64"), "uint64")
    return net.cast(tensor, dtype)
