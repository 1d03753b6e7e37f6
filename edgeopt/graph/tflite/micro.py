"""What TFLite Micro runs: its operators, and the types that their kernels refuse.

Source: the interpreter of the package tflite-micro 0.dev20261023, which the tests ask for each
(https://github.com/tensorflow/tflite-micro, tensorflow/lite/micro/micro_mutable_op_resolver.h).
"""

from __future__ import annotations

# What its resolver finds, by name in the schema.
MICRO_OPERATORS = frozenset(
    {
        *("ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "BATCH_MATMUL"),
        *("BATCH_TO_SPACE_ND", "BROADCAST_ARGS", "BROADCAST_TO", "CALL_ONCE", "CAST", "CEIL", "CONCATENATION"),
        *("CONV_2D", "COS", "CUMSUM", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV"),
        *("DYNAMIC_UPDATE_SLICE", "ELU", "EMBEDDING_LOOKUP", "EQUAL", "EXP", "EXPAND_DIMS", "FILL", "FLOOR"),
        *("FLOOR_DIV", "FLOOR_MOD", "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GREATER", "GREATER_EQUAL"),
        *("HARD_SWISH", "IF", "L2_NORMALIZATION", "L2_POOL_2D", "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG"),
        *("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN"),
        *("MINIMUM", "MIRROR_PAD", "MUL", "NEG", "NOT_EQUAL", "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE"),
        *("READ_VARIABLE", "REDUCE_ALL", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR"),
        *("RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "ROUND", "RSQRT", "SELECT_V2", "SHAPE", "SIN", "SLICE", "SOFTMAX"),
        *("SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE"),
        *("SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "SVDF", "TANH", "TRANSPOSE", "TRANSPOSE_CONV"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK", "VAR_HANDLE", "WHILE", "ZEROS_LIKE"),
    }
)
# Custom operators that it finds.
MICRO_CUSTOM_OPERATORS = frozenset(
    {
        *("CIRCULAR_BUFFER", "TFLite_Detection_PostProcess", "TFLM_DECODE", "SignalDelay", "SignalEnergy"),
        *("SignalFftAutoScale", "SignalFilterBank", "SignalFilterBankLog", "SignalFilterBankSpectralSubtraction"),
        *("SignalFilterBankSquareRoot", "SignalFramer", "SignalIrfft", "SignalOverlapAdd", "SignalPCAN"),
        *("SignalRfft", "SignalStacker", "SignalWindow"),
    }
)
ETHOS_U = "ethos-u"  # what Vela writes in place of operators; builds for that unit alone find it
_ARITHMETIC = frozenset({"ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"})
_MOVES = frozenset({"PAD", "PADV2", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK"})
_ELEMENTWISE = frozenset({"ABS", "COS", "FLOOR", "LOG", "NEG", "RSQRT", "SIN", "SQRT", "SQUARE"})
_REAL = frozenset(  # of numbers that are real, or that a scale makes so
    {
        *_ELEMENTWISE,
        *("ARG_MAX", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CEIL", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE"),
        *("DIV", "ELU", "EXP", "EXPAND_DIMS", "FULLY_CONNECTED", "GATHER", "HARD_SWISH", "L2_NORMALIZATION"),
        *("L2_POOL_2D", "LEAKY_RELU", "LOGISTIC", "LOG_SOFTMAX", "MAX_POOL_2D", "MEAN", "MIRROR_PAD", "PRELU"),
        *("REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "ROUND"),
        *("SOFTMAX", "SPACE_TO_DEPTH", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV"),
    }
)
# Operators whose kernels refuse a type in all that they read and make; of those that KERNELS in kernels.py names.
REFUSED_TYPES: dict[str, frozenset[str]] = {
    "int8": (_ELEMENTWISE - {"ABS", "RSQRT"}) | {"CEIL", "EXP", "L2_POOL_2D", "ROUND"},
    "int32": _REAL,
    "int64": _REAL | _ARITHMETIC | _MOVES,
}
