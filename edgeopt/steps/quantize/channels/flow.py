"""Finds the groups of tensors whose channels can be scaled together, in one pass over a graph in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeopt.steps.quantize.channels.groups import Bound, Group, Layout, Slot
from edgeopt.steps.quantize.channels.layouts import (
    PASSING,
    array_of,
    clip_bounds,
    columns_of,
    is_fixed,
    is_real,
    rank_of,
    rows_of,
)

if TYPE_CHECKING:
    import onnx_ir as ir

_DOMAINS = ("", "ai.onnx")
_WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
NORMALIZATIONS = frozenset({"LayerNormalization", "RMSNormalization"})


def channel_groups(graph: ir.Graph) -> list[Group]:
    """The groups of a folded graph that weights or normalizations write and weights alone read.

    A tensor that is an output of the graph, or that another operator reads, keeps its group out; so does a weight
    that two nodes share.
    """
    flow = _Flow(graph)
    for node in graph:
        flow.follow(node)
    return flow.groups()


class _Flow:
    """Where channels have come so far."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._group_of: dict[str, Group] = {}
        self._found: list[Group] = []

    def groups(self) -> list[Group]:
        """Those that nothing blocks, in the order of the graph."""
        for value in self._graph.outputs:
            self._block(value)
        return [group for group in self._found if not group.is_blocked and group.rows and group.columns]

    def follow(self, node: ir.Node) -> None:
        """Take the channels through one node, or block their group."""
        if node.domain not in _DOMAINS:
            self._block_all(node)
        elif node.op_type in _WEIGHTED:
            self._read(node)
            self._write(node)
        elif node.op_type in NORMALIZATIONS:
            self._block_all(node)
            self._normalize(node)
        elif node.op_type in ("Add", "Mul"):
            (self._add if node.op_type == "Add" else self._multiply)(node)
        elif node.op_type in PASSING:
            self._pass(node)
        else:
            self._block_all(node)

    def _group(self, value: ir.Value | None) -> Group | None:
        return self._group_of.get(str(value.name)) if value is not None else None

    def _layout(self, value: ir.Value) -> Layout:
        return self._group_of[str(value.name)].values[str(value.name)]

    def _block(self, value: ir.Value | None) -> None:
        group = self._group(value)
        if group is not None:
            group.is_blocked = True

    def _block_all(self, node: ir.Node) -> None:
        for value in node.inputs:
            self._block(value)
        for attribute in node.attributes.values():
            for inner in _subgraphs(attribute):
                self._block_inside(inner)

    def _block_inside(self, graph: ir.Graph) -> None:
        """Whatever a subgraph takes from outside."""
        import onnx_ir as ir

        for node in ir.traversal.RecursiveGraphIterator(graph):
            for value in node.inputs:
                self._block(value)
        for value in graph.outputs:
            self._block(value)

    def _join(self, value: ir.Value, group: Group, layout: Layout) -> None:
        group.values[str(value.name)] = layout
        self._group_of[str(value.name)] = group

    def _start(self, value: ir.Value, layout: Layout, channels: int) -> Group:
        group = Group(channels=channels)
        self._found.append(group)
        self._join(value, group, layout)
        return group

    def _unite(self, first: Group, second: Group) -> None:
        if first is second:
            return
        first.merge(second)
        self._found.remove(second)
        for name in second.values:
            self._group_of[name] = first

    def _read(self, node: ir.Node) -> None:
        """Let a weight read the channels of a node's first input."""
        data = node.inputs[0]
        for value in node.inputs[1:]:
            self._block(value)
        group = self._group(data)
        if group is None or data is None:
            return
        slot = columns_of(node, self._layout(data), group.channels, rank_of(data))
        if slot is None:
            self._block(data)
            return
        group.columns.append(slot)
        group.read.append(str(data.name))

    def _write(self, node: ir.Node) -> None:
        """Let a weight start a group."""
        output = node.outputs[0]
        slot, layout = rows_of(node, rank_of(output))
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if slot is None or layout is None or (bias is not None and not is_real(bias)):
            return
        group = self._start(output, layout, slot.channels)
        group.rows.append(slot)
        if bias is not None:
            group.shifts.append(Slot(node=node, index=2, trailing=0))

    def _normalize(self, node: ir.Node) -> None:
        """Let the scale of a normalization over the last axis start a group."""
        output, scale = node.outputs[0], node.inputs[1]
        rank = rank_of(output)
        axis = node.attributes["axis"].as_int() if "axis" in node.attributes else -1
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if not rank or axis % rank != rank - 1 or not is_real(scale) or array_of(scale).ndim != 1:
            return
        if bias is not None and not is_real(bias):
            return
        group = self._start(output, Layout(axis=rank - 1), array_of(scale).size)
        group.is_normalized = True
        group.rows.append(Slot(node=node, index=1, trailing=0))
        if bias is not None:
            group.shifts.append(Slot(node=node, index=2, trailing=0))

    def _add(self, node: ir.Node) -> None:
        """Channels plus channels share a factor; a constant that is added is scaled with them."""
        first, second = node.inputs
        assert first is not None
        assert second is not None
        mine, theirs = self._group(first), self._group(second)
        if mine is None and theirs is not None:
            self._shift(node, second, first, index=0)
        elif mine is not None and theirs is None:
            self._shift(node, first, second, index=1)
        elif mine is not None and theirs is not None:
            layout = self._layout(first)
            is_same = layout == self._layout(second) and mine.channels == theirs.channels
            if not is_same or rank_of(first) != rank_of(second) or not rank_of(first):
                self._block_all(node)
                return
            self._unite(mine, theirs)
            mine.added.extend([str(first.name), str(second.name)])
            self._join(node.outputs[0], mine, layout)

    def _shift(self, node: ir.Node, data: ir.Value, constant: ir.Value, *, index: int) -> None:
        group, layout, rank = self._group_of[str(data.name)], self._layout(data), rank_of(data)
        if not rank or not is_real(constant) or array_of(constant).ndim > rank:
            self._block(data)
            return
        slot = Slot(node=node, index=index, trailing=rank - layout.axis - 1, repeats=layout.repeats)
        group.shifts.append(slot)
        self._join(node.outputs[0], group, layout)

    def _multiply(self, node: ir.Node) -> None:
        """Channels times what holds no channels of a group stay in theirs; a constant per channel starts one."""
        first, second = node.inputs
        assert first is not None
        assert second is not None
        mine, theirs = self._group(first), self._group(second)
        if mine is not None and theirs is not None:
            self._block_all(node)
        elif mine is not None or theirs is not None:
            data, other = (first, second) if mine is not None else (second, first)
            group, rank = self._group_of[str(data.name)], rank_of(data)
            other_rank = array_of(other).ndim if is_fixed(other) else rank_of(other) or rank + 1
            if not rank or other_rank > rank:
                self._block(data)
                return
            self._join(node.outputs[0], group, self._layout(data))
        else:
            self._scale(node, first, second)

    def _scale(self, node: ir.Node, first: ir.Value, second: ir.Value) -> None:
        """Let a constant with one number per place of the last axis start a group: a norm written in parts."""
        index = 1 if is_fixed(second) else 0
        constant, data = (second, first) if index else (first, second)
        rank = rank_of(data)
        if not is_real(constant) or is_fixed(data) or rank < 2:
            return
        if array_of(constant).ndim != 1 or array_of(constant).size < 2:
            return
        group = self._start(node.outputs[0], Layout(axis=rank - 1), array_of(constant).size)
        group.is_normalized = True
        group.rows.append(Slot(node=node, index=index, trailing=0))

    def _pass(self, node: ir.Node) -> None:
        """Take channels through an operator that treats each by itself."""
        data = node.inputs[0]
        for value in node.inputs[1:]:
            self._block(value)
        group = self._group(data)
        if group is None or data is None:
            return
        layout = PASSING[node.op_type](node, self._layout(data))
        if layout is None or any(output.uses() for output in node.outputs[1:]):
            self._block(data)
            return
        self._join(node.outputs[0], group, layout)
        if node.op_type == "Clip":
            low, high = clip_bounds(node)
            group.bounds.append(Bound(value=str(node.outputs[0].name), low=low, high=high))


def _subgraphs(attribute: Any) -> list[ir.Graph]:
    import onnx_ir as ir

    if attribute.type == ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type == ir.AttributeType.GRAPHS else []
