"""Tensors of a graph whose channels can be scaled together without changing what the graph computes.

Weights write channels, operators pass them on, weights read them. Where every operator in between works on each channel
by itself and is positively homogeneous, f(x / s) = f(x) / s for s > 0, a factor per channel moves from the weights that
write to those that read (Nagel et al. 2019, arXiv 1906.04721, section 4.1; Meller et al. 2019, arXiv 1902.01917).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How channels lie in a tensor.

    Attributes:
        axis: Axis that holds them, counted from 0.
        repeats: Neighbouring places of that axis that belong to one channel: height times width behind a Flatten.
    """

    axis: int
    repeats: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A constant input of a node, and how channels lie in it.

    Attributes:
        node: Reader of the constant.
        index: Its input.
        trailing: Axes behind the axis of channels.
        repeats: Neighbouring places per channel.
        groups: Of a grouped convolution that reads the channels, whose weight is (output, channel / groups, ...).
    """

    node: ir.Node
    index: int
    trailing: int
    repeats: int = 1
    groups: int = 1

    @property
    def array(self) -> Floats:
        """The constant as it is now."""
        value = self.node.inputs[self.index]
        assert value is not None
        assert value.const_value is not None
        return np.asarray(value.const_value.numpy(), dtype=np.float32)

    @property
    def input_groups(self) -> int:
        """Groups of the node's convolution; 1 for all else."""
        return int(self.node.attributes["group"].as_int()) if "group" in self.node.attributes else 1

    @property
    def channels(self) -> int:
        """How many channels the constant writes."""
        array = self.array
        return int(array.shape[array.ndim - self.trailing - 1]) // self.repeats

    def blocks(self, array: Floats) -> Floats:
        """A weight that reads channels, as (group, output, input, place)."""
        if self.node.op_type == "Conv":
            outputs, inputs = array.shape[:2]
            return array.reshape(self.groups, outputs // self.groups, inputs, -1)
        rows = array.T if self.trailing else array
        return rows.reshape(1, rows.shape[0], -1, self.repeats)

    def magnitudes(self, array: Floats) -> Floats:
        """(channel,) largest magnitude of the places of each channel."""
        if self.groups > 1:
            return np.asarray(np.abs(self.blocks(array)).max(axis=(1, 3)), dtype=np.float32).reshape(-1)
        behind = int(np.prod(array.shape[array.ndim - self.trailing :], dtype=np.int64))
        places = array.shape[array.ndim - self.trailing - 1]
        parts = np.abs(array).reshape(-1, places // self.repeats, self.repeats, behind)
        return np.asarray(parts.max(axis=(0, 2, 3)), dtype=np.float32)

    def scaled(self, array: Floats, factors: NDArray[Any]) -> Floats:
        """`array` times `factors` (channel,), each on all the places of its channel."""
        if self.groups > 1:
            rows = np.repeat(factors.reshape(self.groups, -1), array.shape[0] // self.groups, axis=0)
            spread = rows.reshape(*rows.shape, *[1] * (array.ndim - 2))
        else:
            spread = np.repeat(factors, self.repeats).reshape(-1, *[1] * self.trailing)
        return np.asarray(array * spread, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A clamp of all channels at one number.

    Attributes:
        value: Name of the clamped tensor.
        low: Smallest value that passes, -inf where there is no bound.
        high: Largest value that passes, inf where there is no bound.
    """

    value: str
    low: float
    high: float


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """Tensors that share one factor per channel.

    Attributes:
        channels: How many.
        values: Name of each tensor, how its channels lie.
        rows: Weights that write the channels.
        shifts: Biases and other constants that are added to the channels.
        columns: Weights that read the channels.
        read: Names of the tensors that these weights read.
        added: Names of the tensors that are added to each other.
        bounds: Clamps on the way.
        is_normalized: Whether scales of normalizations write the channels, and not matrices or kernels.
        is_blocked: Whether something else reads or writes the channels, so that they must stay as they are.
    """

    channels: int
    values: dict[str, Layout] = field(default_factory=dict)
    rows: list[Slot] = field(default_factory=list)
    shifts: list[Slot] = field(default_factory=list)
    columns: list[Slot] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    is_normalized: bool = False
    is_blocked: bool = False

    @property
    def name(self) -> str:
        """Which nodes write and which read, for people."""
        writers = ", ".join(dict.fromkeys(_node_name(slot.node) for slot in self.rows)) or self.read[0]
        readers = ", ".join(dict.fromkeys(_node_name(slot.node) for slot in self.columns))
        return f"{writers} -> {readers}"

    def tensors(self) -> dict[str, int]:
        """Each tensor whose statistics per channel matter: those read or added, and clamped ones. Name -> axis."""
        names = dict.fromkeys([*self.read, *self.added, *(bound.value for bound in self.bounds)])
        return {name: self.values[name].axis for name in names}

    def merge(self, other: Group) -> None:
        """Take over all that `other` holds."""
        self.values |= other.values
        for mine, theirs in (
            (self.rows, other.rows),
            (self.shifts, other.shifts),
            (self.columns, other.columns),
        ):
            mine.extend(theirs)
        self.read.extend(other.read)
        self.added.extend(other.added)
        self.bounds.extend(other.bounds)
        self.is_normalized |= other.is_normalized
        self.is_blocked |= other.is_blocked


def rescale(group: Group, factors: NDArray[Any]) -> None:
    """Divide the channels of a group's tensors by `factors` (channel,), in place, and undo it where they are read."""
    inverse = 1.0 / np.asarray(factors, dtype=np.float64)
    for slot in (*group.rows, *group.shifts):
        _replace(slot, slot.scaled(slot.array, inverse))
    for slot in group.columns:
        _replace(slot, slot.scaled(slot.array, np.asarray(factors, dtype=np.float64)))


def _replace(slot: Slot, array: Floats) -> None:
    """Write a constant; under a name of its own where other nodes read the old one."""
    import onnx_ir as ir

    value = slot.node.inputs[slot.index]
    assert value is not None
    if len(value.uses()) == 1 and not value.is_graph_output():
        value.const_value = ir.tensor(array, name=value.name)
        value.shape = ir.Shape(array.shape)
        return
    graph = slot.node.graph
    assert graph is not None
    name = free_name(graph, f"{value.name}_scaled")
    copy = ir.Value(name=name, const_value=ir.tensor(array, name=name), shape=ir.Shape(array.shape), type=value.type)
    graph.register_initializer(copy)
    slot.node.replace_input_with(slot.index, copy)


def free_name(graph: ir.Graph, name: str) -> str:
    """`name`, with a number behind it where a value or a node of the graph, or of one inside it, has that name."""
    import onnx_ir as ir

    nodes = list(ir.traversal.RecursiveGraphIterator(graph))
    taken = {str(node.name) for node in nodes} | {str(value.name) for node in nodes for value in node.outputs}
    taken |= {str(value.name) for node in nodes for value in node.inputs if value is not None}
    taken |= {str(value.name) for value in graph.inputs} | set(graph.initializers)
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _node_name(node: ir.Node) -> str:
    return node.name or str(node.outputs[0].name)
