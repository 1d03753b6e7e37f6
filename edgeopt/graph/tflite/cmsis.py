"""Scratch memory that TFLite Micro's int8 kernels take on top where they are those of CMSIS-NN.

The sizes are those of CMSIS-NN's arm_*_get_buffer_size functions (https://github.com/ARM-software/CMSIS-NN,
Source/ConvolutionFunctions, Source/PoolingFunctions, Source/FullyConnectedFunctions), read there and not run here.
Where a size hangs on padding or on the release, the larger is taken.
"""

from __future__ import annotations

import math

from edgeopt.graph.tflite.kernels import Scratch, Sizes, scratch_buffers
from edgeopt.graph.tflite.model import Graph, Operator, Tensor
from edgeopt.graph.tflite.packing import aligned

_CHANNELS_AT_ONCE = 124  # of a depthwise convolution with vectors: CH_IN_BLOCK_MVE


def scratch_with_cmsis(*, has_vectors: bool) -> Scratch:
    """The rule for scratch buffers of an operator with CMSIS-NN.

    Args:
        has_vectors: Whether the core has Helium (MVE); otherwise it is one with the DSP extension.
    """

    def scratch(graph: Graph, operator: Operator) -> Sizes:
        extra = _vector_bytes(graph, operator) if has_vectors else _dsp_bytes(graph, operator)
        return (*scratch_buffers(graph, operator), extra) if extra else scratch_buffers(graph, operator)

    return scratch


def _dsp_bytes(graph: Graph, operator: Operator) -> int:
    """Two columns of a convolution in int16, a depthwise kernel of all channels in int16, a sum per channel."""
    data, weights = _int8_operands(graph, operator)
    if data is None:
        return 0
    if operator.name == "AVERAGE_POOL_2D":
        return 4 * data.shape[-1]
    if weights is None or len(weights.shape) != 4:
        return 0
    if operator.name == "CONV_2D":
        return 2 * aligned(math.prod(weights.shape[1:]), 4) * 2
    return math.prod(weights.shape[1:]) * 2 if operator.name == "DEPTHWISE_CONV_2D" else 0


def _vector_bytes(graph: Graph, operator: Operator) -> int:
    """Four columns of a convolution in int8, four depthwise kernels of a block of channels, a sum per dense output."""
    data, weights = _int8_operands(graph, operator)
    if data is None or weights is None or not weights.shape:
        return 0
    if operator.name == "FULLY_CONNECTED":
        return 4 * weights.shape[0]
    if len(weights.shape) != 4:
        return 0
    if operator.name == "CONV_2D":
        is_single = weights.shape[1:3] == (1, 1)
        return 0 if is_single else 4 * aligned(math.prod(weights.shape[1:]), 16)
    return 4 * _CHANNELS_AT_ONCE * math.prod(weights.shape[1:3]) if operator.name == "DEPTHWISE_CONV_2D" else 0


def _int8_operands(graph: Graph, operator: Operator) -> tuple[Tensor | None, Tensor | None]:
    """(data, weights) of an operator that reads int8, each None where it has none."""
    read = [graph.tensors[place] if place >= 0 else None for place in operator.inputs[:2]]
    data, weights = (*read, None, None)[:2]
    return (data, weights) if data is not None and data.dtype == "int8" and data.shape else (None, None)
