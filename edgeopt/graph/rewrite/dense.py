"""A matrix product and its bias over many axes as Gemm over two, whose integer kernel adds the bias itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.graph.rewrite.values import constant_array, lengths, new_constant, only_reader, put_before, replace_node

if TYPE_CHECKING:
    import onnx_ir as ir


def merge_biases(graph: ir.Graph) -> None:
    """Turn, in place, each MatMul by a constant matrix with a bias behind it into Reshape, Gemm, Reshape.

    ONNX Runtime merges the two itself where the input has two axes. With more, as in transformers, it leaves the bias
    to an Add over floats. Needs at most one free axis in the input, since Reshape takes one unknown length.
    """
    import onnx_ir as ir

    rows: dict[ir.Value, ir.Value] = {}
    for node in list(graph):
        found = _biased(node)
        if found is None:
            continue
        data, weight, bias, add = found
        leading = lengths(data)
        assert leading is not None
        if data not in rows:
            rows[data] = _as_rows(graph, node, data, weight.shape[0])
        constants = [new_constant(graph, f"{add.name}_bias", bias)]
        name, node.name = node.name, f"{node.name}_replaced"
        gemm = ir.node("Gemm", [rows[data], node.inputs[1], *constants], name=name)
        gemm.outputs[0].name, gemm.outputs[0].type = f"{add.outputs[0].name}_rows", add.outputs[0].type
        gemm.outputs[0].shape = ir.Shape([None, weight.shape[1]])
        sizes = [length if isinstance(length, int) else -1 for length in leading[:-1]]
        target = new_constant(graph, f"{add.name}_shape", np.array([*sizes, weight.shape[1]], np.int64))
        replace_node(graph, add, [gemm, ir.node("Reshape", [gemm.outputs[0], target], name=f"{name}_Reshape")])
        graph.remove(node, safe=True)


def _biased(node: ir.Node) -> tuple[ir.Value, Any, Any, ir.Node] | None:
    """Input, (in, out) weight and (out,) bias of a MatMul, and the Add behind it; None where it does not fit."""
    data = node.inputs[0] if node.op_type == "MatMul" and node.domain == "" else None
    weight = constant_array(node.inputs[1]) if data is not None else None
    axes = lengths(data)
    if data is None or weight is None or weight.ndim != 2 or weight.dtype != np.float32 or axes is None:
        return None
    add = only_reader(node.outputs[0])
    if len(axes) < 3 or sum(not isinstance(axis, int) for axis in axes[:-1]) > 1 or 0 in axes:
        return None
    if add is None or add.op_type != "Add" or add.domain != "":
        return None
    bias = constant_array(next((value for value in add.inputs if value is not node.outputs[0]), None))
    if bias is None or bias.size not in (1, weight.shape[1]) or bias.ndim > len(axes):
        return None
    if bias.ndim and bias.shape[-1] != bias.size:
        return None
    return data, weight, np.broadcast_to(bias.reshape(-1), weight.shape[1:]).astype(np.float32), add


def _as_rows(graph: ir.Graph, node: ir.Node, data: ir.Value, width: int) -> ir.Value:
    """`data` as (row, `width`); taken from before a Reshape that only this serves."""
    import onnx_ir as ir

    target = new_constant(graph, f"{data.name}_rows_shape", np.array([-1, width], np.int64))
    reshape = ir.node("Reshape", [data, target], name=f"{data.name}_rows_Reshape")
    value = reshape.outputs[0]
    value.name, value.type, value.shape = f"{data.name}_rows", data.type, ir.Shape([None, width])
    put_before(graph, node, reshape)
    return value
