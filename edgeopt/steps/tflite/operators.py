"""Which writer turns which ONNX operator into TFLite; `docs/operators.md` is made from this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.source import Node

Writer = Callable[[Node, Lowering], None]
_FAMILIES = "edgeopt.steps.tflite.families"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """How an operator is written.

    Attributes:
        writer: `module:function` in `families/`.
        becomes: The TFLite operators that it becomes, for people.
        note: What of it is not converted, for people; empty where all is.
        is_integer: Whether it stays in int8 between quantized tensors.
    """

    writer: str
    becomes: str
    note: str = ""
    is_integer: bool = False

    def load(self) -> Writer:
        """The writer, imported now."""
        module, _, function = self.writer.partition(":")
        return cast(Writer, getattr(import_module(f"{_FAMILIES}.{module}"), function))


# operator of the standard domain -> how it is written
OPERATORS: dict[str, Operator] = {
    "Add": Operator(writer="arithmetic:add", becomes="ADD", is_integer=True),
    "AveragePool": Operator(writer="pooling:average_pool", becomes="AVERAGE_POOL_2D", is_integer=True),
    "BitCast": Operator(writer="ordering:bit_cast", becomes="BITCAST", note="bfloat16, and bits as bool"),
    "Clip": Operator(writer="activation:clip", becomes="RELU6, RELU, MINIMUM, MAXIMUM, or fused", is_integer=True),
    "Concat": Operator(writer="joining:concat", becomes="CONCATENATION", is_integer=True),
    "ConstantOfShape": Operator(
        writer="shapes:constant_of_shape", becomes="a constant", note="a shape that is computed"
    ),
    "Conv": Operator(
        writer="convolution:conv",
        becomes="CONV_2D, DEPTHWISE_CONV_2D",
        is_integer=True,
    ),
    "DequantizeLinear": Operator(
        writer="quantization:dequantize_linear", becomes="DEQUANTIZE, or nothing", is_integer=True
    ),
    "Expand": Operator(writer="joining:expand", becomes="BROADCAST_TO, or nothing", is_integer=True),
    "EyeLike": Operator(writer="shapes:eye_like", becomes="a constant"),
    "Flatten": Operator(writer="movement:flatten", becomes="RESHAPE, or nothing", is_integer=True),
    "Gather": Operator(writer="gathering:gather", becomes="GATHER, SLICE", is_integer=True),
    "GatherElements": Operator(writer="gathering:gather_elements", becomes="GATHER", is_integer=True),
    "GatherND": Operator(writer="gathering:gather_nd", becomes="GATHER_ND", is_integer=True),
    "Gemm": Operator(writer="matrix:gemm", becomes="FULLY_CONNECTED", is_integer=True),
    "GlobalAveragePool": Operator(writer="pooling:global_average_pool", becomes="MEAN", is_integer=True),
    "Identity": Operator(writer="movement:identity", becomes="nothing", is_integer=True),
    "MatMul": Operator(writer="matrix:matmul", becomes="FULLY_CONNECTED, BATCH_MATMUL", is_integer=True),
    "OneHot": Operator(writer="ordering:one_hot", becomes="ONE_HOT", note="a depth that is computed"),
    "QuantizeLinear": Operator(writer="quantization:quantize_linear", becomes="QUANTIZE, or nothing", is_integer=True),
    "Range": Operator(writer="shapes:range_", becomes="a constant", note="bounds that are computed"),
    "Relu": Operator(writer="activation:relu", becomes="RELU, or fused", is_integer=True),
    "Reshape": Operator(writer="movement:reshape", becomes="RESHAPE, or nothing", is_integer=True),
    "ReverseSequence": Operator(writer="ordering:reverse_sequence", becomes="REVERSE_SEQUENCE", is_integer=True),
    "Scatter": Operator(writer="scattering:scatter_elements", becomes="GATHER, SCATTER_ND, SELECT_V2", is_integer=True),
    "ScatterElements": Operator(
        writer="scattering:scatter_elements",
        becomes="GATHER, SCATTER_ND, SELECT_V2, ADD, or a comparison of every place with every update",
        note="reductions `mul`, `min` and `max` of more than 16 million pairs of place and update",
        is_integer=True,
    ),
    "ScatterND": Operator(
        writer="scattering:scatter_nd",
        becomes="GATHER, SCATTER_ND, SELECT_V2, ADD, or a comparison of every place with every update",
        note="reductions `mul`, `min` and `max` of more than 16 million pairs of place and update",
        is_integer=True,
    ),
    "Shape": Operator(writer="shapes:shape_of", becomes="a constant"),
    "Size": Operator(writer="shapes:size", becomes="a constant"),
    "Slice": Operator(
        writer="slicing:slice_",
        becomes="SLICE, STRIDED_SLICE, or nothing",
        note="starts, ends, axes and steps that are computed",
        is_integer=True,
    ),
    "Softmax": Operator(writer="activation:softmax", becomes="SOFTMAX", is_integer=True),
    "Split": Operator(
        writer="slicing:split", becomes="SPLIT, SLICE", note="lengths that are computed", is_integer=True
    ),
    "Squeeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "TensorScatter": Operator(writer="caching:tensor_scatter", becomes="GATHER, SELECT_V2", is_integer=True),
    "Tile": Operator(writer="joining:tile", becomes="TILE", note="repeats that are computed", is_integer=True),
    "TopK": Operator(writer="ordering:top_k", becomes="TOPK_V2", note="a k that is computed", is_integer=True),
    "Transpose": Operator(writer="movement:transpose", becomes="TRANSPOSE, or nothing", is_integer=True),
    "Trilu": Operator(writer="slicing:trilu", becomes="SELECT_V2", note="a diagonal that is computed", is_integer=True),
    "Unsqueeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
}
