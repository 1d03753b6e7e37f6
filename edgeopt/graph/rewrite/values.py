"""Questions to the values of a graph, and a node put in the place of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir


def constant_array(value: ir.Value | None) -> Any:
    """The array of a constant; None for what is computed, or may be fed."""
    return value.const_value.numpy() if value is not None and value.const_value is not None else None


def constant_scalar(value: ir.Value | None) -> float | None:
    """The number in a constant of one element; None for any other value."""
    array = constant_array(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def constant_ints(value: ir.Value | None) -> list[int] | None:
    """The integers in a constant; None for what is computed."""
    array = constant_array(value)
    return None if array is None else [int(number) for number in array.reshape(-1)]


def attribute_ints(node: ir.Node, key: str) -> list[int] | None:
    """The integers of an attribute; None where the node has none of that name."""
    return [int(number) for number in node.attributes[key].as_ints()] if key in node.attributes else None


def lengths(value: ir.Value | None) -> tuple[int | str, ...] | None:
    """Length per axis, a name where the axis is free and `""` where it has none; None where the rank is unknown."""
    if value is None or value.shape is None:
        return None
    return tuple(axis if isinstance(axis, int) else axis.value or "" for axis in value.shape)


def only_reader(value: ir.Value) -> ir.Node | None:
    """The node that alone reads a value; None where several do, or where it is an output of the graph."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def new_constant(graph: ir.Graph, name: str, array: Any) -> ir.Value:
    """A constant of `graph`, called `name` or, where that is taken, with a number behind it."""
    import onnx_ir as ir

    free = free_value_name(graph, name)
    value = ir.Value(name=free, const_value=ir.tensor(np.asarray(array, order="C"), name=free))
    assert value.const_value is not None
    value.type = ir.TensorType(value.const_value.dtype)
    value.shape = ir.Shape(np.shape(array))
    graph.register_initializer(value)
    return value


def free_value_name(graph: ir.Graph, name: str) -> str:
    """`name` for a value, with a number behind it where the graph has that name already."""
    import onnx_ir as ir

    taken = {str(output.name) for node in ir.traversal.RecursiveGraphIterator(graph) for output in node.outputs}
    return _free(name, taken | set(graph.initializers) | {str(value.name) for value in graph.inputs})


def name_nodes(graph: ir.Graph) -> None:
    """Give, in place, each node of the main graph without a name that of its first output, by which it is called."""
    import onnx_ir as ir

    names = {str(found.name) for found in ir.traversal.RecursiveGraphIterator(graph)}
    for node in graph:
        if not node.name:
            node.name = _free(str(node.outputs[0].name), names)
            names.add(node.name)


def put_before(graph: ir.Graph, anchor: ir.Node, node: ir.Node) -> None:
    """Insert a node before another one; where its names are taken, it and its outputs get free ones.

    ONNX Runtime refuses a graph with two nodes of one name.
    """
    import onnx_ir as ir

    names = {str(found.name) for found in ir.traversal.RecursiveGraphIterator(graph)}
    node.name = _free(node.name or node.outputs[0].name or node.op_type, names)
    for output in node.outputs:
        output.name = free_value_name(graph, str(output.name or f"{node.name}_output"))
    graph.insert_before(anchor, node)


def replace_node(graph: ir.Graph, old: ir.Node, new: Sequence[ir.Node]) -> None:
    """Put `new` in the place of `old`; the last of them gives its one output, under the same name.

    A node of `new` may have the name of `old`; other names that are taken get a number.
    """
    import onnx_ir as ir

    before, after, old_name = old.outputs[0], new[-1].outputs[0], old.name
    name, kind, shape = before.name, before.type, before.shape
    old.name = f"{old_name}_replaced"
    before.name, after.name = f"{name}_replaced", None
    for node in new:
        put_before(graph, old, node)
    ir.convenience.replace_all_uses_with(before, after, replace_graph_outputs=True)
    graph.remove(old, safe=True)
    after.name, after.type, after.shape = name, kind, shape


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
