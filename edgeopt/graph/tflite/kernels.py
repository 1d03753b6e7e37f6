"""The memory that TFLite Micro's kernels ask for beside their tensors.

Sources: what the interpreter of the package tflite-micro 0.dev20261023 records, which the tests ask for one by one, and
the structures in https://github.com/tensorflow/tflite-micro (tensorflow/lite/micro/kernels). The kernels are the
reference ones; `edgeopt.graph.tflite.cmsis` knows what those of CMSIS-NN take on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeopt.graph.tflite.model import Graph, Operator, Tensor

Sizes = Sequence[int]
Scratch = Callable[[Graph, Operator], Sizes]  # bytes of each buffer that an operator needs while it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Memory that a kernel asks for whatever its shapes are.

    Attributes:
        parameters: Bytes of the operator's options, as TFLite Micro unpacks them.
        words: Pointers in the structure that it keeps.
        data: Bytes of the rest of that structure.
    """

    parameters: int = 0
    words: int = 0
    data: int = 0


KERNELS: dict[str, Kernel] = {
    **dict.fromkeys(("FLOOR", "NEG", "EXP", "SQRT", "SQUARE", "LOG", "SIN", "COS", "CEIL", "ROUND"), Kernel()),
    **dict.fromkeys(("MAXIMUM", "MINIMUM", "TRANSPOSE", "SLICE", "EXPAND_DIMS", "ZEROS_LIKE"), Kernel()),
    **dict.fromkeys(("ABS", "RSQRT", "RELU", "PRELU"), Kernel(data=28)),
    **dict.fromkeys(("LOGISTIC", "TANH"), Kernel(data=16)),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), Kernel(data=32)),
    **dict.fromkeys(("PAD", "PADV2"), Kernel(data=56)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), Kernel(parameters=40, data=32)),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), Kernel(parameters=28, words=2, data=64)),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), Kernel(parameters=1, data=44)),
    **dict.fromkeys(("RESHAPE", "SQUEEZE"), Kernel(parameters=36)),
    **dict.fromkeys(("SPLIT", "SPLIT_V", "ARG_MAX"), Kernel(parameters=4)),
    **dict.fromkeys(("PACK", "UNPACK", "CAST"), Kernel(parameters=8)),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), Kernel(parameters=2)),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), Kernel(parameters=4)),
    "ADD": Kernel(parameters=8, data=60),
    "SUB": Kernel(parameters=8, data=52),
    "MUL": Kernel(parameters=4, data=36),
    "DIV": Kernel(parameters=4, data=28),
    "SQUARED_DIFFERENCE": Kernel(data=112),
    "RELU6": Kernel(data=8),
    "HARD_SWISH": Kernel(data=20),
    "ELU": Kernel(data=256),
    "LEAKY_RELU": Kernel(parameters=4, data=24),
    "SOFTMAX": Kernel(parameters=4, words=5, data=40),
    "LOG_SOFTMAX": Kernel(),
    "L2_NORMALIZATION": Kernel(parameters=4, data=4),
    "L2_POOL_2D": Kernel(parameters=40, data=20),
    "FULLY_CONNECTED": Kernel(parameters=32, words=2, data=56),
    "TRANSPOSE_CONV": Kernel(parameters=20, words=2, data=72),
    "BATCH_MATMUL": Kernel(parameters=3, words=3, data=8),
    "CONCATENATION": Kernel(parameters=8, data=80),
    "MIRROR_PAD": Kernel(parameters=4, data=20),
    "STRIDED_SLICE": Kernel(parameters=24, data=84),
    "GATHER": Kernel(parameters=8),
}
ASSUMED = Kernel(parameters=16, words=2, data=48)  # of a kernel that is not in the table: such as most are
_EVAL_TENSOR_WORDS, _EVAL_TENSOR_BYTES = 2, 4


def kept_arrays(graph: Graph, operator: Operator, word_bytes: int) -> Sizes:
    """Bytes of each array that a kernel keeps from one inference to the next."""
    rule = _ARRAYS.get(operator.name)
    return rule(_Operands(graph, operator), word_bytes) if rule else ()


def scratch_buffers(graph: Graph, operator: Operator) -> Sizes:
    """Bytes of each buffer that a kernel needs while it runs."""
    rule = _SCRATCH.get(operator.name)
    return rule(_Operands(graph, operator)) if rule else ()


class _Operands:
    """The tensors of an operator.

    Args:
        graph: The graph that it is in.
        operator: The operator.
    """

    def __init__(self, graph: Graph, operator: Operator) -> None:
        self._graph, self._operator = graph, operator

    def read(self, place: int) -> Tensor | None:
        """The input at a place; None where it is left out."""
        inputs = self._operator.inputs
        return self._graph.tensors[inputs[place]] if place < len(inputs) and inputs[place] >= 0 else None

    def made(self) -> Tensor | None:
        """The first output."""
        return next((self._graph.tensors[place] for place in self._operator.outputs if place >= 0), None)


