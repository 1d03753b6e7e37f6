"""Means over the whole image as GlobalAveragePool, which has an integer kernel; ReduceMean has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeopt.graph.rewrite.values import attribute_ints, constant_ints, replace_node

if TYPE_CHECKING:
    import onnx_ir as ir


def pool_means(graph: ir.Graph) -> None:
    """Turn, in place, each ReduceMean over all spatial axes into GlobalAveragePool.

    torch writes `x.mean((2, 3))` and `AdaptiveAvgPool2d(1)` as ReduceMean. Without the reduced axes in the result
    (keepdims=0) a Flatten follows.
    """
    import onnx_ir as ir

    for node in list(graph):
        data = node.inputs[0] if node.op_type == "ReduceMean" and node.domain == "" else None
        if data is None or data.shape is None or data.dtype != ir.DataType.FLOAT:
            continue
        rank = len(data.shape)
        axes = _axes(node)
        if rank < 3 or axes is None or sorted(axis % rank for axis in axes) != list(range(2, rank)):
            continue
        keeps = "keepdims" not in node.attributes or node.attributes["keepdims"].as_int() == 1
        pool = ir.node("GlobalAveragePool", [data], name=node.name)
        pool.outputs[0].type = node.outputs[0].type
        pool.outputs[0].shape = ir.Shape([*data.shape[:2], *[1] * (rank - 2)])
        if keeps:
            replace_node(graph, node, [pool])
        else:
            pool.outputs[0].name = f"{node.outputs[0].name}_pooled"
            replace_node(graph, node, [pool, ir.node("Flatten", [pool.outputs[0]], name=f"{node.name}_Flatten")])


def _axes(node: ir.Node) -> list[int] | None:
    """The axes that are reduced; None where they are computed or left out."""
    return constant_ints(node.inputs[1]) if len(node.inputs) > 1 else attribute_ints(node, "axes")
