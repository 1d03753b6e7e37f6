"""MatMulNBits, ONNX Runtime's product with packed weights of few bits, written as MatMul with what they stand for.

Layout (onnxruntime/docs/ContribOperators.md, com.microsoft.MatMulNBits): B is (N, blocks, bytes of a block), the first
integer in the lowest bits; scales are (N, blocks); zero points are packed like B along the blocks, or floats, or
2^(bits - 1) where there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.dequantize import QuantizedConstant

if TYPE_CHECKING:
    import onnx

OPERATOR = "MatMulNBits"
_BITS = (2, 4, 8)
_LEVEL = "accuracy_level"


def rounds_inputs(model: onnx.ModelProto) -> bool:
    """Whether a product lets its kernel round what it multiplies the weights by (`accuracy_level`)."""
    return any(node.op_type == OPERATOR and _level(node) is not None for node in model.graph.node)


def with_exact_products(model: onnx.ModelProto) -> None:
    """Let, in place, every product with packed weights be computed in float32, whatever its kernel may round."""
    for node in model.graph.node:
        level = _level(node) if node.op_type == OPERATOR else None
        if level is not None:
            node.attribute.remove(level)


def _level(node: onnx.NodeProto) -> onnx.AttributeProto | None:
    return next((each for each in node.attribute if each.name == _LEVEL and each.i), None)


def without_nbits(
    model: onnx.ModelProto, constants: dict[str, NDArray[Any]]
) -> tuple[onnx.ModelProto, dict[str, QuantizedConstant]]:
    """The model with MatMul, and Add for a bias, in the place of MatMulNBits, and the weights that they read by name.

    The weights are no constants of the graph returned: they come from the mapping. Products whose layout is unusual
    (an order of their own, other bits, zero points that are floats) stay as they are.

    Args:
        model: The model, which is not changed.
        constants: Array per constant of its main graph.
    """
    import onnx

    if not any(node.op_type == OPERATOR for node in model.graph.node):
        return model, {}
    made, weights = onnx.ModelProto(), {}
    made.CopyFrom(model)
    del made.graph.node[:]
    for node in model.graph.node:
        weight = _weight(node, constants) if node.op_type == OPERATOR else None
        if weight is None:
            made.graph.node.append(node)
            continue
        name = f"{node.output[0]}/weight"
        weights[name] = weight
        bias = node.input[5] if len(node.input) > 5 else ""
        product = f"{node.output[0]}/product" if bias else node.output[0]
        made.graph.node.append(onnx.helper.make_node("MatMul", [node.input[0], name], [product], name=node.name))
        if bias:
            added = f"{node.name or node.output[0]}/bias"
            made.graph.node.append(onnx.helper.make_node("Add", [product, bias], [node.output[0]], name=added))
    return made, weights


def _weight(node: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> QuantizedConstant | None:
    """The weight (K, N) of a MatMulNBits; None where its layout is another."""
    told = {entry.name: entry.i for entry in node.attribute}
    names = [*node.input, "", "", "", ""]
    packed, scales, points = (constants.get(names[place]) for place in (1, 2, 3))
    bits = told.get("bits", 4)
    is_usual = packed is not None and scales is not None and bits in _BITS and not names[4]
    if not is_usual or (names[3] and (points is None or points.dtype != np.uint8)):
        return None
    assert packed is not None
    assert scales is not None
    rows, columns, block = told["K"], told["N"], told["block_size"]
    blocks = -(-rows // block)
    integers = _unpacked(packed.reshape(columns, blocks, -1), bits)[..., :block].reshape(columns, -1)[:, :rows]
    scale = scales.astype(np.float32).reshape(columns, blocks)
    zero = np.full((columns, blocks), 2 ** (bits - 1), np.int16)
    if points is not None:
        zero = _unpacked(points.reshape(columns, -1), bits)[:, :blocks]
    steps, zeros = (np.repeat(entries, block, axis=1)[:, :rows] for entries in (scale, zero))
    return QuantizedConstant(
        integers=integers.T,
        values=((integers - zeros) * steps).astype(np.float32).T,
        scale=scale.T,
        zero_point=zero.T,
        axis=0,
        block=block,
        dtype=f"uint{bits}",
    )


def _unpacked(packed: NDArray[np.uint8], bits: int) -> NDArray[np.int16]:
    """Integers of `bits` along the last axis, the first of a byte in its lowest bits."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (packed[..., None] >> shifts) & np.uint8(2**bits - 1)
    return parts.reshape(*packed.shape[:-1], -1).astype(np.int16)
