"""Matrix products with a constant weight: what the schemes for transformers and dense networks work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.steps.quantize.place import constant, node_name

if TYPE_CHECKING:
    import onnx_ir as ir

CONVOLUTIONS = ("Conv", "ConvTranspose")
_INSIDE = "it lies inside a branch or a loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The matrix products of a graph.

    Attributes:
        nodes: MatMul nodes whose second input is a constant (row, column) float32 matrix.
        tables: Gather nodes that take rows of a constant (row, column) float32 matrix: embeddings.
        kept_float: Name of another node with weights, or of a product of activations -> why it stays float.
    """

    nodes: tuple[ir.Node, ...]
    tables: tuple[ir.Node, ...]
    kept_float: dict[str, str] = field(default_factory=dict)


def find_products(graph: ir.Graph, *, convolution_reason: str) -> Products:
    """The products of `graph`, with each Gemm that has a constant weight split, in place, into MatMul and Add.

    Args:
        graph: The folded graph.
        convolution_reason: Why convolutions stay float.
    """
    import onnx_ir as ir

    names = Names(graph)
    kept_float: dict[str, str] = {}
    nodes: list[ir.Node] = []
    for node in list(graph):
        if node.op_type == "Gemm" and node.domain in ("", "ai.onnx"):
            reason = _gemm_reason(node)
            if reason:
                kept_float[node_name(node)] = reason
            else:
                nodes.append(_split_gemm(graph, node, names))
        elif node.op_type == "MatMul" and node.domain in ("", "ai.onnx"):
            reason = _matmul_reason(node)
            if reason:
                kept_float[node_name(node)] = reason
            else:
                nodes.append(node)
        elif node.op_type in CONVOLUTIONS:
            kept_float[node_name(node)] = convolution_reason
    for node in ir.traversal.RecursiveGraphIterator(graph):
        if node.graph is not graph and node.op_type in ("MatMul", "Gemm", *CONVOLUTIONS):
            kept_float[node_name(node)] = _INSIDE
    return Products(nodes=tuple(nodes), tables=_tables(graph), kept_float=kept_float)


class Names:
    """Names of values and nodes, which must stay unique in the whole graph."""

    def __init__(self, graph: ir.Graph) -> None:
        """Take the names that `graph` and the graphs inside it use."""
        import onnx_ir as ir

        nodes = list(ir.traversal.RecursiveGraphIterator(graph))
        graphs = {id(node.graph): node.graph for node in nodes if node.graph is not None} | {id(graph): graph}
        self._taken = {str(output.name) for node in nodes for output in node.outputs}
        self._taken |= {str(node.name) for node in nodes}
        for inner in graphs.values():
            self._taken |= set(inner.initializers) | {str(value.name) for value in inner.inputs}

    def free(self, name: str) -> str:
        """`name`, with a number behind it where it is taken; it is taken from now on."""
        candidate, number = name, 1
        while candidate in self._taken:
            candidate, number = f"{name}_{number}", number + 1
        self._taken.add(candidate)
        return candidate


def add_constant(graph: ir.Graph, names: Names, name: str, array: Any) -> ir.Value:
    """A new constant of the graph under a free name; `array` is a NumPy array or a tensor of `onnx_ir`."""
    import onnx_ir as ir

    tensor = array if isinstance(array, ir.TensorProtocol) else ir.tensor(np.ascontiguousarray(array))
    value = ir.Value(name=names.free(name), const_value=tensor)
    tensor.name = value.name
    value.type, value.shape = ir.TensorType(tensor.dtype), ir.Shape(tensor.shape.numpy())
    graph.register_initializer(value)
    return value


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


def _shape(value: ir.Value) -> tuple[int, ...]:
    return tuple(value.const_value.shape.numpy()) if value.const_value is not None else ()


def _matmul_reason(node: ir.Node) -> str:
    data, weight = node.inputs[0], node.inputs[1]
    if data is None or weight is None or constant(data):
        return "its input is a constant"
    if not constant(weight):
        return "it multiplies activations by activations"
    return _matrix_reason(weight)


def _gemm_reason(node: ir.Node) -> str:
    reason = _matmul_reason(node)
    if reason:
        return reason.replace("it multiplies activations by activations", "its weight is not a constant")
    if _attribute(node, "transA", 0):
        return "its input is transposed"
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and not constant(bias) and abs(_attribute(node, "beta", 1.0) - 1.0) > 0:
        return "its beta scales a bias that is not a constant"
    return ""


def _matrix_reason(weight: ir.Value) -> str:
    if len(_shape(weight)) != 2:
        return f"its weight has {len(_shape(weight))} axes, the kernel takes 2"
    if weight.const_value is None or weight.const_value.dtype.name != "FLOAT":
        return "its weight is not float32"
    if not np.isfinite(array_of(weight)).all():
        return "its weight holds NaN or infinity"
    return "" if min(_shape(weight)) > 0 else "its weight is empty"


def _attribute(node: ir.Node, name: str, default: float) -> float:
    return float(node.attributes[name].value) if name in node.attributes else default


def _split_gemm(graph: ir.Graph, node: ir.Node, names: Names) -> ir.Node:
    """Write alpha * A @ B + beta * C as MatMul and Add; alpha and beta go into the constants. Gives the MatMul."""
    import onnx_ir as ir

    data, weight = node.inputs[0], node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    assert weight is not None
    alpha, beta = _attribute(node, "alpha", 1.0), _attribute(node, "beta", 1.0)
    name = node_name(node)
    if _attribute(node, "transB", 0) or alpha != 1.0:
        values = array_of(weight)
        values = values.T if _attribute(node, "transB", 0) else values
        weight = add_constant(graph, names, f"{weight.name}_matrix", (values * np.float32(alpha)).astype(np.float32))
    if bias is not None and beta != 1.0:
        bias = add_constant(graph, names, f"{bias.name}_scaled", (array_of(bias) * np.float32(beta)).astype(np.float32))
    output = node.outputs[0]
    product = ir.node("MatMul", [data, weight], name=names.free(f"{name}_MatMul"))
    made = [product]
    product.outputs[0].type = output.type
    product.outputs[0].shape = output.shape
    product.outputs[0].name = names.free(f"{output.name}_product")
    if bias is not None:
        made.append(ir.node("Add", [product.outputs[0], bias], name=names.free(f"{name}_Add")))
    last = made[-1].outputs[0]
    last.type, last.shape = output.type, output.shape
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(output, last, replace_graph_outputs=True)
    last.name, output.name = output.name, None
    graph.remove(node, safe=True)
    return product


def _tables(graph: ir.Graph) -> tuple[ir.Node, ...]:
    """Gather nodes over tables that nothing but such nodes reads."""
    found = [node for node in graph if node.op_type == "Gather" and node.domain in ("", "ai.onnx") and _is_table(node)]
    return tuple(
        node
        for node in found
        if node.inputs[0] is not None and all(use.node in found and use.idx == 0 for use in node.inputs[0].uses())
    )


def _is_table(node: ir.Node) -> bool:
    table = node.inputs[0]
    if table is None or not constant(table) or table.is_graph_output() or _attribute(node, "axis", 0) != 0:
        return False
    return not _matrix_reason(table)
