"""Peak memory of activations, by tensor lifetimes: what any runtime must hold at once at the least.

A tensor lives from the node that makes it to the last node that reads it, in a subgraph too; outputs of the graph live
to its end.
Operators that work in place (an activation, a reshape) reuse an input that nobody else still needs. The float side of a
quantize/dequantize pair is never stored by a runtime that fuses it, so it is counted by its int8 side. Runtimes add
workspaces of their own to this.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from edgeopt.graph.shapes import TensorType
from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx

Name = TypeVar("Name", bound=Hashable)
_IN_PLACE = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Softmax", "Gelu", "Erf"),
        *("Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze"),
        *("Add", "Mul", "Sub", "Div", "BatchNormalization"),
    }
)


def peak_activation_bytes(graph: onnx.GraphProto, types: dict[str, TensorType]) -> int:
    """Most bytes of activations alive at once while the nodes run in the graph's order."""
    store = _stored_names(graph)
    constants = {tensor.name for tensor in graph.initializer}

    def stored(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(store.get(name, name) for name in names if name)

    uses = [
        Use(
            reads=stored(node.input),
            writes=tuple(name for name in stored(node.output) if name not in constants),
            seen=stored((*node.output, *names_read(node))),
            is_in_place=node.op_type in _IN_PLACE,
        )
        for node in graph.node
    ]
    inputs = [value.name for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    return peak_bytes(uses, inputs=stored(inputs), outputs=stored(outputs), size=lambda name: _bytes(types, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Generic[Name]):
    """What an operator does with tensors, which are told apart by name or number.

    Attributes:
        reads: What it may write over.
        writes: What it makes.
        seen: All that it reads or makes, in branches and loops too.
        is_in_place: Whether it can write over an input that dies with it.
    """

    reads: tuple[Name, ...]
    writes: tuple[Name, ...]
    seen: tuple[Name, ...]
    is_in_place: bool


def peak_bytes(
    uses: Sequence[Use[Name]], *, inputs: Sequence[Name], outputs: Sequence[Name], size: Callable[[Name], int]
) -> int:
    """Most bytes alive at once while operators run in order.

    Args:
        uses: What each operator does.
        inputs: Tensors that are there from the start.
        outputs: Tensors that live to the end.
        size: Bytes of a tensor.
    """
    last_use = {name: position for position, use in enumerate(uses) for name in use.seen}
    last_use |= dict.fromkeys(outputs, len(uses))
    alive = {name: size(name) for name in inputs}
    peak = sum(alive.values())
    for position, use in enumerate(uses):
        made = [name for name in use.writes if name not in alive]
        dying = {name for name in alive if last_use.get(name, -1) <= position}
        for name in made:
            alive[name] = size(name)
        reused = _reused_bytes(use, [alive[name] for name in use.reads if name in dying], [alive[n] for n in made])
        peak = max(peak, sum(alive.values()) - reused)
        for name in dying:
            del alive[name]
    return peak


def _reused_bytes(use: Use[Name], dying: list[int], made: list[int]) -> int:
    """Bytes that an in-place operator saves by writing over an input that dies with it, of sizes of both in bytes."""
    if not use.is_in_place or len(made) != 1:
        return 0
    return made[0] if max(dying, default=0) >= made[0] else 0


def _stored_names(graph: onnx.GraphProto) -> dict[str, str]:
    """Float tensors that are never stored, by the int8 tensor that stands for them.

    The output of DequantizeLinear is its input; a tensor that only QuantizeLinear reads is that node's output.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in names_read(node):
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    store: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.output[0] not in outputs:
            store[node.output[0]] = node.input[0]
        elif node.op_type == "QuantizeLinear" and len(readers[node.input[0]]) == 1 and node.input[0] not in outputs:
            store[node.input[0]] = node.output[0]
    inputs = {value.name for value in graph.input}
    return {name: _end_of(name, store) for name in store if name not in inputs}


def _end_of(name: str, store: dict[str, str]) -> str:
    while name in store:
        name = store[name]
    return name


def _bytes(types: dict[str, TensorType], name: str) -> int:
    found = types.get(name)
    return found.size_bytes if found else 0
