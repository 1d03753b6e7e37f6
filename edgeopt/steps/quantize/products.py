"""Matrix products with a constant weight: what the schemes for transformers and dense networks work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.errors import Unsupported
from edgeopt.graph.rewrite.values import free_value_name, new_constant, replace_node
from edgeopt.steps.quantize.placement.place import constant, known_nodes, node_name

if TYPE_CHECKING:
    import onnx_ir as ir

_DOMAINS = ("", "ai.onnx")
_CONVOLUTIONS = ("Conv", "ConvTranspose")
_INSIDE = "it lies inside a branch or a loop"
_OF_ACTIVATIONS = "it multiplies activations by activations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The matrix products of a graph.

    Attributes:
        nodes: MatMul nodes whose second input is a constant (row, column) float32 matrix.
        kept_float: Name of another node with weights, or of a product of activations -> why it stays float.
    """

    nodes: tuple[ir.Node, ...]
    kept_float: dict[str, str] = field(default_factory=dict)


def find_products(graph: ir.Graph, *, convolution_reason: str, keep_float: Mapping[str, str] | None = None) -> Products:
    """The products of `graph`, with each Gemm that has a constant weight split, in place, into MatMul and Add.

    Args:
        graph: The folded graph.
        convolution_reason: Why convolutions stay float.
        keep_float: Name of a node -> why it stays float whatever it is.

    Raises:
        InputError: `keep_float` names a node that the graph has not.
    """
    import onnx_ir as ir

    asked = known_nodes(graph, keep_float or {})
    kept_float: dict[str, str] = {}
    nodes: list[ir.Node] = []
    for node in list(graph):
        if node.domain not in _DOMAINS or node.op_type not in ("MatMul", "Gemm", *_CONVOLUTIONS):
            continue
        reason = asked.get(node_name(node)) or (convolution_reason if node.op_type in _CONVOLUTIONS else _reason(node))
        if reason:
            kept_float[node_name(node)] = reason
        else:
            nodes.append(_split_gemm(graph, node) if node.op_type == "Gemm" else node)
    for node in ir.traversal.RecursiveGraphIterator(graph):
        if node.graph is not graph and node.op_type in ("MatMul", "Gemm", *_CONVOLUTIONS):
            kept_float[node_name(node)] = _INSIDE
    return Products(nodes=tuple(nodes), kept_float=kept_float)


def nothing_to_do(products: Products, source: Path, what: str) -> Unsupported:
    """The refusal of a model without products.

    Args:
        products: What was found.
        source: The model's file.
        what: What nothing in it does, as in `runs on 4-bit weights`.
    """
    first = next((f" (`{node}`: {why})" for node, why in products.kept_float.items()), "")
    return Unsupported(
        f"nothing in `{source}` {what}: it has no MatMul or Gemm with a constant weight{first}",
        hint="`--scheme int8` quantizes convolutions; `edgeopt inspect` lists the operators",
    )


def drop_unused_constants(graph: ir.Graph) -> None:
    """Take constants that nothing reads off the graph."""
    for name in [name for name, value in graph.initializers.items() if not value.uses()]:
        if not graph.initializers[name].is_graph_output():
            del graph.initializers[name]


def array_of(value: ir.Value | None) -> Any:
    """The array in a constant."""
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()


def _reason(node: ir.Node) -> str:
    """Why a MatMul or Gemm stays float; empty where it need not."""
    data, weight = node.inputs[0], node.inputs[1]
    if data is None or weight is None or constant(data):
        return "its input is a constant"
    if not constant(weight):
        return _OF_ACTIVATIONS if node.op_type == "MatMul" else "its weight is not a constant"
    return _matrix_reason(weight) or (_gemm_reason(node) if node.op_type == "Gemm" else "")


def _matrix_reason(weight: ir.Value) -> str:
    values = array_of(weight)
    if values.ndim != 2:
        return f"its weight has {values.ndim} axes, the kernel takes 2"
    if values.dtype != np.float32:
        return "its weight is not float32"
    return "" if values.size else "its weight is empty"


def _gemm_reason(node: ir.Node) -> str:
    if _attribute(node, "transA", 0):
        return "its input is transposed"
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    is_scaled = abs(_attribute(node, "beta", 1.0) - 1.0) > 0
    return (
        "its beta scales a bias that is not a constant" if bias is not None and is_scaled and not constant(bias) else ""
    )


def _attribute(node: ir.Node, name: str, default: float) -> float:
    return float(node.attributes[name].value) if name in node.attributes else default


def _split_gemm(graph: ir.Graph, node: ir.Node) -> ir.Node:
    """Write alpha * A @ B + beta * C as MatMul and Add; alpha and beta go into the constants. Gives the MatMul."""
    import onnx_ir as ir

    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    alpha, beta = np.float32(_attribute(node, "alpha", 1.0)), np.float32(_attribute(node, "beta", 1.0))
    is_transposed = bool(_attribute(node, "transB", 0))
    assert weight is not None
    if is_transposed or alpha != 1:
        values = array_of(weight).T if is_transposed else array_of(weight)
        weight = new_constant(graph, f"{weight.name}_matrix", values * alpha)
    if bias is not None and beta != 1:
        bias = new_constant(graph, f"{bias.name}_scaled", array_of(bias) * beta)
    name, output = node_name(node), node.outputs[0]
    product = ir.node("MatMul", [node.inputs[0], weight], name=f"{name}_MatMul" if bias is not None else name)
    if bias is None:
        replace_node(graph, node, [product])
        return product
    product.outputs[0].name = free_value_name(graph, f"{output.name}_product")
    product.outputs[0].type, product.outputs[0].shape = output.type, output.shape
    replace_node(graph, node, [product, ir.node("Add", [product.outputs[0], bias], name=name)])
    return product
