"""Graphs inside nodes as nodes of the graph around them: names of their own, and what they take from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx


def given_names(body: onnx.GraphProto, names: list[str]) -> dict[str, str]:
    """Name outside per input of a graph."""
    return {value.name: name for value, name in zip(body.input, names, strict=True)}


def with_names(node: onnx.NodeProto, names: dict[str, str], prefix: str) -> onnx.NodeProto:
    """A copy of a node whose values are called otherwise, those that its graphs take from outside too."""
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{prefix}{node.name or node.op_type}"
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    for graph in subgraphs(copy):
        _rename_outer(graph, names)
    return copy


def _rename_outer(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename, in place, what a graph takes from outside."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    outer = {old: new for old, new in names.items() if old not in own}
    for node in graph.node:
        node.input[:] = [outer.get(name, name) for name in node.input]
        for inner in subgraphs(node):
            _rename_outer(inner, outer)
    for value in graph.output:
        value.name = outer.get(value.name, value.name)


def fixed_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Shape per value that has a fixed one."""
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(axis.HasField("dim_value") for axis in tensor.shape.dim):
            found[value.name] = tuple(axis.dim_value for axis in tensor.shape.dim)
    return found
