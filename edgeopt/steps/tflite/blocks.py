"""Weights of few bits with a scale per block, kept so in the file.

TFLite's products know no scales per block. But a DEQUANTIZE does, of a matrix that has a block per row: blocks are laid
row by row, made float by one scale each, and reshaped to the matrix that the product reads. All of it happens once, when
a runtime loads the model, and is exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.net import Net, Operation, Quantization, Tensor, options

if TYPE_CHECKING:
    import onnx

_FOUR_BITS = (-8, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A matrix of integers with a scale per block.

    Attributes:
        name: The product that reads it.
        integers: (output, input) int8, less their zero points.
        scale: (output, block) float32.
        block: Inputs per block.
    """

    name: str
    integers: NDArray[np.int8]
    scale: NDArray[np.float32]
    block: int


def without_blocks(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[bytes, Blocks]]:
    """(`model` with float products in the place of those with packed weights, the weights by digest of their floats)."""
    import onnx

    from edgeopt.graph.nbits import OPERATOR, without_nbits

    if not any(node.op_type == OPERATOR for node in model.graph.node):
        return model, {}
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    made, weights = without_nbits(model, arrays)
    found: dict[bytes, Blocks] = {}
    for name, weight in weights.items():
        values = np.ascontiguousarray(weight.values.T)
        made.graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(weight.values), name))
        integers = np.ascontiguousarray(weight.centred.T)
        if integers.shape[1] % weight.block == 0:
            found[_digest(values)] = Blocks(
                name=name.removesuffix("/weight"),
                integers=integers.astype(np.int8),
                scale=np.ascontiguousarray(weight.scale.T),
                block=weight.block,
            )
    read = {each for node in made.graph.node for each in node.input}
    kept = [each for each in made.graph.initializer if each.name in read]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made, found


def keep_blocks(net: Net, blocks: Mapping[bytes, Blocks]) -> tuple[str, ...]:
    """Put, in place, integers in the place of floats that are among `blocks`; what is said of those that stay float."""
    made: dict[Tensor, Tensor] = {}
    kept: set[bytes] = set()
    operations: list[Operation] = []
    for operation in net.operations:
        tensor = operation.inputs[1] if operation.kind == "FULLY_CONNECTED" else None
        if tensor is not None and tensor.data is not None and tensor.dtype == "float32" and tensor not in made:
            digest = _digest(tensor.data)
            found = blocks.get(digest)
            if found is not None and found.integers.shape == tensor.shape:
                made[tensor] = replace(tensor, data=None)
                operations += _written(found, made[tensor], operation.node)
                kept.add(digest)
        inputs = tuple(None if each is None else made.get(each, each) for each in operation.inputs)
        operations.append(replace(operation, inputs=inputs))
    net.operations = operations
    return tuple(
        f"weights of `{each.name}` have a scale per block and are float32 in the .tflite file: "
        f"{each.integers.size * 4:,} bytes"
        for digest, each in blocks.items()
        if digest not in kept
    )


def _written(blocks: Blocks, result: Tensor, node: str) -> list[Operation]:
    """DEQUANTIZE and RESHAPE that make `result`."""
    rows = blocks.integers.reshape(-1, blocks.block)
    is_small = _FOUR_BITS[0] <= rows.min(initial=0) and rows.max(initial=0) <= _FOUR_BITS[1]
    scales = tuple(float(each) for each in blocks.scale.reshape(-1))
    integers = Tensor(
        name=f"{result.name}/blocks",
        shape=rows.shape,
        dtype="int4" if is_small else "int8",
        data=rows,
        quantization=Quantization(scales=scales, zero_points=(0,) * len(scales)),
    )
    numbers = Tensor(name=f"{result.name}/numbers", shape=rows.shape, dtype="float32")
    lengths = Tensor(
        name=f"{result.name}/shape", shape=(2,), dtype="int32", data=np.array(blocks.integers.shape, np.int32)
    )
    return [
        Operation(
            kind="DEQUANTIZE", inputs=(integers,), outputs=(numbers,), options=options("DequantizeOptions"), node=node
        ),
        Operation(
            kind="RESHAPE", inputs=(numbers, lengths), outputs=(result,), options=options("ReshapeOptions"), node=node
        ),
    ]


def _digest(values: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).digest()
