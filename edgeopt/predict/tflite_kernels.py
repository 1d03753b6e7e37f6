"""The fused kernels of a TFLite model: an operator is a kernel, activations are inside already."""

from __future__ import annotations

from edgeopt.graph.tflite.costs import macs_of
from edgeopt.graph.tflite.model import Graph, Operator, Tensor, TfliteModel
from edgeopt.predict.kernels import Kernel, Kind

_FREE = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE", "QUANTIZE", "DEQUANTIZE", "CAST", "VAR_HANDLE", "CALL_ONCE"}
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("CONV_2D", "CONV_3D"), Kind.WINDOW),
    "DEPTHWISE_CONV_2D": Kind.DEPTHWISE,
    **dict.fromkeys(
        ("FULLY_CONNECTED", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"), Kind.GEMM
    ),
    "BATCH_MATMUL": Kind.ATTENTION,
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "MEAN", "SUM", "REDUCE_MAX"), Kind.POOL),
    **dict.fromkeys(
        (
            *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
            *("LEAKY_RELU", "PRELU", "ABS", "NEG", "SELECT_V2", "SQUARED_DIFFERENCE", "SQUARE"),
        ),
        Kind.ELEMENTWISE,
    ),
    **dict.fromkeys(
        (
            "LOGISTIC",
            "TANH",
            "EXP",
            "LOG",
            "SQRT",
            "RSQRT",
            "SOFTMAX",
            "LOG_SOFTMAX",
            "HARD_SWISH",
            "GELU",
            "POW",
            "ELU",
        ),
        Kind.TRANSCENDENTAL,
    ),
    **dict.fromkeys(
        (
            *("TRANSPOSE", "CONCATENATION", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "GATHER", "PAD", "PADV2"),
            *("MIRROR_PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "TILE"),
            *("BROADCAST_TO", "PACK", "UNPACK"),
        ),
        Kind.MOVE,
    ),
}
_WEIGHTED = 4  # axes of a convolution's weight: (output, height, width, input)


def tflite_kernels(model: TfliteModel) -> list[Kernel]:
    """Kernels of the main graph, at the lengths that its file holds, in the order in which they run."""
    graph = model.graphs[0]
    return [_kernel(graph, one) for one in graph.operators if one.name not in _FREE or one.is_custom]


def _kernel(graph: Graph, operator: Operator) -> Kernel:
    """The kernel of one operator; one without a rule costs its traffic, and says so."""
    inputs = [graph.tensors[place] for place in operator.inputs if place >= 0]
    outputs = [graph.tensors[place] for place in operator.outputs if place >= 0]
    written = sum(tensor.elements for tensor in outputs)
    macs = macs_of(graph, operator)
    kind = None if operator.is_custom else _KINDS.get(operator.name)
    window, stride = 1, 1
    if kind in (Kind.WINDOW, Kind.DEPTHWISE) and len(inputs) > 1 and len(inputs[1].shape) == _WEIGHTED:
        weight = inputs[1].shape
        window, stride = weight[1] * weight[2], _stride(inputs[0], outputs[0])
        kind = _convolution(kind, window, inputs[0].shape[-1], weight[3])
    return Kernel(
        name=next((tensor.name for tensor in outputs if tensor.name), operator.name),
        kind=kind or Kind.MOVE,
        macs=macs or 0,
        read=sum(tensor.elements for tensor in inputs if not tensor.is_constant),
        written=written,
        weights=sum(tensor.elements for tensor in inputs if tensor.is_constant),
        window=max(1, window),
        stride=stride,
        is_known=macs is not None and kind is not None,
        operator=operator.name,
    )


def _convolution(kind: Kind, window: int, channels: int, depth: int) -> Kind:
    """Of a convolution whose input has `channels`, of which each output channel reads `depth`."""
    if kind is Kind.DEPTHWISE:
        return kind
    if depth != channels:
        return Kind.GROUPED
    return Kind.POINTWISE if window == 1 else Kind.WINDOW


def _stride(data: Tensor, output: Tensor) -> int:
    """The larger step of a window along height and width, told by the lengths before and after."""
    steps = [round(before / after) for before, after in zip(data.shape[1:3], output.shape[1:3], strict=False) if after]
    return max(1, *steps) if steps else 1
