"""Weights that are float16 numbers, kept as such in the file, behind a DEQUANTIZE.

XNNPACK makes them float32 once, when it loads the model; other kernels of LiteRT do so at the first inference. The file
is about half as large.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.steps.tflite.net import Net, Operation, Tensor, options

if TYPE_CHECKING:
    import onnx

# The tables of one more operation and tensor take about 250 bytes of a file, which 128 elements save.
_FEWEST = 256  # elements


def holds_half(model: onnx.ModelProto) -> bool:
    """Whether weights of `model` are float16."""
    import onnx

    half = onnx.TensorProto.FLOAT16
    if any(tensor.data_type == half for tensor in model.graph.initializer):
        return True
    constants = (node for node in model.graph.node if node.op_type == "Constant")
    return any(each.t.data_type == half for node in constants for each in node.attribute)


def half_weights(net: Net) -> None:
    """Keep, in place, every float32 constant whose numbers are all float16 as that."""
    made: dict[Tensor, Tensor] = {}
    operations: list[Operation] = []
    for operation in net.operations:
        for tensor in operation.inputs:
            if tensor is None or tensor in made or not _is_half(tensor):
                continue
            assert tensor.data is not None
            half = replace(tensor, name=f"{tensor.name}/float16", dtype="float16", data=tensor.data.astype(np.float16))
            made[tensor] = replace(tensor, data=None)
            operations.append(
                Operation(
                    kind="DEQUANTIZE",
                    inputs=(half,),
                    outputs=(made[tensor],),
                    options=options("DequantizeOptions"),
                    node=operation.node,
                )
            )
        inputs = tuple(None if each is None else made.get(each, each) for each in operation.inputs)
        operations.append(replace(operation, inputs=inputs))
    net.operations = operations


def _is_half(tensor: Tensor) -> bool:
    """Whether a tensor is constant, large enough, and made of float16 numbers."""
    if tensor.data is None or tensor.dtype != "float32" or tensor.elements < _FEWEST:
        return False
    with np.errstate(over="ignore"):
        return bool(np.array_equal(tensor.data.astype(np.float16).astype(np.float32), tensor.data, equal_nan=True))
