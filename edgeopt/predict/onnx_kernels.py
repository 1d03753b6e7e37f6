"""The fused kernels of an ONNX graph, as a runtime for the edge would run it.

Constants are folded and batch norms merged first. Then an activation that a convolution's loop applies for nothing
joins the operator before it; reshapes, casts and the pairs of quantization are free.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from edgeopt.graph.costs import Types, node_macs
from edgeopt.graph.fold import folded
from edgeopt.graph.shapes import TensorType, bind_free_axes, tensor_types
from edgeopt.predict.kernels import Kernel, Kind

if TYPE_CHECKING:
    import onnx

_FREE = frozenset(
    {
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "Constant", "Shape", "Size"),
        *("QuantizeLinear", "DequantizeLinear", "ConstantOfShape", "Range", "DynamicQuantizeLinear"),
    }
)
_FUSED = frozenset({"Relu", "Clip", "LeakyRelu", "PRelu"})
_PRODUCTS = frozenset({"Conv", "QLinearConv", "ConvInteger", "Gemm", "MatMul", "QLinearMatMul", "MatMulInteger", "Add"})
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}  # operator -> place of its weight
_GEMMS = {
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "MatMulNBits", "LSTM", "GRU", "RNN"), 1),
    "QLinearMatMul": 3,
}
_POOLS = frozenset(
    {
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "ReduceMean", "ReduceSum"),
        *("ReduceMax", "QLinearGlobalAveragePool", "QLinearAveragePool"),
    }
)
_ELEMENTWISE = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Abs", "Neg", "Where", "BatchNormalization"),
        *("Relu", "Clip", "LeakyRelu", "PRelu", "Equal", "Greater", "Less", "QLinearAdd", "QLinearMul", "Sign"),
    }
)
_TRANSCENDENTAL = frozenset(
    {
        *("Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Erf", "Softmax", "LogSoftmax", "HardSigmoid", "HardSwish", "Gelu"),
        *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "Pow", "LRN", "Elu", "Selu"),
        *("Softplus", "Mish", "Reciprocal", "QLinearSigmoid", "Sin", "Cos", "Swish", "RMSNormalization"),
    }
)
_MOVES = frozenset(
    {
        *("Transpose", "Concat", "Slice", "Split", "Gather", "Pad", "Resize", "Upsample", "DepthToSpace", "Expand"),
        *("SpaceToDepth", "Tile", "QLinearConcat", "ScatterND", "GatherND", "GatherElements"),
    }
)


def onnx_kernels(model: onnx.ModelProto, *, where: str) -> list[Kernel]:
    """Kernels of a model that `load_onnx` read, with free axes bound to 1, in the order in which they run.

    Raises:
        InputError: ONNX Runtime does not take the model.
    """
    import onnx

    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    bind_free_axes(bound)
    graph_model = folded(bound, where=where)
    graph = graph_model.graph
    types = tensor_types(graph_model)
    constants = _constants_of(graph)
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(value.name for value in graph.output)
    makers = {name: node.op_type for node in graph.node for name in node.output}
    found = []
    for node in graph.node:
        is_fused = node.op_type in _FUSED and readers[node.input[0]] == 1 and makers.get(node.input[0]) in _PRODUCTS
        if node.op_type not in _FREE and not is_fused and not _is_about_shapes(node, types):
            found.append(_kernel(node, types, constants))
    return found


def _constants_of(graph: onnx.GraphProto) -> set[str]:
    """Names of constants, and of what the pairs of quantization make of one."""
    names = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        is_pair = node.op_type in ("QuantizeLinear", "DequantizeLinear", "Constant", "Reshape", "Transpose", "Cast")
        if is_pair and names.issuperset(name for name in node.input if name):
            names.update(node.output)
    return names


def _is_about_shapes(node: onnx.NodeProto, types: Types) -> bool:
    """Whether a node computes lengths and places, a handful of integers."""
    outputs = [types.get(name) for name in node.output if name]
    return bool(outputs) and all(one is not None and one.dtype == "int64" and one.elements <= 64 for one in outputs)


def _kernel(node: onnx.NodeProto, types: Types, constants: set[str]) -> Kernel:
    """The kernel of one node; one without a rule costs its traffic, and says so."""
    inputs = [name for name in node.input if name]
    read = sum(_elements(types.get(name)) for name in inputs if name not in constants)
    written = sum(_elements(types.get(name)) for name in node.output if name)
    weights = sum(_elements(types.get(name)) for name in inputs if name in constants)
    macs = node_macs(node, types)
    name = node.name or node.output[0]
    kind = kind_of_onnx(node, constants)
    window, stride = 1, 1
    is_known = macs is not None and kind is not None and written > 0
    if node.op_type in _CONVOLUTIONS:
        shape = _shape(types.get(node.input[_CONVOLUTIONS[node.op_type]]))
        window = math.prod(shape[2:])
        stride = max(_attribute(node, "strides") or [1])
        kind = _convolution(node, shape, types)
    return Kernel(
        name=name,
        kind=kind or Kind.MOVE,
        macs=macs or 0,
        read=read,
        written=written,
        weights=weights,
        window=max(1, window),
        stride=max(1, stride),
        is_known=is_known,
        operator=node.op_type,
    )


def kind_of_onnx(node: onnx.NodeProto, constants: set[str]) -> Kind | None:
    """What a node does; None for one that no rule describes."""
    operator = node.op_type
    if operator in _GEMMS:
        weight = node.input[_GEMMS[operator]]
        return Kind.GEMM if weight in constants else Kind.ATTENTION
    kinds = (
        (_POOLS, Kind.POOL),
        (_ELEMENTWISE, Kind.ELEMENTWISE),
        (_TRANSCENDENTAL, Kind.TRANSCENDENTAL),
        (_MOVES, Kind.MOVE),
        ({"Attention", "Einsum", "MultiHeadAttention"}, Kind.ATTENTION),
        (_CONVOLUTIONS, Kind.WINDOW),
    )
    return next((kind for operators, kind in kinds if operator in operators), None)


def _convolution(node: onnx.NodeProto, shape: tuple[int, ...], types: Types) -> Kind:
    group = (_attribute(node, "group") or [1])[0]
    channels = _shape(types.get(node.input[0]))
    if group > 1:
        return Kind.DEPTHWISE if len(channels) > 1 and group == channels[1] else Kind.GROUPED
    return Kind.POINTWISE if math.prod(shape[2:]) == 1 else Kind.WINDOW


def _attribute(node: onnx.NodeProto, name: str) -> list[int]:
    for attribute in node.attribute:
        if attribute.name == name:
            return list(attribute.ints) or [attribute.i]
    return []


def _shape(tensor: TensorType | None) -> tuple[int, ...]:
    return (tensor.shape or ()) if tensor is not None else ()


def _elements(tensor: TensorType | None) -> int:
    return tensor.elements if tensor is not None else 0
