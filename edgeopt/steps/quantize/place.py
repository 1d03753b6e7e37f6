"""Which nodes run on integers, and which tensors get a scale for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


class Kind(StrEnum):
    """How ONNX Runtime runs an operator on integers."""

    WEIGHTED = "weighted"  # activations times weights
    COMPUTED = "computed"  # an integer kernel with a scale of its own for the output
    CARRIED = "carried"  # moves or selects values: input and output share a scale
    ABSORBED = "absorbed"  # a clamp that the range of its producer's output already performs


# Operators for which ONNX Runtime's CPU provider fuses quantize/dequantize pairs into an integer kernel
# (onnxruntime/core/optimizer/qdq_transformer, 1.32).
KINDS: dict[str, Kind] = {
    "Conv": Kind.WEIGHTED,
    "Gemm": Kind.WEIGHTED,
    "MatMul": Kind.WEIGHTED,
    "Add": Kind.COMPUTED,
    "Mul": Kind.COMPUTED,
    "AveragePool": Kind.COMPUTED,
    "GlobalAveragePool": Kind.COMPUTED,
    "Concat": Kind.COMPUTED,
    "LeakyRelu": Kind.COMPUTED,
    "Sigmoid": Kind.COMPUTED,
    "MaxPool": Kind.CARRIED,
    "Reshape": Kind.CARRIED,
    "Flatten": Kind.CARRIED,
    "Transpose": Kind.CARRIED,
    "Squeeze": Kind.CARRIED,
    "Unsqueeze": Kind.CARRIED,
    "Slice": Kind.CARRIED,
    "Split": Kind.CARRIED,
    "Relu": Kind.ABSORBED,
    "Clip": Kind.ABSORBED,
}
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
        thin_channels: Dense convolutions over at most this many input channels stay float.
    """

    nodes: list[ir.Node] = field(default_factory=list)
    tensors: dict[str, ir.Value] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    clamps: list[ir.Node] = field(default_factory=list)
    kept_float: dict[str, str] = field(default_factory=dict)
    thin_channels: int = 0

    def root(self, name: str) -> str:
        """The tensor whose scale `name` shares: itself, unless values are only carried from another."""
        while name in self.shared:
            name = self.shared[name]
        return name


def place(graph: ir.Graph, *, thin_channels: int = 0) -> Placement:
    """The placement for a folded graph, node by node in order.

    Args:
        graph: The folded graph.
        thin_channels: Dense convolutions over at most this many input channels stay float.
    """
    placement = Placement(thin_channels=thin_channels)
    rules: dict[Kind, Callable[[ir.Node, Placement], str]] = {
        Kind.WEIGHTED: _place_weighted,
        Kind.COMPUTED: _place_computed,
        Kind.CARRIED: _place_carried,
        Kind.ABSORBED: _place_absorbed,
    }
    for node in graph:
        kind = KINDS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        reason = rules[kind](node, placement) if kind else _no_kernel(node)
        if reason:
            placement.kept_float[node_name(node)] = reason
    _carry_backwards(graph, placement)
    _carry_forwards(graph, placement)
    return placement


def node_name(node: ir.Node) -> str:
    """The node's name, or that of its first output where it has none."""
    return node.name or next((str(output.name) for output in node.outputs if output.name), node.op_type)


def constant(value: ir.Value | None) -> bool:
    """Whether a value is a weight or another constant of the graph."""
    return value is not None and value.const_value is not None


def channel_axis(node: ir.Node) -> int:
    """Axis of output channels in the weight of a Conv, Gemm or MatMul."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm" and "transB" in node.attributes and node.attributes["transB"].as_int():
        return 0
    return 1


def result_of(node: ir.Node) -> ir.Value:
    """The tensor that carries a node's result: behind the Relu or Clip that only this node feeds."""
    output = node.outputs[0]
    uses = list(output.uses())
    if len(uses) == 1 and not output.is_graph_output() and _is_clamp_around_zero(uses[0].node):
        return uses[0].node.outputs[0]
    return output


def _is_clamp_around_zero(node: ir.Node) -> bool:
    """Whether a node clamps to a fixed range that holds zero, as every quantized range does."""
    if KINDS.get(node.op_type) is not Kind.ABSORBED or node.op_type == "Relu":
        return node.op_type == "Relu"
    low, high = (_scalar(node.inputs[index]) if len(node.inputs) > index else 0.0 for index in (1, 2))
    return low is not None and high is not None and low <= 0.0 <= high


def _scalar(value: ir.Value | None) -> float | None:
    """The number in a constant; 0 for a bound that is left out, None for one that is computed."""
    if value is None:
        return 0.0
    return float(value.const_value.numpy().reshape(-1)[0]) if value.const_value is not None else None


