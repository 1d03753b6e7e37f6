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
    "Conv": Operator(
        writer="convolution:conv",
        becomes="CONV_2D, DEPTHWISE_CONV_2D",
        is_integer=True,
    ),
    "DequantizeLinear": Operator(
        writer="quantization:dequantize_linear", becomes="DEQUANTIZE, or nothing", is_integer=True
    ),
    "Flatten": Operator(writer="movement:flatten", becomes="RESHAPE, or nothing", is_integer=True),
    "Gemm": Operator(writer="matrix:gemm", becomes="FULLY_CONNECTED", is_integer=True),
    "GlobalAveragePool": Operator(writer="pooling:global_average_pool", becomes="MEAN", is_integer=True),
    "Identity": Operator(writer="movement:identity", becomes="nothing", is_integer=True),
    "MatMul": Operator(writer="matrix:matmul", becomes="FULLY_CONNECTED, BATCH_MATMUL", is_integer=True),
    "QuantizeLinear": Operator(writer="quantization:quantize_linear", becomes="QUANTIZE, or nothing", is_integer=True),
    "Relu": Operator(writer="activation:relu", becomes="RELU, or fused", is_integer=True),
    "Clip": Operator(writer="activation:clip", becomes="RELU6, RELU, MINIMUM, MAXIMUM, or fused", is_integer=True),
    "Reshape": Operator(writer="movement:reshape", becomes="RESHAPE, or nothing", is_integer=True),
    "Softmax": Operator(writer="activation:softmax", becomes="SOFTMAX", is_integer=True),
    "Squeeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "Transpose": Operator(writer="movement:transpose", becomes="TRANSPOSE, or nothing", is_integer=True),
    "Unsqueeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
}
