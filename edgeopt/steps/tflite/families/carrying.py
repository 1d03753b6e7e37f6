"""Operations that only move values, for element types that their kernels lack too: other types of the same width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Tensor, options
from edgeopt.steps.tflite.view import Shape, View

# What stands for a type that a kernel lacks, bit for bit.
_BITS: Mapping[str, str] = {"float64": "int64", "uint64": "int64", "uint32": "int32", "uint16": "int16"}
# kernel -> type that it lacks -> type that stands for it; tried on LiteRT 2, both sets of kernels
_LACKING: Mapping[str, Mapping[str, str]] = {
    "CONCATENATION": _BITS,
    "GATHER": _BITS,
    "GATHER_ND": _BITS,
    "REVERSE_SEQUENCE": {**_BITS, "int8": "uint8", "bool": "uint8"},
    "REVERSE_V2": _BITS,
    "STRIDED_SLICE": {"uint32": "int32"},
    "SCATTER_ND": {**_BITS, "uint16": "int32", "int16": "int32", "bool": "uint8"},
}


def carried_view(net: Lowering, name: str) -> View:
    """How a value lies that is only to be moved: with its integers where one scale holds for all of them."""
    view = net.unflattened(net.view(name))
    quantization = view.tensor.quantization
    if view.is_quantized and quantization is not None and not quantization.is_per_tensor:
        return net.numbers(view)
    return view


def carried(
    net: Lowering,
    kind: str,
    inputs: Sequence[Tensor | None],
    shape: Shape,
    *,
    values: Sequence[int] = (0,),
    options: Options | None = None,
    name: str = "",
) -> Tensor:
    """Add an operation that moves values, through a type that its kernel has.

    Args:
        net: Where to add it.
        kind: Name in the schema's BuiltinOperator.
        inputs: What it reads.
        shape: Shape of what it makes, in memory order.
        values: Positions of the inputs whose values it moves; the result has the type and scale of the first one.
        options: Attributes of the operation.
        name: What to call the output; else after the node's first output.
    """
    first = inputs[values[0]]
    assert first is not None
    stand_in = _LACKING.get(kind, {}).get(first.dtype)
    if stand_in is None:
        return net.add(
            kind, inputs, shape, dtype=first.dtype, quantization=first.quantization, options=options, name=name
        )
    given = list(inputs)
    for place in values:
        tensor = given[place]
        assert tensor is not None
        given[place] = as_type(net, tensor, stand_in)
    return as_type(
        net, net.add(kind, given, shape, dtype=stand_in, options=options, name=name), first.dtype, like=first
    )


def as_type(net: Lowering, tensor: Tensor, dtype: str, *, like: Tensor | None = None) -> Tensor:
    """`tensor` as another type that holds each of its values: the same bits where the width is the same.

    Args:
        net: Where to add it.
        tensor: What to see as another type.
        dtype: That type.
        like: A tensor whose scale the result has.
    """
    if tensor.dtype == dtype:
        return tensor
    widths = {np.dtype(tensor.dtype).itemsize, np.dtype(dtype).itemsize}
    if len(widths) > 1 or "bool" in (tensor.dtype, dtype):
        return net.cast(tensor, dtype)
    if tensor.data is not None:
        return net.new_constant(np.ascontiguousarray(tensor.data).view(dtype), name=tensor.name)
    quantization = like.quantization if like is not None else None
    return net.add(
        "BITCAST",
        (tensor,),
        tensor.shape,
        dtype=dtype,
        quantization=quantization,
        options=options("BitcastOptions"),
        name=tensor.name,
    )
