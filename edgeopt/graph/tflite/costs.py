"""What a TFLite model costs to run once: multiply-accumulates, parameters, bytes; counted as those of an ONNX model.

Every rule needs nothing but shapes. Weights lie as LiteRT's kernels read them: those of CONV_2D (output, height, width,
input), of DEPTHWISE_CONV_2D (1, height, width, output), of FULLY_CONNECTED (output, input), of TRANSPOSE_CONV (output,
height, width, input), of CONV_3D (depth, height, width, input, output).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from edgeopt.graph.costs import Cost
from edgeopt.graph.lifetimes import Use, peak_bytes
from edgeopt.graph.tflite.model import Graph, Operator, Tensor, TfliteModel

Operands = Sequence[Tensor | None]
# Operators whose work lies in other graphs, and those of StableHLO, whose shapes alone do not tell their products.
_UNTOLD = frozenset({"IF", "WHILE", "CALL", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"})
_UNCOUNTED = frozenset({"STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CUSTOM_CALL"})
_SCALING = frozenset({"MUL", "DIV", "POW"})
_IN_PLACE = frozenset(
    {
        *("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "HARD_SWISH"),
        *("LOGISTIC", "TANH", "SOFTMAX", "ADD", "MUL", "SUB", "DIV", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"),
    }
)


def cost_of_tflite(model: TfliteModel) -> Cost:
    """Cost of a model at the lengths that its file holds, which are 1 for free axes."""
    main = model.graphs[0]
    counted = [(operator, _macs_in(model, main, operator)) for operator in main.operators]
    parameters, weight_bytes = _weights(model)
    return Cost(
        macs=sum(macs for _, macs in counted if macs),
        parameters=parameters,
        weight_bytes=weight_bytes,
        activation_peak_bytes=_peak_bytes(main),
        unknown=tuple(label_of(main, operator) for operator, macs in counted if macs is None),
    )


def operators_of_tflite(model: TfliteModel) -> dict[str, int]:
    """Number of operators of the main graph by name, the most frequent first; custom ones are `custom.NAME`."""
    names = (f"custom.{one.name}" if one.is_custom else one.name for one in model.graphs[0].operators)
    return dict(Counter(names).most_common())


def macs_of(graph: Graph, operator: Operator) -> int | None:
    """Multiply-accumulates of an operator; None where it is custom or its shapes are not known."""
    if operator.is_custom or operator.name in _UNCOUNTED or operator.name.startswith("UNKNOWN"):
        return None
    if operator.name not in MAC_RULES:
        return 0
    inputs = [graph.tensors[place] if place >= 0 else None for place in operator.inputs]
    outputs = [graph.tensors[place] for place in operator.outputs if place >= 0]
    try:
        return MAC_RULES[operator.name](inputs, outputs[0])
    except (IndexError, ZeroDivisionError):  # an operand or an axis that the rule reads is missing
        return None


def _macs_in(model: TfliteModel, graph: Graph, operator: Operator) -> int | None:
    """As `macs_of`; None for a branch or a loop in a model whose other graphs hold products."""
    if operator.name not in _UNTOLD or operator.is_custom:
        return macs_of(graph, operator)
    others = ((other, one) for other in model.graphs[1:] for one in other.operators)
    return None if any(macs_of(other, one) != 0 for other, one in others) else 0


def _convolution(inputs: Operands, output: Tensor) -> int:
    """Output elements, each a sum over kernel x (input channels / group)."""
    return output.elements * math.prod(_laid(inputs[1], 4)[1:])


def _depthwise(inputs: Operands, output: Tensor) -> int:
    """Output elements, each a sum over the kernel."""
    return output.elements * math.prod(_laid(inputs[1], 4)[1:3])


def _dense(inputs: Operands, output: Tensor) -> int:
    """Output elements, each a sum over the inputs of a row of the weight."""
    return output.elements * _laid(inputs[1], 2)[1]


def _transposed(inputs: Operands, _output: Tensor) -> int:
    """Input elements, each spread over (output channels) x kernel."""
    return _held(inputs[2]).elements * math.prod(_laid(inputs[1], 4)[:3])


def _convolution_3d(inputs: Operands, output: Tensor) -> int:
    """Output elements, each a sum over kernel x input channels."""
    return output.elements * math.prod(_laid(inputs[1], 5)[:4])


def _transposed_3d(inputs: Operands, _output: Tensor) -> int:
    """Input elements, each spread over kernel x output channels."""
    return _held(inputs[2]).elements * math.prod(_laid(inputs[1], 5)[:4])


def _matrix_product(inputs: Operands, output: Tensor) -> int:
    """Output elements, each a sum over the axis that the operands share, however they lie."""
    first = _held(inputs[0]).shape
    rows = output.shape[-2]
    return output.elements * (first[-1] * first[-2] // rows if rows else 0)


def _recurrent(inputs: Operands, _output: Tensor) -> int:
    """Elements of the input over their last axis (steps x batch), each times the elements of all matrices."""
    data = _held(inputs[0])
    matrices = (tensor for tensor in inputs[1:] if tensor and tensor.is_constant and len(tensor.shape) == 2)
    return data.elements // data.shape[-1] * sum(matrix.elements for matrix in matrices)


def _laid(tensor: Tensor | None, rank: int) -> tuple[int, ...]:
    """The shape of a weight, which must have `rank` axes."""
    shape = _held(tensor).shape
    if len(shape) != rank:
        raise IndexError
    return shape


def _held(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise IndexError
    return tensor


MAC_RULES: dict[str, Callable[[Operands, Tensor], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "BATCH_MATMUL": _matrix_product,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "BIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "LSTM": _recurrent,
    "RNN": _recurrent,
    "SVDF": _recurrent,
}


def _weights(model: TfliteModel) -> tuple[int, int]:
    """(elements of weights, bytes of all constants), each place in the file once, however many tensors share it.

    No weights are integers without a scale, which are shapes and indices, and single numbers that do nothing but scale.
    """
    spans, weights = {}, {}
    for graph in model.graphs:
        read = {place for one in graph.operators if one.name not in _SCALING for place in one.inputs}
        for place, tensor in enumerate(graph.tensors):
            if tensor.is_constant:
                spans[tensor.data] = tensor.data[1]
                if _is_weight(tensor, is_read=place in read):
                    weights[tensor.data] = tensor.elements
    return sum(weights.values()), sum(spans.values())


def _is_weight(tensor: Tensor, *, is_read: bool) -> bool:
    """Whether a constant is a weight.

    Args:
        tensor: The constant.
        is_read: Whether an operator reads it that does more than scale.
    """
    is_number = tensor.shape == () or (tensor.elements == 1 and not is_read)
    is_real = "float" in tensor.dtype or bool(tensor.scales)
    return is_real and not is_number


def _peak_bytes(graph: Graph) -> int:
    fixed = _fixed(graph)
    uses = [
        Use(
            reads=_places(operator.inputs, fixed),
            writes=_places(operator.outputs, fixed),
            seen=_places((*operator.inputs, *operator.outputs), fixed),
            is_in_place=operator.name in _IN_PLACE and not operator.is_custom,
        )
        for operator in graph.operators
    ]
    return peak_bytes(
        uses, inputs=graph.inputs, outputs=graph.outputs, size=lambda place: graph.tensors[place].size_bytes
    )


def _fixed(graph: Graph) -> set[int]:
    """Places of constants, and of what DEQUANTIZE makes of one, which runtimes do once."""
    constants = {place for place, tensor in enumerate(graph.tensors) if tensor.is_constant}
    made = (
        operator.outputs
        for operator in graph.operators
        if operator.name == "DEQUANTIZE" and constants.issuperset(operator.inputs)
    )
    return constants.union(*made)


def _places(places: Sequence[int], fixed: set[int]) -> tuple[int, ...]:
    return tuple(place for place in places if place >= 0 and place not in fixed)


def label_of(graph: Graph, operator: Operator) -> str:
    """What a node is called by: its first output, else its operator."""
    names = (graph.tensors[place].name for place in operator.outputs if place >= 0)
    return next(filter(None, names), operator.name)
