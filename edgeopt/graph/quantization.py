"""Whether a graph is quantized, and how."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_OPERATOR_STYLE = frozenset({"QLinearConv", "QLinearMatMul", "QGemm"})
_DYNAMIC = frozenset({"ConvInteger", "MatMulInteger"})
_WEIGHT_ONLY = frozenset({"MatMulNBits"})
_OWN_KINDS = _DYNAMIC | _WEIGHT_ONLY  # beside these a DequantizeLinear alone is that of an embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationState:
    """How a graph is quantized.

    Attributes:
        kind: `none`, `qdq` (quantize/dequantize pairs), `qoperator`, `dynamic` or `weights`; in TFLite models also
            `integer`, where integers flow between operators.
        activations: Dtypes of quantized activations.
        weights: Dtypes of quantized weights; where nothing is quantized and weights are float16, that, and in TFLite
            models float32 too where some are.
        is_per_channel: Whether weights have a scale per channel, or per block of one.
        quantized: Nodes with weights (Conv, Gemm, MatMul, ...) that run on quantized weights.
        total: All nodes with weights.
    """

    kind: str
    activations: tuple[str, ...]
    weights: tuple[str, ...]
    is_per_channel: bool
    quantized: int
    total: int


def quantization_state(graph: onnx.GraphProto) -> QuantizationState:
    """The state of a graph, told by its operators."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    counts = Counter(node.op_type for node in graph.node)
    producers = {name: node for node in graph.node for name in node.output}
    pairs = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = [node for node in pairs if node.input[0] in constants]
    scales = [constants[node.input[1]] for node in weights if node.input[1] in constants]
    weighted = [node for node in graph.node if node.op_type in _WEIGHTED]
    quantized = sum(_reads_dequantized(node, producers) for node in weighted)
    special = sum(counts[name] for name in _OPERATOR_STYLE | _DYNAMIC | _WEIGHT_ONLY)
    return QuantizationState(
        kind=_kind(counts, bool(pairs)),
        activations=tuple(sorted(_activation_types(graph, constants))),
        weights=tuple(sorted(_weight_types(graph, constants, weights) - {"int32"})),
        is_per_channel=any(list(scale.dims) not in ([], [1]) for scale in scales)
        or _has_own_channels(graph, constants),
        quantized=quantized + special,
        total=len(weighted) + special,
    )


def _kind(counts: Counter[str], has_pairs: bool) -> str:
    if any(counts[name] for name in _OPERATOR_STYLE):
        return "qoperator"
    if has_pairs and (counts["QuantizeLinear"] or not any(counts[name] for name in _OWN_KINDS)):
        return "qdq"
    if any(counts[name] for name in _DYNAMIC):
        return "dynamic"
    return "weights" if any(counts[name] for name in _WEIGHT_ONLY) else "none"


def _reads_dequantized(node: onnx.NodeProto, producers: dict[str, onnx.NodeProto]) -> bool:
    weight = producers.get(node.input[1]) if len(node.input) > 1 else None
    return weight is not None and weight.op_type == "DequantizeLinear"


def _weight_types(
    graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto], dequantized: list[onnx.NodeProto]
) -> set[str]:
    """Dtypes of weights: behind a DequantizeLinear of `dequantized`, of integer operators, else float16 if so."""
    import onnx

    names = [node.input[0] for node in dequantized]
    names += [node.input[1] for node in graph.node if node.op_type in _DYNAMIC and len(node.input) > 1]
    numbers = {constants[name].data_type for name in names if name in constants}
    blocks = [
        entry.i
        for node in graph.node
        if node.op_type in _WEIGHT_ONLY
        for entry in node.attribute
        if entry.name == "bits"
    ]
    types = {onnx.TensorProto.DataType.Name(number).lower() for number in numbers} | {f"int{bits}" for bits in blocks}
    if types:
        return types
    floats = {constants[name].data_type for node in graph.node for name in node.input if name in constants}
    is_half = onnx.TensorProto.FLOAT16 in floats and onnx.TensorProto.FLOAT not in floats
    return {"float16"} if is_half else set()


def _has_own_channels(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> bool:
    """Whether an integer operator has a zero point per channel, or scales per block."""
    points = [node.input[3] for node in graph.node if node.op_type in _DYNAMIC and len(node.input) > 3]
    is_per_channel = any(list(constants[name].dims) not in ([], [1]) for name in points if name in constants)
    return is_per_channel or any(node.op_type in _WEIGHT_ONLY for node in graph.node)


def _activation_types(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> set[str]:
    import onnx

    types = set()
    for node in (node for node in graph.node if node.op_type == "QuantizeLinear"):
        point = [*node.input, ""][2]
        if point in constants:
            types.add(constants[point].data_type)
        elif not point:
            said = [entry.i for entry in node.attribute if entry.name == "output_dtype"]
            types.add(said[0] if said else onnx.TensorProto.UINT8)  # the standard's default
    if any(node.op_type == "DynamicQuantizeLinear" for node in graph.node):
        types.add(onnx.TensorProto.UINT8)  # the standard knows no other
    return {onnx.TensorProto.DataType.Name(number).lower() for number in types}
