"""Outputs that a Split leaves out given names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def name_split_outputs(graph: onnx.GraphProto) -> None:
    """Name, in place, every output that a Split leaves empty: ONNX Runtime 1.32 crashes when it runs such a node."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken |= {value.name for value in (*graph.input, *graph.initializer)}
    for number, node in enumerate(graph.node):
        for position, name in enumerate(node.output):
            if node.op_type == "Split" and not name:
                made = f"split_{number}_{position}"
                while made in taken:
                    made += "_"
                node.output[position] = made
