"""Which nodes run on integers, and which tensors get a scale for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from edgeopt.errors import InputError, near_names
from edgeopt.steps.quantize.placement.integers import ALL_KINDS, integer_reason, is_gate, values_of
from edgeopt.steps.quantize.placement.kinds import KINDS, Kind, channel_axis, constant, node_name, result_of
from edgeopt.steps.quantize.placement.sizes import (
    POOLED_POSITIONS,
    Rules,
    narrow_reason,
    pooling_reason,
    product_reason,
    thin_reason,
)
from edgeopt.steps.quantize.types import Int8Types

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = [
    "KINDS",
    "Kind",
    "Placement",
    "Rules",
    "channel_axis",
    "constant",
    "node_name",
    "place",
    "place_for",
    "result_of",
]

# Their kernels write floats where nobody wants integers; those of all others write integers only.
_FLOAT_WRITERS = frozenset({"Gemm", "MatMul"})
# Left float without a word: they cost next to nothing, or are not part of the computation of values.
_SILENT = frozenset({"Shape", "Constant", "Cast", "Identity", "Gather", "ConstantOfShape", "Range", "Dropout"})


@dataclass(slots=True)
class Placement:
    """What is quantized.

    Attributes:
        nodes: Nodes that run on integers.
        tensors: Names of float activations that get quantize/dequantize pairs.
        shared: Tensor name -> the tensor whose scale it must share.
        clamps: Relu and Clip nodes that vanish into the range of the node before them.
        kept_float: Node name -> why it stays float.
        asked_float: Node name -> why it has to stay float, before any rule is asked.
        rules: What stays float by size.
        forced: Names of tensors that are integers whoever reads them, since no kernel of their node writes floats.
        noted: Names of float results of integer nodes, whose range is noted for runtimes without such kernels.
    """

    nodes: list[ir.Node] = field(default_factory=list)
    tensors: dict[str, ir.Value] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    clamps: list[ir.Node] = field(default_factory=list)
    kept_float: dict[str, str] = field(default_factory=dict)
    asked_float: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    forced: set[str] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)

    @property
    def ranged(self) -> list[str]:
        """Names of the tensors whose range is wanted, in order."""
        return sorted({self.root(name) for name in self.tensors} | self.noted)

    def root(self, name: str) -> str:
        """The tensor whose scale `name` shares: itself, unless values are only carried from another."""
        while name in self.shared:
            name = self.shared[name]
        return name


def place_for(graph: ir.Graph, types: Int8Types, *, keep_float: Mapping[str, str] | None = None) -> Placement:
    """The placement for a folded graph on a processor; see `place`."""
    return place(
        graph,
        thin_channels=types.thin_channels,
        narrow_channels=types.narrow_channels,
        small_products=types.small_products,
        pooled_positions=inf if types.is_integer_only else POOLED_POSITIONS,
        is_integer_only=types.is_integer_only,
        keep_float=keep_float,
    )


def place(
    graph: ir.Graph,
    *,
    thin_channels: int = 0,
    narrow_channels: int = 0,
    small_products: int = 0,
    pooled_positions: float = POOLED_POSITIONS,
    is_integer_only: bool = False,
    keep_float: Mapping[str, str] | None = None,
) -> Placement:
    """The placement for a folded graph, node by node in order, then without what no integer node needs.

    Args:
        graph: The folded graph.
        thin_channels: Dense convolutions over at most this many input channels stay float.
        narrow_channels: Depthwise convolutions of at most this many channels behind a float one stay float.
        small_products: Products of two activations with fewer rows or columns in the result than this stay float.
        pooled_positions: Averages of windows at more positions than this stay float.
        is_integer_only: Nothing stays float since it would not pay: the target runs integers alone.
        keep_float: Node name -> why it stays float whatever the rules say, as the user or a measurement wants it.

    Raises:
        InputError: `keep_float` names a node that the graph has not.
    """
    sizes = Rules(
        thin_channels=thin_channels,
        narrow_channels=narrow_channels,
        small_products=small_products,
        pooled_positions=pooled_positions,
        is_integer_only=is_integer_only,
    )
    kinds = ALL_KINDS if is_integer_only else KINDS
    placement = Placement(rules=sizes, asked_float=known_nodes(graph, keep_float or {}))
    rules: dict[Kind, Callable[[ir.Node, Placement], str]] = {
        Kind.WEIGHTED: _place_weighted,
        Kind.COMPUTED: _place_computed,
        Kind.CARRIED: _place_carried,
        Kind.ABSORBED: _place_absorbed,
    }
    for node in graph:
        kind = kinds.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        asked = placement.asked_float.get(node_name(node), "")
        reason = asked or (rules[kind](node, placement) if kind else _no_kernel(node, placement))
        if reason:
            placement.kept_float[node_name(node)] = reason
    _leave_what_does_not_pay(placement)
    _carry_forwards(graph, placement)
    _carry_backwards(graph, placement)
    return placement


def known_nodes(graph: ir.Graph, keep_float: Mapping[str, str]) -> Mapping[str, str]:
    """`keep_float`, when the graph has a node of each of its names.

    Raises:
        InputError: It has not.
    """
    known = {node_name(node) for node in graph} if keep_float else set()
    for name in keep_float:
        if name not in known:
            raise InputError(f"the model has no node `{name}` to keep float", hint=near_names(name, known))
    return keep_float


def _place_weighted(node: ir.Node, placement: Placement) -> str:
    data, weight = node.inputs[0], node.inputs[1]
    if data is None or weight is None or constant(data):
        return "its input is a constant"
    if _not_float(data):
        return "its input is not float32"
    if not constant(weight):
        return _place_product_of_activations(node, placement)
    reason = (
        _weight_reason(node, weight)
        or thin_reason(node, weight, placement.rules)
        or narrow_reason(node, placement.rules, placement.nodes)
    )
    if reason:
        return reason
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and (bias.const_value is None or not _is_per_channel(node, bias, weight)):
        return "its bias is not a constant of one number per channel"
    _take(placement, data)
    placement.nodes.append(node)
    if node.op_type == "Conv":
        placement.forced.add(str(result_of(node).name))
    _take(placement, result_of(node))
    return ""


def _is_per_channel(node: ir.Node, bias: ir.Value, weight: ir.Value) -> bool:
    """Whether a bias holds one number, or one per output channel along its last axis."""
    if bias.const_value is None or weight.const_value is None:
        return False
    shape = bias.const_value.shape.numpy()
    channels = weight.const_value.shape.numpy()[channel_axis(node)]
    return bias.const_value.size in (1, channels) and (not shape or shape[-1] == bias.const_value.size)


def _weight_reason(node: ir.Node, weight: ir.Value) -> str:
    shape = tuple(weight.const_value.shape.numpy()) if weight.const_value is not None else ()
    if node.op_type in ("MatMul", "Gemm") and len(shape) != 2:
        return f"its weight has {len(shape)} axes, the integer kernel takes 2"
    if node.op_type == "Gemm" and any(abs(_float(node, key) - 1.0) > 0 for key in ("alpha", "beta")):
        return "alpha or beta is not 1"
    if node.op_type == "Gemm" and "transA" in node.attributes and node.attributes["transA"].as_int():
        return "its input is transposed"
    return ""


def _place_product_of_activations(node: ir.Node, placement: Placement) -> str:
    if node.op_type != "MatMul":
        return "its weight is not a constant"
    if reason := product_reason(node, placement.rules):
        return reason
    for value in node.inputs:
        if value is not None:
            _take(placement, value)
    placement.nodes.append(node)
    _take(placement, result_of(node))
    return ""


def _place_computed(node: ir.Node, placement: Placement) -> str:
    values = values_of(node)
    if any(_not_float(value) for value in values):
        return "its inputs are not float32"
    if reason := integer_reason(node) if placement.rules.is_integer_only else _reason_among_floats(node, placement):
        return reason
    for value in values:
        _take(placement, value)
    if _reads_forced(node, placement):
        placement.forced.add(str(result_of(node).name))
    placement.nodes.append(node)
    if not is_gate(node):
        _take(placement, result_of(node))
    return ""


def _reason_among_floats(node: ir.Node, placement: Placement) -> str:
    """Why a computed node stays float where others may; empty where it does not."""
    values = values_of(node)
    if any(constant(value) for value in values):
        return "one of its inputs is a constant"
    if not all(value.name in placement.tensors for value in values):
        return "its inputs are float, so integers would not pay"
    return pooling_reason(node, placement.rules)


def _place_carried(node: ir.Node, placement: Placement) -> str:
    data = node.inputs[0]
    if placement.rules.is_integer_only and data is not None and not constant(data) and not _not_float(data):
        _take(placement, data)
    if data is None or data.name not in placement.tensors:
        return "" if data is None or constant(data) else "its input is float"
    if node.op_type == "MaxPool" and data.name not in placement.forced and not placement.rules.is_integer_only:
        return "its input is float, and so it pools faster"
    results = _results(node)
    if _reads_forced(node, placement):
        placement.forced.update(str(output.name) for output in results)
    placement.nodes.append(node)
    for output in results:
        _take(placement, output)
        placement.shared[str(output.name)] = str(data.name)
    return ""


def _place_absorbed(node: ir.Node, placement: Placement) -> str:
    data = node.inputs[0]
    producer = data.producer() if data is not None else None
    output = node.outputs[0]
    if producer in placement.nodes and result_of(producer) is output and output.name in placement.tensors:
        placement.clamps.append(node)
        return ""
    if placement.rules.is_integer_only:
        return _place_computed(node, placement)
    return "its input is not the result of an integer node alone"


def _leave_what_does_not_pay(placement: Placement) -> None:
    """Take back what was placed for a reader that turned out float.

    A node without weights pays where an integer node reads its result, or where all that it reads is in integers
    anyway: written so, or beside that rounded for a node with weights. The result of a Gemm or MatMul is rounded only
    for an integer node: its kernel may write floats itself.
    """
    kept: list[ir.Node] = []
    is_integer_only = placement.rules.is_integer_only
    for node in reversed(placement.nodes):
        if (
            is_integer_only
            or ALL_KINDS[node.op_type] is Kind.WEIGHTED
            or _is_read_by(node, kept)
            or _reads_integers(node, placement)
        ):
            kept.append(node)
            continue
        placement.kept_float[node_name(node)] = "no integer node reads its result, so integers would not pay"
    placement.nodes = kept[::-1]
    float_writers = frozenset() if is_integer_only else _FLOAT_WRITERS
    written = {value.name for node in kept if node.op_type not in float_writers for value in _results(node)}
    for name, value in list(placement.tensors.items()):
        is_read = any(use.node in kept for use in value.uses())
        if not is_read and name not in written:
            del placement.tensors[name]
            placement.shared.pop(name, None)
    for clamp in [clamp for clamp in placement.clamps if clamp.outputs[0].name not in placement.tensors]:
        placement.clamps.remove(clamp)
        placement.kept_float[node_name(clamp)] = "its result is not rounded, so no range performs it"
    results = {str(result_of(node).name) for node in kept if node.op_type in _FLOAT_WRITERS}
    placement.noted = results - set(placement.tensors)


def _is_read_by(node: ir.Node, nodes: list[ir.Node]) -> bool:
    return any(use.node in nodes for value in _results(node) for use in value.uses())


def _results(node: ir.Node) -> Sequence[ir.Value]:
    """The outputs that hold values: not the positions that a MaxPool gives, nor those that are left out."""
    if ALL_KINDS[node.op_type] is not Kind.CARRIED:
        return [result_of(node)]
    outputs = node.outputs[:1] if node.op_type == "MaxPool" else node.outputs
    return [output for output in outputs if output.name]


def _data(node: ir.Node) -> Sequence[ir.Value | None]:
    """The inputs that hold values, not lengths or axes."""
    return node.inputs[:1] if ALL_KINDS[node.op_type] is Kind.CARRIED else node.inputs


def _reads_forced(node: ir.Node, placement: Placement) -> bool:
    return all(value is not None and value.name in placement.forced for value in _data(node))


def _reads_integers(node: ir.Node, placement: Placement) -> bool:
    is_forced = [value is not None and value.name in placement.forced for value in _data(node)]
    rounded = [
        value is not None
        and any(use.node in placement.nodes and ALL_KINDS[use.node.op_type] is Kind.WEIGHTED for use in value.uses())
        for value in _data(node)
    ]
    return any(is_forced) and all(one or other for one, other in zip(is_forced, rounded, strict=True))


def _carry_forwards(graph: ir.Graph, placement: Placement) -> None:
    """Carry on in integers what an integer node has written so, for another reader.

    ONNX Runtime 1.32 does not load a graph of opset 21 or later in which a pair of int8 is followed by such a node
    without one: it makes a pair of its own, with output_dtype INT8 and a zero point of uint8.
    """
    for node in graph:
        is_carried = KINDS.get(node.op_type) is Kind.CARRIED and node.domain in ("", "ai.onnx")
        if not is_carried or node in placement.nodes or node_name(node) in placement.asked_float:
            continue
        if _is_written_in_integers(node.inputs[0], placement) and not _place_carried(node, placement):
            placement.kept_float.pop(node_name(node), None)


def _is_written_in_integers(value: ir.Value | None, placement: Placement) -> bool:
    producer = value.producer() if value is not None else None
    while producer in placement.clamps and producer.inputs[0] is not None:
        producer = producer.inputs[0].producer()
    return value is not None and value.name in placement.tensors and producer in placement.nodes


def _carry_backwards(graph: ir.Graph, placement: Placement) -> None:
    """Quantize before a node that only carries values to an integer node, so that it moves bytes and not floats."""
    for node in reversed(list(graph)):
        if KINDS.get(node.op_type) is not Kind.CARRIED or node in placement.nodes or len(node.outputs) != 1:
            continue
        if node.op_type == "MaxPool" or node_name(node) in placement.asked_float:
            continue
        data, output = node.inputs[0], node.outputs[0]
        if data is None or constant(data) or _not_float(data) or output.name not in placement.tensors:
            continue
        placement.nodes.append(node)
        placement.kept_float.pop(node_name(node), None)
        _take(placement, data)
        placement.shared[str(output.name)] = str(data.name)


def _take(placement: Placement, value: ir.Value) -> None:
    placement.tensors.setdefault(str(value.name), value)


def _not_float(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.name != "FLOAT"


def _float(node: ir.Node, key: str) -> float:
    return float(node.attributes[key].as_float()) if key in node.attributes else 1.0


def _no_kernel(node: ir.Node, placement: Placement) -> str:
    if node.op_type in _SILENT:
        return ""
    if placement.rules.is_integer_only:
        return integer_reason(node)
    return f"ONNX Runtime has no faster integer kernel for {node.op_type}"