def _per_channel(places: tuple[int, int], *, axis: int | None) -> Callable[[_Operands, int], Sizes]:
    """Multiplier and shift of each output channel, 32 bits each.

    Args:
        places: Of the weights and of what they multiply, among the inputs.
        axis: Of the channels; None for a kernel that keeps them only where the scales differ by channel.
    """

    def arrays(operands: _Operands, _word_bytes: int) -> Sizes:
        weights, data = operands.read(places[0]), operands.read(places[1])
        if weights is None or data is None:
            return ()
        if axis is None:
            count = len(weights.scales) if "float" not in data.dtype and len(weights.scales) > 1 else 0
        else:
            count = weights.shape[axis] if len(weights.shape) == 4 else 0
        return (4 * count, 4 * count) if count else ()

    return arrays


def _product_arrays(operands: _Operands, word_bytes: int) -> Sizes:
    """What BATCH_MATMUL keeps: the shape of its output, and each operand transposed as its loops read it.

    They read the first by rows and the second by columns. Whether an operand comes transposed is told by its shape; a
    square one is taken not to.
    """
    first, second, output = operands.read(0), operands.read(1), operands.made()
    if first is None or second is None or output is None or min(len(one.shape) for one in (first, second, output)) < 2:
        return ()
    arrays = [_shape_bytes(output)]
    if first.dtype == "int8":
        arrays.append(28)
    if first.shape[-2] != output.shape[-2]:
        arrays += _transposed(first, word_bytes)
    if second.shape[-1] == output.shape[-1]:
        arrays += _transposed(second, word_bytes)
    return arrays


def _transposed(tensor: Tensor, word_bytes: int) -> list[int]:
    struct = _EVAL_TENSOR_WORDS * word_bytes + _EVAL_TENSOR_BYTES
    return [struct + -struct % word_bytes, _shape_bytes(tensor), tensor.size_bytes]


def _shape_bytes(tensor: Tensor) -> int:
    """Of a length and as many numbers of 32 bits."""
    return 4 + 4 * len(tensor.shape)


def _output_shape(operands: _Operands, _word_bytes: int) -> Sizes:
    output = operands.made()
    return (_shape_bytes(output),) if output else ()


def _softmax_tables(operands: _Operands, _word_bytes: int) -> Sizes:
    """Of the exponential and of the reciprocal, 513 steps of 16 bits each, for int16."""
    data = operands.read(0)
    return (1026, 1026) if data is not None and data.dtype == "int16" else ()


def _log_softmax_data(operands: _Operands, _word_bytes: int) -> Sizes:
    data = operands.read(0)
    return (40,) if data is not None and data.dtype == "int8" else ()


_ARRAYS: dict[str, Callable[[_Operands, int], Sizes]] = {
    "CONV_2D": _per_channel((1, 0), axis=0),
    "DEPTHWISE_CONV_2D": _per_channel((1, 0), axis=3),
    "TRANSPOSE_CONV": _per_channel((1, 2), axis=0),
    "FULLY_CONNECTED": _per_channel((1, 0), axis=None),
    "BATCH_MATMUL": _product_arrays,
    "GATHER": _output_shape,
    "DEPTH_TO_SPACE": _output_shape,
    "SPACE_TO_DEPTH": _output_shape,
    "SOFTMAX": _softmax_tables,
    "LOG_SOFTMAX": _log_softmax_data,
}


def _unpacked_weights(operands: _Operands) -> Sizes:
    """Weights of 4 bits, a byte each."""
    weights = operands.read(1)
    return (weights.elements,) if weights is not None and weights.dtype == "int4" else ()


def _transposed_sums(operands: _Operands) -> Sizes:
    """A sum per output element: 32 bits for int8, 64 for int16; and unpacked weights."""
    data, output = operands.read(2), operands.made()
    if data is None or output is None:
        return ()
    width = {"int8": 4, "int16": 8}.get(data.dtype, 0)
    return (output.elements * width,) if width else ()


def _reduction(*, has_sums: bool) -> Callable[[_Operands], Sizes]:
    """An index per axis, the axes that are reduced, and for integers a sum of 32 bits per output element.

    Args:
        has_sums: Whether it sums.
    """

    def scratch(operands: _Operands) -> Sizes:
        data, axes, output = operands.read(0), operands.read(1), operands.made()
        if data is None or axes is None or output is None:
            return ()
        sums = (4 * output.elements,) if has_sums and data.dtype in {"int8", "int16"} else ()
        return (4 * len(data.shape), 4 * math.prod(axes.shape), *sums)

    return scratch


def _mirrored(operands: _Operands) -> Sizes:
    """Two numbers of 32 bits per axis."""
    data = operands.read(0)
    return (4 * len(data.shape), 4 * len(data.shape)) if data is not None else ()


_SCRATCH: dict[str, Callable[[_Operands], Sizes]] = {
    "CONV_2D": _unpacked_weights,
    "DEPTHWISE_CONV_2D": _unpacked_weights,
    "FULLY_CONNECTED": _unpacked_weights,
    "TRANSPOSE_CONV": _transposed_sums,
    "MEAN": _reduction(has_sums=True),
    "SUM": _reduction(has_sums=True),
    "REDUCE_MAX": _reduction(has_sums=False),
    "REDUCE_MIN": _reduction(has_sums=False),
    "MIRROR_PAD": _mirrored,
}
