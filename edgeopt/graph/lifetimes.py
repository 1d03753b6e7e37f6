"""Peak memory of activations, by tensor lifetimes: what any runtime must hold at once at the least.

A tensor lives from the node that makes it to the last node that reads it, in a subgraph too; outputs of the graph live
to its end.
Operators that work in place (an activation, a reshape) reuse an input that nobody else still needs. The float side of a
quantize/dequantize pair is never stored by a runtime that fuses it, so it is counted by its int8 side. Runtimes add
workspaces of their own to this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeopt.graph.shapes import TensorType
from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx

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
    last_use = _last_uses(graph, store)
    alive = {
        store.get(value.name, value.name): _bytes(types, value.name)
        for value in graph.input
        if value.name not in constants
    }
    peak = sum(alive.values())
    for position, node in enumerate(graph.node):
        outputs = (store.get(name, name) for name in node.output if name)
        made = [name for name in outputs if name not in alive and name not in constants]
        dying = {name for name in alive if last_use.get(name, -1) <= position}
        for name in made:
            alive[name] = _bytes(types, name)
        read = [store.get(name, name) for name in node.input]
        reused = _reused_bytes(node.op_type, [alive[name] for name in read if name in dying], [alive[n] for n in made])
        peak = max(peak, sum(alive.values()) - reused)
        for name in dying:
            alive.pop(name, None)
    return peak


def _reused_bytes(operator: str, dying: list[int], made: list[int]) -> int:
    """Bytes that an in-place operator saves by writing over an input that dies with it, of sizes of both in bytes."""
    if operator not in _IN_PLACE or len(made) != 1:
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


def _last_uses(graph: onnx.GraphProto, store: dict[str, str]) -> dict[str, int]:
    uses: dict[str, int] = {}
    for position, node in enumerate(graph.node):
        for name in (*node.output, *names_read(node)):
            uses[store.get(name, name)] = position
    return uses | {store.get(value.name, value.name): len(graph.node) for value in graph.output}


def _bytes(types: dict[str, TensorType], name: str) -> int:
    found = types.get(name)
    return found.size_bytes if found else 0