def _place_weighted(node: ir.Node, placement: Placement) -> str:
    data, weight = node.inputs[0], node.inputs[1]
    if data is None or weight is None or constant(data):
        return "its input is a constant"
    if _not_float(data):
        return "its input is not float32"
    if not constant(weight):
        return _place_product_of_activations(node, placement)
    reason = _weight_reason(node, weight) or _thin_reason(node, weight, placement.thin_channels)
    if reason:
        return reason
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and (bias.const_value is None or not _is_per_channel(node, bias, weight)):
        return "its bias is not a constant of one number per channel"
    _take(placement, data)
    placement.nodes.append(node)
    if node.op_type == "Conv" or _feeds_integers(result_of(node)):
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


def _thin_reason(node: ir.Node, weight: ir.Value, thin_channels: int) -> str:
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    if node.op_type != "Conv" or group != 1 or weight.const_value is None:
        return ""
    channels = int(weight.const_value.shape.numpy()[1])
    return f"its {channels} input channel(s) are too few for int8 to pay" if channels <= thin_channels else ""


def _place_product_of_activations(node: ir.Node, placement: Placement) -> str:
    if node.op_type != "MatMul":
        return "its weight is not a constant"
    for value in node.inputs:
        if value is not None:
            _take(placement, value)
    placement.nodes.append(node)
    if _feeds_integers(result_of(node)):
        _take(placement, result_of(node))
    return ""


def _place_computed(node: ir.Node, placement: Placement) -> str:
    values = [value for value in node.inputs if value is not None]
    if any(constant(value) for value in values):
        return "one of its inputs is a constant"
    if any(_not_float(value) for value in values):
        return "its inputs are not float32"
    if not all(value.name in placement.tensors for value in values):
        return "its inputs are float, so integers would not pay"
    placement.nodes.append(node)
    _take(placement, result_of(node))
    return ""


def _place_carried(node: ir.Node, placement: Placement) -> str:
    data = node.inputs[0]
    if data is None or data.name not in placement.tensors:
        return "" if node.op_type in _SILENT or data is None or constant(data) else "its input is float"
    placement.nodes.append(node)
    for output in node.outputs[:1] if node.op_type == "MaxPool" else node.outputs:  # its second one holds positions
        if output.name:  # one that is left out has none
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
    return "its input is not the result of an integer node alone"


def _carry_forwards(graph: ir.Graph, placement: Placement) -> None:
    """Quantize behind a node that carries values which another node wants as integers.

    It loses nothing, since all readers of those values read them through one pair. And ONNX Runtime 1.32 does not load
    a graph of opset 21 or later in which a pair of int8 is followed by such a node without one: it makes a pair of its
    own, with output_dtype INT8 and a zero point of uint8.
    """
    for node in graph:
        is_carried = KINDS.get(node.op_type) is Kind.CARRIED and node.domain in ("", "ai.onnx")
        if is_carried and node not in placement.nodes and not _place_carried(node, placement):
            placement.kept_float.pop(node_name(node), None)


def _carry_backwards(graph: ir.Graph, placement: Placement) -> None:
    """Quantize before a node that only carries values to an integer node, so that it moves bytes and not floats."""
    for node in reversed(list(graph)):
        if KINDS.get(node.op_type) is not Kind.CARRIED or node in placement.nodes or len(node.outputs) != 1:
            continue
        data, output = node.inputs[0], node.outputs[0]
        if data is None or constant(data) or _not_float(data) or output.name not in placement.tensors:
            continue
        placement.nodes.append(node)
        placement.kept_float.pop(node_name(node), None)
        _take(placement, data)
        placement.shared[str(output.name)] = str(data.name)


def _feeds_integers(value: ir.Value) -> bool:
    """Whether another node could run on this result in integers; else the kernel may write floats itself."""
    integer_kinds = (Kind.WEIGHTED, Kind.COMPUTED, Kind.CARRIED)
    return any(KINDS.get(use.node.op_type) in integer_kinds for use in value.uses())


def _take(placement: Placement, value: ir.Value) -> None:
    placement.tensors.setdefault(str(value.name), value)


def _not_float(value: ir.Value) -> bool:
    return value.dtype is not None and value.dtype.name != "FLOAT"


def _float(node: ir.Node, key: str) -> float:
    return float(node.attributes[key].as_float()) if key in node.attributes else 1.0


def _no_kernel(node: ir.Node) -> str:
    return "" if node.op_type in _SILENT else f"ONNX Runtime has no faster integer kernel for {node.op_type}"
