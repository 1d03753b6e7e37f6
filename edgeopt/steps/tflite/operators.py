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
    "Abs": Operator(writer="unary:absolute", becomes="ABS"),
    "Acos": Operator(writer="unary:unary", becomes="ATAN2, SQRT"),
    "Acosh": Operator(writer="unary:unary", becomes="LOG, SQRT"),
    "Add": Operator(writer="arithmetic:add_sub_mul", becomes="ADD, or fused", is_integer=True),
    "AffineGrid": Operator(writer="sampling:affine_grid", becomes="BATCH_MATMUL", note="its size must be constant"),
    "And": Operator(writer="comparison:logic", becomes="LOGICAL_AND"),
    "ArgMax": Operator(writer="ranking:place_of_extreme", becomes="ARG_MAX", is_integer=True),
    "ArgMin": Operator(writer="ranking:place_of_extreme", becomes="ARG_MIN", is_integer=True),
    "Asin": Operator(writer="unary:unary", becomes="ATAN2, SQRT"),
    "Asinh": Operator(writer="unary:unary", becomes="LOG, SQRT"),
    "Atan": Operator(writer="unary:unary", becomes="ATAN2"),
    "Atanh": Operator(writer="unary:unary", becomes="LOG"),
    "AveragePool": Operator(writer="pooling:average_pool", becomes="AVERAGE_POOL_2D", is_integer=True),
    "BatchNormalization": Operator(
        writer="normalization:batch_normalization", becomes="MUL, ADD; nothing behind a Conv"
    ),
    "BitCast": Operator(writer="ordering:bit_cast", becomes="BITCAST", note="bfloat16, and bits as bool"),
    "BitShift": Operator(writer="bitwise:bit_shift", becomes="RIGHT_SHIFT, MUL"),
    "BitwiseAnd": Operator(writer="bitwise:bitwise", becomes="BITWISE_XOR, ADD, RIGHT_SHIFT"),
    "BitwiseNot": Operator(writer="bitwise:bitwise_not", becomes="BITWISE_XOR"),
    "BitwiseOr": Operator(writer="bitwise:bitwise", becomes="BITWISE_XOR, ADD, RIGHT_SHIFT"),
    "BitwiseXor": Operator(writer="bitwise:bitwise", becomes="BITWISE_XOR"),
    "Cast": Operator(
        writer="casting:cast", becomes="CAST", note="strings, and types of 8 bits and fewer that are no integers of 8"
    ),
    "CastLike": Operator(
        writer="casting:cast", becomes="CAST", note="strings, and types of 8 bits and fewer that are no integers of 8"
    ),
    "Ceil": Operator(writer="unary:unary", becomes="FLOOR, NEG"),
    "Celu": Operator(writer="activation:formula", becomes="RELU, EXP"),
    "CenterCropPad": Operator(writer="padding:center_crop_pad", becomes="PAD, SLICE", is_integer=True),
    "Clip": Operator(writer="activation:clip", becomes="RELU, RELU6, MAXIMUM, MINIMUM, or fused", is_integer=True),
    "Col2Im": Operator(writer="rearrangement:col2im", becomes="GATHER, SUM"),
    "Compress": Operator(
        writer="picking:compress",
        becomes="GATHER, WHERE",
        note="what reads its result, unless the condition is constant",
        is_integer=True,
    ),
    "Concat": Operator(writer="joining:concat", becomes="CONCATENATION", is_integer=True),
    "ConcatFromSequence": Operator(
        writer="sequences:concat",
        becomes="CONCATENATION",
        note="computed positions; sequences as inputs or outputs",
        is_integer=True,
    ),
    "ConstantOfShape": Operator(
        writer="shapes:constant_of_shape", becomes="a constant", note="a shape that is computed"
    ),
    "Conv": Operator(writer="convolution:conv", becomes="CONV_2D, DEPTHWISE_CONV_2D, CONV_3D", is_integer=True),
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
    "Cos": Operator(writer="unary:unary", becomes="COS"),
    "Cosh": Operator(writer="unary:unary", becomes="EXP"),
    "CumProd": Operator(writer="accumulation:cumulative_product", becomes="MUL, SLICE, CONCATENATION"),
    "CumSum": Operator(writer="accumulation:cumulative_sum", becomes="CUMSUM"),
    "DeformConv": Operator(
        writer="deformable:deform_conv", becomes="GATHER, MUL, SUM, CONV_2D", note="other than two spatial axes"
    ),
    "DepthToSpace": Operator(writer="rearrangement:depth_to_space", becomes="DEPTH_TO_SPACE", is_integer=True),
    "DequantizeLinear": Operator(
        writer="quantization:dequantize_linear", becomes="DEQUANTIZE, or nothing", is_integer=True
    ),
    "Det": Operator(writer="determinant:det", becomes="SLICE, MUL, SUB", note="matrices of more than 5 rows"),
    "DFT": Operator(writer="signals:dft", becomes="FULLY_CONNECTED", note="a length or axis that is computed"),
    "Div": Operator(writer="arithmetic:div", becomes="DIV, or fused"),
    "Dropout": Operator(writer="rearrangement:dropout", becomes="nothing", note="training", is_integer=True),
    "Einsum": Operator(writer="einsum:einsum", becomes="BATCH_MATMUL, SUM, TRANSPOSE"),
    "Elu": Operator(writer="activation:formula", becomes="RELU, EXP"),
    "Equal": Operator(writer="comparison:equal", becomes="EQUAL"),
    "Erf": Operator(writer="unary:unary", becomes="a rational function of MUL, ADD, DIV, or GELU"),
    "Exp": Operator(writer="unary:unary", becomes="EXP"),
    "Expand": Operator(writer="joining:expand", becomes="BROADCAST_TO, or nothing", is_integer=True),
    "EyeLike": Operator(writer="shapes:eye_like", becomes="a constant"),
    "Flatten": Operator(writer="movement:flatten", becomes="RESHAPE, or nothing", is_integer=True),
    "Floor": Operator(writer="unary:unary", becomes="FLOOR"),
    "Gather": Operator(writer="gathering:gather", becomes="GATHER, SLICE", is_integer=True),
    "GatherElements": Operator(writer="gathering:gather_elements", becomes="GATHER", is_integer=True),
    "GatherND": Operator(writer="gathering:gather_nd", becomes="GATHER_ND", is_integer=True),
    "Gelu": Operator(writer="activation:direct", becomes="GELU", is_integer=True),
    "Gemm": Operator(writer="matrix:gemm", becomes="FULLY_CONNECTED", is_integer=True),
    "GlobalAveragePool": Operator(writer="pooling:global_average_pool", becomes="MEAN", is_integer=True),
    "GlobalLpPool": Operator(writer="pooling:global_lp_pool", becomes="ABS, POW, SUM"),
    "GlobalMaxPool": Operator(writer="pooling:global_max_pool", becomes="REDUCE_MAX", is_integer=True),
    "Greater": Operator(writer="comparison:order", becomes="GREATER"),
    "GreaterOrEqual": Operator(writer="comparison:order", becomes="GREATER_EQUAL"),
    "GridSample": Operator(writer="sampling:grid_sample", becomes="GATHER, MUL, SUM"),
    "GroupNormalization": Operator(writer="normalization:group_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "GRU": Operator(
        writer="recurrent:gru",
        becomes="FULLY_CONNECTED, SPLIT, LOGISTIC, TANH, MUL, ADD per step",
        note="at most 512 steps",
    ),
    "Hardmax": Operator(writer="normalized:hardmax", becomes="ARG_MAX, EQUAL"),
    "HardSigmoid": Operator(writer="activation:formula", becomes="ADD, RELU6, MUL"),
    "HardSwish": Operator(writer="activation:direct", becomes="HARD_SWISH", is_integer=True),
    "Identity": Operator(writer="movement:identity", becomes="nothing", is_integer=True),
    "InstanceNormalization": Operator(writer="normalization:instance_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "IsInf": Operator(writer="comparison:is_inf", becomes="EQUAL"),
    "IsNaN": Operator(writer="comparison:is_nan", becomes="NOT_EQUAL"),
    "LayerNormalization": Operator(writer="normalization:layer_normalization", becomes="MEAN, RSQRT, MUL, ADD"),
    "LeakyRelu": Operator(writer="activation:direct", becomes="LEAKY_RELU", is_integer=True),
    "Less": Operator(writer="comparison:order", becomes="LESS"),
    "LessOrEqual": Operator(writer="comparison:order", becomes="LESS_EQUAL"),
    "Log": Operator(writer="unary:unary", becomes="LOG"),
    "LogSoftmax": Operator(writer="normalized:log_softmax", becomes="LOG_SOFTMAX", is_integer=True),
    "LpNormalization": Operator(writer="normalization:lp_normalization", becomes="SUM, SQRT, DIV"),
    "LpPool": Operator(writer="pooling:lp_pool", becomes="SQUARE or POW, AVERAGE_POOL_2D or GATHER and SUM"),
    "LRN": Operator(
        writer="normalization:local_response_normalization", becomes="SQUARE, PAD, AVERAGE_POOL_2D, POW, DIV"
    ),
    "LSTM": Operator(
        writer="recurrent:lstm",
        becomes="FULLY_CONNECTED, SPLIT, LOGISTIC, TANH, MUL, ADD per step",
        note="at most 512 steps",
    ),
    "MatMul": Operator(writer="matrix:matmul", becomes="FULLY_CONNECTED, BATCH_MATMUL", is_integer=True),
    "MatMulInteger": Operator(writer="product:matmul_integer", becomes="BATCH_MATMUL, ADD"),
    "Max": Operator(writer="arithmetic:extreme", becomes="MAXIMUM", is_integer=True),
    "MaxPool": Operator(
        writer="pooling:max_pool", becomes="MAX_POOL_2D, or GATHER and REDUCE_MAX, ARG_MAX for indices", is_integer=True
    ),
    "MaxRoiPool": Operator(
        writer="region_pooling:max_roi_pool", becomes="GATHER, REDUCE_MAX", note="regions that are computed"
    ),
    "MaxUnpool": Operator(writer="unpooling:max_unpool", becomes="SCATTER_ND"),
    "Mean": Operator(writer="arithmetic:variadic", becomes="ADD, MUL"),
    "MeanVarianceNormalization": Operator(
        writer="normalization:mean_variance_normalization", becomes="MEAN, SQRT, DIV"
    ),
    "Min": Operator(writer="arithmetic:extreme", becomes="MINIMUM", is_integer=True),
    "Mish": Operator(writer="activation:formula", becomes="EXP, DIV, MUL"),
    "Mod": Operator(writer="arithmetic:mod", becomes="FLOOR_MOD", note="float64"),
    "Mul": Operator(writer="arithmetic:add_sub_mul", becomes="MUL, or fused", is_integer=True),
    "Neg": Operator(writer="unary:negative", becomes="NEG"),
    "NonMaxSuppression": Operator(
        writer="detection:non_max_suppression",
        becomes="NON_MAX_SUPPRESSION_V4 on sorted boxes",
        note="what reads its result; thresholds that are computed",
    ),
    "NonZero": Operator(
        writer="picking:non_zero",
        becomes="WHERE, TRANSPOSE",
        note="what reads its result: only an output can have as many elements as the data say",
    ),
    "Not": Operator(writer="comparison:logical_not", becomes="LOGICAL_NOT"),
    "OneHot": Operator(writer="ordering:one_hot", becomes="ONE_HOT", note="a depth that is computed"),
    "Optional": Operator(
        writer="sequences:optional", becomes="nothing", note="values that are absent", is_integer=True
    ),
    "OptionalGetElement": Operator(
        writer="sequences:optional", becomes="nothing", note="values that are absent", is_integer=True
    ),
    "OptionalHasElement": Operator(
        writer="sequences:has_element", becomes="a constant", note="inputs that may be absent"
    ),
    "Or": Operator(writer="comparison:logic", becomes="LOGICAL_OR"),
    "Pad": Operator(
        writer="padding:pad",
        becomes="PAD, PADV2, MIRROR_PAD, GATHER, SLICE; nothing before a Conv",
        note="widths must be constant",
        is_integer=True,
    ),
    "Pow": Operator(writer="power:power", becomes="MUL, SQRT, POW"),
    "PRelu": Operator(writer="activation:prelu", becomes="PRELU", is_integer=True),
    "QuantizeLinear": Operator(writer="quantization:quantize_linear", becomes="QUANTIZE, or nothing", is_integer=True),
    "Range": Operator(writer="shapes:range_", becomes="a constant", note="bounds that are computed"),
    "Reciprocal": Operator(writer="unary:unary", becomes="DIV"),
    "ReduceL1": Operator(writer="reduction:reduce", becomes="ABS, SUM"),
    "ReduceL2": Operator(writer="reduction:reduce", becomes="MUL, SUM, SQRT"),
    "ReduceLogSum": Operator(writer="reduction:reduce", becomes="SUM, LOG"),
    "ReduceLogSumExp": Operator(writer="reduction:reduce", becomes="REDUCE_MAX, EXP, SUM, LOG"),
    "ReduceMax": Operator(writer="reduction:reduce", becomes="REDUCE_MAX", is_integer=True),
    "ReduceMean": Operator(writer="reduction:reduce", becomes="MEAN", is_integer=True),
    "ReduceMin": Operator(writer="reduction:reduce", becomes="REDUCE_MIN", is_integer=True),
    "ReduceProd": Operator(writer="reduction:reduce", becomes="REDUCE_PROD"),
    "ReduceSum": Operator(writer="reduction:reduce", becomes="SUM"),
    "ReduceSumSquare": Operator(writer="reduction:reduce", becomes="MUL, SUM"),
    "Relu": Operator(writer="activation:relu", becomes="RELU, or fused", is_integer=True),
    "Reshape": Operator(writer="movement:reshape", becomes="RESHAPE, or nothing", is_integer=True),
    "Resize": Operator(
        writer="resize:resize",
        becomes="RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR, GATHER, BATCH_MATMUL, FULLY_CONNECTED",
        note="integers are interpolated by none; scales, sizes and regions must be constant",
        is_integer=True,
    ),
    "ReverseSequence": Operator(writer="ordering:reverse_sequence", becomes="REVERSE_SEQUENCE", is_integer=True),
    "RMSNormalization": Operator(writer="normalization:rms_normalization", becomes="MEAN, RSQRT, MUL"),
    "RNN": Operator(writer="recurrent:rnn", becomes="FULLY_CONNECTED, ADD, TANH per step", note="at most 512 steps"),
    "RoiAlign": Operator(
        writer="sampling:roi_align", becomes="GATHER, MUL, SUM, MEAN or REDUCE_MAX", note="`sampling_ratio` of 0"
    ),
    "Round": Operator(writer="unary:unary", becomes="ADD, SUB"),
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
    "Selu": Operator(writer="activation:formula", becomes="RELU, EXP"),
    "SequenceAt": Operator(
        writer="sequences:at",
        becomes="nothing",
        note="computed positions; sequences as inputs or outputs",
        is_integer=True,
    ),
    "SequenceConstruct": Operator(
        writer="sequences:construct",
        becomes="nothing",
        note="computed positions; sequences as inputs or outputs",
        is_integer=True,
    ),
    "SequenceEmpty": Operator(
        writer="sequences:construct", becomes="nothing", note="computed positions; sequences as inputs or outputs"
    ),
    "SequenceErase": Operator(
        writer="sequences:erase",
        becomes="nothing",
        note="computed positions; sequences as inputs or outputs",
        is_integer=True,
    ),
    "SequenceInsert": Operator(
        writer="sequences:insert",
        becomes="nothing",
        note="computed positions; sequences as inputs or outputs",
        is_integer=True,
    ),
    "SequenceLength": Operator(
        writer="sequences:length", becomes="a constant", note="computed positions; sequences as inputs or outputs"
    ),
    "Shape": Operator(writer="shapes:shape_of", becomes="a constant"),
    "Shrink": Operator(writer="activation:formula", becomes="SELECT_V2"),
    "Sigmoid": Operator(writer="activation:direct", becomes="LOGISTIC", is_integer=True),
    "Sign": Operator(writer="unary:sign", becomes="SIGN"),
    "Sin": Operator(writer="unary:unary", becomes="SIN"),
    "Sinh": Operator(writer="unary:unary", becomes="TANH, EXP"),
    "Size": Operator(writer="shapes:size", becomes="a constant"),
    "Slice": Operator(
        writer="slicing:slice_",
        becomes="SLICE, STRIDED_SLICE, or nothing",
        note="starts, ends, axes and steps that are computed",
        is_integer=True,
    ),
    "Softmax": Operator(writer="normalized:softmax", becomes="SOFTMAX", is_integer=True),
    "Softplus": Operator(writer="activation:formula", becomes="EXP, LOG"),
    "Softsign": Operator(writer="activation:formula", becomes="ABS, DIV"),
    "SpaceToDepth": Operator(writer="rearrangement:space_to_depth", becomes="SPACE_TO_DEPTH", is_integer=True),
    "Split": Operator(
        writer="slicing:split", becomes="SPLIT, SLICE", note="lengths that are computed", is_integer=True
    ),
    "SplitToSequence": Operator(
        writer="sequences:split", becomes="SLICE", note="computed lengths; sequences as outputs", is_integer=True
    ),
    "Sqrt": Operator(writer="unary:unary", becomes="SQRT"),
    "Squeeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "STFT": Operator(writer="signals:stft", becomes="CONV_2D", note="a step or length that is computed"),
    "Sub": Operator(writer="arithmetic:add_sub_mul", becomes="SUB", is_integer=True),
    "Sum": Operator(writer="arithmetic:variadic", becomes="ADD"),
    "Swish": Operator(writer="activation:formula", becomes="LOGISTIC, MUL"),
    "Tan": Operator(writer="unary:unary", becomes="SIN, COS, DIV"),
    "Tanh": Operator(writer="activation:direct", becomes="TANH", is_integer=True),
    "TensorScatter": Operator(writer="caching:tensor_scatter", becomes="GATHER, SELECT_V2", is_integer=True),
    "TfIdfVectorizer": Operator(
        writer="counting:tf_idf_vectorizer", becomes="EQUAL, SUM", note="words; weights in another order than outputs"
    ),
    "ThresholdedRelu": Operator(writer="activation:formula", becomes="SELECT_V2"),
    "Tile": Operator(writer="joining:tile", becomes="TILE", note="repeats that are computed", is_integer=True),
    "TopK": Operator(writer="ordering:top_k", becomes="TOPK_V2", note="a k that is computed", is_integer=True),
    "Transpose": Operator(writer="movement:transpose", becomes="TRANSPOSE, or nothing", is_integer=True),
    "Trilu": Operator(writer="slicing:trilu", becomes="SELECT_V2", note="a diagonal that is computed", is_integer=True),
    "Unique": Operator(
        writer="unique:unique",
        becomes="a comparison of every part with every other",
        note="what reads its result; more than 16 million compared elements; NaN",
    ),
    "Unsqueeze": Operator(writer="movement:reshape", becomes="RESHAPE", is_integer=True),
    "Upsample": Operator(
        writer="resize:upsample",
        becomes="RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR, GATHER, BATCH_MATMUL, FULLY_CONNECTED",
        is_integer=True,
    ),
    "Where": Operator(writer="comparison:where", becomes="SELECT_V2", is_integer=True),
    "Xor": Operator(writer="comparison:logic", becomes="NOT_EQUAL"),
}
