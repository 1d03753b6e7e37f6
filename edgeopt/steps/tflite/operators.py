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
    "AffineGrid": Operator(writer="sampling:affine_grid", becomes="BATCH_MATMUL", note="its size must be constant"),
    "AveragePool": Operator(writer="pooling:average_pool", becomes="AVERAGE_POOL_2D", is_integer=True),
    "BatchNormalization": Operator(
        writer="normalization:batch_normalization", becomes="MUL, ADD; nothing behind a Conv"
    ),
    "CenterCropPad": Operator(writer="padding:center_crop_pad", becomes="PAD, SLICE", is_integer=True),
    "Clip": Operator(writer="activation:clip", becomes="RELU6, RELU, MINIMUM, MAXIMUM, or fused", is_integer=True),
    "Col2Im": Operator(writer="rearrangement:col2im", becomes="GATHER, SUM"),
    "Conv": Operator(
        writer="convolution:conv",
        becomes="CONV_2D, DEPTHWISE_CONV_2D, CONV_3D",
        is_integer=True,
    ),
    "ConvInteger": Operator(
        writer="integer_convolution:conv_integer",
        becomes="CONV_2D per block of channels, CAST, ADD",
        note="kernels of more than 258 elements; zero points that are computed",
    ),
    "ConvTranspose": Operator(
        writer="transposed_convolution:conv_transpose",
        becomes="TRANSPOSE_CONV, or PAD and a convolution",
        note="more than three spatial axes",
    ),
    "DeformConv": Operator(
        writer="deformable:deform_conv", becomes="GATHER, MUL, SUM, CONV_2D", note="other than two spatial axes"
    ),
    "DepthToSpace": Operator(writer="rearrangement:depth_to_space", becomes="DEPTH_TO_SPACE", is_integer=True),
    "DequantizeLinear": Operator(
        writer="quantization:dequantize_linear", becomes="DEQUANTIZE, or nothing", is_integer=True
    ),
    "Dropout": Operator(writer="rearrangement:dropout", becomes="nothing", note="training", is_integer=True),
    "Flatten": Operator(writer="movement:flatten", becomes="RESHAPE, or nothing", is_integer=True),
    "Gemm": Operator(writer="matrix:gemm", becomes="FULLY_CONNECTED", is_integer=True),
    "GlobalAveragePool": Operator(writer="pooling:global_average_pool", becomes="MEAN", is_integer=True),
    "GlobalLpPool": Operator(writer="pooling:global_lp_pool", becomes="ABS, POW, SUM"),
    "GlobalMaxPool": Operator(writer="pooling:global_max_pool", becomes="REDUCE_MAX", is_integer=True),
    "GridSample": Operator(writer="sampling:grid_sample", becomes="GATHER, MUL, SUM"),
    "GroupNormalization": Operator(writer="normalization:group_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "Identity": Operator(writer="movement:identity", becomes="nothing", is_integer=True),
    "InstanceNormalization": Operator(writer="normalization:instance_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "LRN": Operator(
        writer="normalization:local_response_normalization", becomes="SQUARE, PAD, AVERAGE_POOL_2D, POW, DIV"
    ),
    "LayerNormalization": Operator(writer="normalization:layer_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "LpNormalization": Operator(writer="normalization:lp_normalization", becomes="SUM, SQRT, DIV"),
    "LpPool": Operator(writer="pooling:lp_pool", becomes="SQUARE or POW, AVERAGE_POOL_2D or GATHER and SUM"),
    "MatMul": Operator(writer="matrix:matmul", becomes="FULLY_CONNECTED, BATCH_MATMUL", is_integer=True),
    "MaxPool": Operator(
        writer="pooling:max_pool", becomes="MAX_POOL_2D, or GATHER and REDUCE_MAX, ARG_MAX for indices", is_integer=True
    ),
    "MaxUnpool": Operator(writer="unpooling:max_unpool", becomes="SCATTER_ND"),
    "MeanVarianceNormalization": Operator(
        writer="normalization:mean_variance_normalization", becomes="MEAN, SQRT, DIV"
    ),
    "Pad": Operator(
        writer="padding:pad",
        becomes="PAD, PADV2, MIRROR_PAD, GATHER, SLICE; nothing before a Conv",
        note="widths must be constant",
        is_integer=True,
    ),
    "QuantizeLinear": Operator(writer="quantization:quantize_linear", becomes="QUANTIZE, or nothing", is_integer=True),
    "RMSNormalization": Operator(writer="normalization:rms_normalization", becomes="MEAN, RSQRT, MUL"),
    "Relu": Operator(writer="activation:relu", becomes="RELU, or fused", is_integer=True),
    "Reshape": Operator(writer="movement:reshape", becomes="RESHAPE, or nothing", is_integer=True),
    "Resize": Operator(
        writer="resize:resize",
        becomes="RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR, GATHER, BATCH_MATMUL, FULLY_CONNECTED",
        note="integers are interpolated by none; scales, sizes and regions must be constant",
        is_integer=True,
    ),
    "RoiAlign": Operator(
        writer="sampling:roi_align", becomes="GATHER, MUL, SUM, MEAN or REDUCE_MAX", note="`sampling_ratio` of 0"
    ),
    "Softmax": Operator(writer="activation:softmax", becomes="SOFTMAX", is_integer=True),
    "SpaceToDepth": Operator(writer="rearrangement:space_to_depth", becomes="SPACE_TO_DEPTH", is_integer=True),
    "Squeeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "Transpose": Operator(writer="movement:transpose", becomes="TRANSPOSE, or nothing", is_integer=True),
    "Unsqueeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "Upsample": Operator(
        writer="resize:upsample",
        becomes="RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR, GATHER, BATCH_MATMUL, FULLY_CONNECTED",
        is_integer=True,
    ),
}
