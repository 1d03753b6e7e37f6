"""What a network costs to run once: multiply-accumulates, parameters, weight bytes.

A multiply-accumulate (MAC) is counted for each product that is summed, as MLPerf Tiny and most papers do; a bias, a
norm folded into a convolution, an activation or a pooling counts none. Attention counts its two products of matrices,
masked or not.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.classic import classic_bytes, classic_macs, classic_parameters, is_classic
from edgeopt.graph.fold import folded
from edgeopt.graph.lifetimes import peak_activation_bytes
from edgeopt.graph.shapes import TensorType, bind_free_axes, tensor_types, type_of_tensor
from edgeopt.graph.subgraphs import names_read, subgraphs

if TYPE_CHECKING:
    import onnx

Types = dict[str, TensorType]
_QUANTIZATION_OPERATORS = ("QuantizeLinear", "DequantizeLinear")
_ONNX_DOMAINS = ("", "ai.onnx")
# Operators of a runtime's own domain that multiply and sum: com.microsoft has FusedConv, MatMulNBits, QAttention, MoE.
_FOREIGN_PRODUCTS = re.compile(r"Attention|Conv(?!ert)|Gemm|MatMul|LSTM|GRU|RNN|MoE|Einsum")
_SCALING_OPERATORS = ("Mul", "Div", "Pow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one inference at batch 1.

    Attributes:
        macs: Multiply-accumulates.
        parameters: Elements of all weights, those of MatMulNBits as before they were packed. Not counted: scales and
            zero points of quantization, and single numbers of a formula, such as the limits of Clip or the scale of
            attention.
        weight_bytes: Bytes of all constants; of classic machine learning, of its learned numbers.
        activation_peak_bytes: Most bytes of activations that are alive at once, by tensor lifetimes.
        unknown: Nodes whose multiply-accumulates are not counted: for want of shapes, inside a branch or a loop, or
            products of an operator that ONNX does not define. Where there are any, the figures are lower bounds.
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

    None where its shapes are not known, for a branch or a loop with products inside, and for products of an operator
    that ONNX does not define.
    """
    if any(_has_products(graph) for graph in subgraphs(node)):
        return None
    if is_classic(node):
        return classic_macs(node)
    if not _is_product(node):
        return 0
    if node.domain not in _ONNX_DOMAINS:
        return _packed_product(node, types)
    names = (node.input[0], node.input[_weight_index(node)], node.output[0])
    if any(name not in types or types[name].shape is None for name in names):
        return None
    return MAC_RULES[node.op_type](node, types)


def _has_products(graph: onnx.GraphProto) -> bool:
    return any(_is_product(node) or any(_has_products(inner) for inner in subgraphs(node)) for node in graph.node)


def _is_product(node: onnx.NodeProto) -> bool:
    if node.domain not in _ONNX_DOMAINS:
        return _FOREIGN_PRODUCTS.search(node.op_type) is not None
    return node.op_type in MAC_RULES


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


def _packed_product(node: onnx.NodeProto, types: Types) -> int | None:
    """Elements of the input, each times the columns of a MatMulNBits; None for another operator of a foreign domain."""
    columns = _packed_shape(node)[1]
    data = types.get(node.input[0])
    return data.elements * columns if columns and data is not None and data.shape is not None else None


def _packed_shape(node: onnx.NodeProto) -> tuple[int, int]:
    """(rows, columns) of the weight that a MatMulNBits has packed; zeros for another operator."""
    if node.op_type != "MatMulNBits":
        return 0, 0
    found = {attribute.name: attribute.i for attribute in node.attribute}
    return found.get("K", 0), found.get("N", 0)


def _recurrent(node: onnx.NodeProto, types: Types) -> int:
    """Steps x batch x (elements of W + elements of R); X is (step, batch, feature)."""
    steps, batch, _ = types[node.input[0]].shape or (0, 0, 0)
    recurrence = types.get(node.input[2])
    return steps * batch * (types[node.input[1]].elements + (recurrence.elements if recurrence else 0))


