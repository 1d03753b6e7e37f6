"""A Reshape of a Reshape as one; the merging and splitting of axes around a Transpose as one Transpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeopt.graph.rewrite.values import attribute_ints, constant_ints, lengths, only_reader

if TYPE_CHECKING:
    import onnx_ir as ir


def merge_reshapes(graph: ir.Graph) -> None:
    """Let, in place, each Reshape to constant lengths read what a Reshape before it reads."""
    for node in list(graph):
        if node.op_type != "Reshape" or node.domain != "" or 0 in (constant_ints(node.inputs[1]) or [0]):
            continue
        data = node.inputs[0]
        before = data.producer() if data is not None else None
        while before is not None and before.op_type in ("Reshape", "Flatten") and before.domain == "":
            node.replace_input_with(0, before.inputs[0])
            if not before.outputs[0].uses() and not before.outputs[0].is_graph_output():
                graph.remove(before, safe=True)
            data = node.inputs[0]
            before = data.producer() if data is not None else None


def merge_transposes(graph: ir.Graph) -> None:
    """Turn, in place, Reshape, Transpose, Reshape that swap the last two axes of four into one Transpose.

    torch writes attention's transposed keys so: (b, h, l, d) -> (b*h, l, d) -> (b*h, d, l) -> (b, h, d, l), with all
    lengths computed from the tensor's own shape.
    """
    import onnx_ir as ir

    for node in list(graph):
        if node.op_type != "Transpose" or attribute_ints(node, "perm") != [0, 2, 1]:
            continue
        first = node.inputs[0].producer() if node.inputs[0] is not None else None
        last = only_reader(node.outputs[0])
        if first is None or last is None or {first.op_type, last.op_type} != {"Reshape"}:
            continue
        if only_reader(first.outputs[0]) is not node or last.inputs[0] is not node.outputs[0]:
            continue
        data, result = first.inputs[0], last.outputs[0]
        whole, merged, split = lengths(data), lengths(first.outputs[0]), lengths(result)
        if data is None or whole is None or merged is None or split is None or "" in (*whole, *merged[1:], *split):
            continue
        if len(whole) != 4 or merged[1:] != whole[2:] or split != (*whole[:2], whole[3], whole[2]):
            continue
        node.replace_input_with(0, data)
        node.attributes.add(ir.AttrInt64s("perm", [0, 1, 3, 2]))
        ir.convenience.replace_all_uses_with(result, node.outputs[0], replace_graph_outputs=True)
        name, kind, shape = result.name, result.type, result.shape
        graph.remove([last], safe=True)
        graph.remove([first], safe=True)
        node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = name, kind, shape
