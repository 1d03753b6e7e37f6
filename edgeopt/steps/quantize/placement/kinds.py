"""Operators that run on integers, and what is asked of their nodes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


class Kind(StrEnum):
    """How ONNX Runtime runs an operator on integers."""

    WEIGHTED = "weighted"  # activations times weights
    COMPUTED = "computed"  # an integer kernel with a scale of its own for the output
    CARRIED = "carried"  # moves or selects values: input and output share a scale
    ABSORBED = "absorbed"  # a clamp that the range of its producer's output already performs


# Operators for which ONNX Runtime's CPU provider fuses quantize/dequantize pairs into an integer kernel
# (onnxruntime/core/optimizer/qdq_transformer, 1.32).
KINDS: dict[str, Kind] = {
    "Conv": Kind.WEIGHTED,
    "Gemm": Kind.WEIGHTED,
    "MatMul": Kind.WEIGHTED,
    "Add": Kind.COMPUTED,
    "Mul": Kind.COMPUTED,
    "AveragePool": Kind.COMPUTED,
    "GlobalAveragePool": Kind.COMPUTED,
    "Concat": Kind.COMPUTED,
    "LeakyRelu": Kind.COMPUTED,
    "Sigmoid": Kind.COMPUTED,
    "MaxPool": Kind.CARRIED,
    "Reshape": Kind.CARRIED,
    "Flatten": Kind.CARRIED,
    "Transpose": Kind.CARRIED,
    "Squeeze": Kind.CARRIED,
    "Unsqueeze": Kind.CARRIED,
    "Slice": Kind.CARRIED,
    "Split": Kind.CARRIED,
    "Relu": Kind.ABSORBED,
    "Clip": Kind.ABSORBED,
}


def node_name(node: ir.Node) -> str:
    """The node's name, or that of its first output that has one."""
    return node.name or next((str(output.name) for output in node.outputs if output.name), node.op_type)


def constant(value: ir.Value | None) -> bool:
    """Whether a value is a weight or another constant of the graph."""
    return value is not None and value.const_value is not None


def channel_axis(node: ir.Node) -> int:
    """Axis of output channels in the weight of a Conv, Gemm or MatMul."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm" and "transB" in node.attributes and node.attributes["transB"].as_int():
        return 0
    return 1


def result_of(node: ir.Node) -> ir.Value:
    """The tensor that carries a node's result: behind the Relu or Clip that only this node feeds."""
    output = node.outputs[0]
    uses = list(output.uses())
    if len(uses) == 1 and not output.is_graph_output() and _is_clamp_around_zero(uses[0].node):
        return uses[0].node.outputs[0]
    return output


def _is_clamp_around_zero(node: ir.Node) -> bool:
    """Whether a node clamps to a fixed range that holds zero, as every quantized range does."""
    if KINDS.get(node.op_type) is not Kind.ABSORBED or node.op_type == "Relu":
        return node.op_type == "Relu"
    low, high = (_scalar(node.inputs[index]) if len(node.inputs) > index else 0.0 for index in (1, 2))
    return low is not None and high is not None and low <= 0.0 <= high


def _scalar(value: ir.Value | None) -> float | None:
    """The number in a constant; 0 for a bound that is left out, None for one that is computed."""
    if value is None:
        return 0.0
    return float(value.const_value.numpy().reshape(-1)[0]) if value.const_value is not None else None


def group_of(node: ir.Node) -> int:
    """Groups of a convolution."""
    return int(node.attributes["group"].as_int()) if "group" in node.attributes else 1