def _attention(node: onnx.NodeProto, types: Types) -> int | None:
    """Elements of query and output, each a sum over the keys, those of the past among them, or of their length.

    Query and output are (batch, head, position, depth) or (batch, position, head x depth), keys alike.
    """
    query, output = types[node.input[0]], types[node.output[0]]
    past = [name for name in node.input[4:5] if name]
    shapes = [types[name].shape if name in types else None for name in (node.input[1], *past)]
    if None in shapes:
        return None
    return (query.elements + output.elements) * sum(shape[-2] for shape in shapes if shape)


def _einsum(node: onnx.NodeProto, types: Types) -> int | None:
    """The product of the lengths of all axes, where two operands are multiplied and an axis is summed.

    None for an equation with `...`, and for three operands or more, whose order of products is the runtime's choice.
    """
    equation = next(attribute.s.decode() for attribute in node.attribute if attribute.name == "equation")
    terms, arrow, result = equation.replace(" ", "").partition("->")
    if "." in equation or len(node.input) > 2:
        return None
    pairs = zip(terms.split(","), node.input, strict=True)
    axes = {axis: length for term, name in pairs for axis, length in zip(term, types[name].shape or (), strict=True)}
    kept = set(result) if arrow else {axis for axis in axes if terms.count(axis) == 1}
    return _product(tuple(axes.values()), start=0) if len(node.input) == 2 and set(axes) - kept else 0


def _weight_index(node: onnx.NodeProto) -> int:
    """Which input, besides the first, a rule needs the shape of."""
    if node.op_type == "QLinearConv":
        return 3
    return 0 if len(node.input) == 1 else 1


def _product(shape: tuple[int, ...] | None, *, start: int) -> int:
    return int(np.prod((shape or ())[start:], dtype=np.int64))


MAC_RULES: dict[str, Callable[[onnx.NodeProto, Types], int | None]] = {
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
    "Attention": _attention,
    "Einsum": _einsum,
}


def _weights(model: onnx.ModelProto) -> tuple[int, int]:
    """(elements of weights, bytes of all constants) of the main graph."""
    constants = _constants(model.graph)
    scales = {name for node in model.graph.node if node.op_type in _QUANTIZATION_OPERATORS for name in node.input[1:]}
    packed = {node.input[1]: math.prod(_packed_shape(node)) for node in model.graph.node if any(_packed_shape(node))}
    scales |= {name for node in model.graph.node if any(_packed_shape(node)) for name in node.input[2:4]}
    numbers = _numbers_of_formulas(model.graph, constants)
    weights = [
        tensor
        for name, tensor in constants.items()
        if tensor.dtype not in ("int64", "bool") and name not in scales | numbers
    ]
    elements = sum(t.elements for t in weights) - sum(constants[name].elements for name in packed)
    classic = [node for node in model.graph.node if is_classic(node)]
    parameters = elements + sum(packed.values()) + sum(map(classic_parameters, classic))
    return parameters, sum(t.size_bytes for t in constants.values()) + sum(map(classic_bytes, classic))


def _numbers_of_formulas(graph: onnx.GraphProto, constants: Types) -> set[str]:
    """Single numbers that are no weights: those without an axis, and those that nothing does but scale."""
    read = {name for node in graph.node if node.op_type not in _SCALING_OPERATORS for name in names_read(node)}
    return {name for name, t in constants.items() if t.shape == () or (t.elements == 1 and name not in read)}


def _constants(graph: onnx.GraphProto) -> Types:
    nodes = (node for node in graph.node if node.op_type == "Constant")
    values = {node.output[0]: entry.t for node in nodes for entry in node.attribute if entry.name == "value"}
    tensors = {tensor.name: tensor for tensor in graph.initializer} | values
    return {name: type_of_tensor(tensor) for name, tensor in tensors.items()}
