"""What a network costs to run once: multiply-accumulates, parameters, weight bytes.

A multiply-accumulate (MAC) is counted for each product that is summed, as MLPerf Tiny and most papers do; a bias, a
norm folded into a convolution, an activation or a pooling counts none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.fold import folded
from edgeopt.graph.lifetimes import peak_activation_bytes
from edgeopt.graph.shapes import TensorType, bind_free_axes, tensor_types, type_of_tensor
from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx

Types = dict[str, TensorType]
_QUANTIZATION_OPERATORS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one inference at batch 1.

    Attributes:
        macs: Multiply-accumulates.
        parameters: Elements of all weights (scales and zero points of quantization are not counted).
        weight_bytes: Bytes of all constants.
        activation_peak_bytes: Most bytes of activations that are alive at once, by tensor lifetimes.
        unknown: Nodes whose multiply-accumulates are not counted, for want of shapes or because they are inside a
            branch or a loop; where there are any, the figures are lower bounds.
    """

    macs: int
    parameters: int
    weight_bytes: int
    activation_peak_bytes: int
    unknown: tuple[str, ...] = ()


def cost_of(model: onnx.ModelProto, *, where: str) -> Cost:
    """Cost of a model that `load_onnx` read, with free axes bound to 1.

    Raises:
        InputError: ONNX Runtime does not take the model.
    """
    import onnx

    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    bind_free_axes(bound)
    graph_model = folded(bound, where=where)
    types = tensor_types(graph_model)
    macs = {node.name or node.output[0]: node_macs(node, types) for node in graph_model.graph.node}
    parameters, weight_bytes = _weights(model)
    return Cost(
        macs=sum(count for count in macs.values() if count),
        parameters=parameters,
        weight_bytes=weight_bytes,
        activation_peak_bytes=peak_activation_bytes(graph_model.graph, types),
        unknown=tuple(name for name, count in macs.items() if count is None),
    )


def operators_of(model: onnx.ModelProto) -> dict[str, int]:
    """Number of nodes per operator, the most frequent first; operators of other domains carry their domain."""
    names = (f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in model.graph.node)
    return dict(Counter(names).most_common())


def node_macs(node: onnx.NodeProto, types: Types) -> int | None:
    """Multiply-accumulates of one node; 0 for an operator that has none.

    None where its shapes are not known, and for a branch or a loop with products inside.
    """
    if any(_has_products(graph) for graph in subgraphs(node)):
        return None
    rule = MAC_RULES.get(node.op_type)
    if rule is None:
        return 0
    names = (node.input[0], node.input[_weight_index(node)], node.output[0])
    if any(name not in types or types[name].shape is None for name in names):
        return None
    return rule(node, types)


def _has_products(graph: onnx.GraphProto) -> bool:
    return any(
        node.op_type in MAC_RULES or any(_has_products(inner) for inner in subgraphs(node)) for node in graph.node
    )


def _convolution(node: onnx.NodeProto, types: Types) -> int:
    """Output elements, each a sum over (input channels / group) x kernel."""
    weight = types[node.input[_weight_index(node)]]
    return types[node.output[0]].elements * _product(weight.shape, start=1)


def _transposed_convolution(node: onnx.NodeProto, types: Types) -> int:
    """Input elements, each spread over (output channels / group) x kernel."""
    return types[node.input[0]].elements * _product(types[node.input[1]].shape, start=1)


def _matrix_product(node: onnx.NodeProto, types: Types) -> int:
    """Output elements, each a sum over the shared axis."""
    first = types[node.input[0]].shape or (1,)
    is_transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return types[node.output[0]].elements * (first[0] if is_transposed and len(first) == 2 else first[-1])


def _recurrent(node: onnx.NodeProto, types: Types) -> int:
    """Steps x batch x (elements of W + elements of R); X is (step, batch, feature)."""
    steps, batch, _ = types[node.input[0]].shape or (0, 0, 0)
    recurrence = types.get(node.input[2])
    return steps * batch * (types[node.input[1]].elements + (recurrence.elements if recurrence else 0))


def _weight_index(node: onnx.NodeProto) -> int:
    return 3 if node.op_type == "QLinearConv" else 1


def _product(shape: tuple[int, ...] | None, *, start: int) -> int:
    return int(np.prod((shape or ())[start:], dtype=np.int64))


MAC_RULES: dict[str, Callable[[onnx.NodeProto, Types], int]] = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "QLinearConv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _matrix_product,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearMatMul": _matrix_product,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}


def _weights(model: onnx.ModelProto) -> tuple[int, int]:
    """(elements of weights, bytes of all constants) of the main graph."""
    constants = _constants(model.graph)
    scales = {name for node in model.graph.node if node.op_type in _QUANTIZATION_OPERATORS for name in node.input[1:]}
    weights = [t for name, t in constants.items() if t.dtype not in ("int64", "bool") and name not in scales]
    return sum(t.elements for t in weights), sum(t.size_bytes for t in constants.values())


def _constants(graph: onnx.GraphProto) -> Types:
    nodes = (node for node in graph.node if node.op_type == "Constant")
    values = {node.output[0]: entry.t for node in nodes for entry in node.attribute if entry.name == "value"}
    tensors = {tensor.name: tensor for tensor in graph.initializer} | values
    return {name: type_of_tensor(tensor) for name, tensor in tensors.items()}
