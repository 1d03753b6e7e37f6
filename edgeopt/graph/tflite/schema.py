"""Numbers of the TFLite schema: fields of its tables, element types and operators.

Source: schema.fbs of LiteRT 2.3 (https://github.com/google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs). The
tests hold them to the module that `ai_edge_litert` carries; reading a file needs no LiteRT.
"""

from __future__ import annotations

from enum import IntEnum

IDENTIFIER = b"TFL3"
VERSION = 3


class Model(IntEnum):
    """Fields of the root table."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    DESCRIPTION = 3
    BUFFERS = 4
    METADATA = 6
    SIGNATURE_DEFS = 7


class SubGraph(IntEnum):
    """Fields of a graph."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class Tensor(IntEnum):
    """Fields of a tensor."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    IS_VARIABLE = 5
    SHAPE_SIGNATURE = 7


class QuantizationParameters(IntEnum):
    """Fields of the quantization of a tensor."""

    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    QUANTIZED_DIMENSION = 6


class Buffer(IntEnum):
    """Fields of a buffer; one beyond 2 GiB lies behind the flatbuffer, at an offset in the file."""

    DATA = 0
    OFFSET = 1
    SIZE = 2


class Operator(IntEnum):
    """Fields of an operator."""

    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2


class OperatorCode(IntEnum):
    """Fields of a kind of operator; files from before 2020 know the deprecated, one byte wide, alone."""

    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    VERSION = 2
    BUILTIN_CODE = 3


class Metadata(IntEnum):
    """Fields of an entry of metadata."""

    NAME = 0
    BUFFER = 1


class SignatureDef(IntEnum):
    """Fields of a signature."""

    INPUTS = 0
    OUTPUTS = 1
    SIGNATURE_KEY = 2
    SUBGRAPH_INDEX = 4


class TensorMap(IntEnum):
    """Fields of a name that a signature gives to a tensor."""

    NAME = 0
    TENSOR_INDEX = 1


# number of an element type -> (name of the dtype, bits of an element; 0 where an element has no fixed size)
TYPES: dict[int, tuple[str, int]] = {
    0: ("float32", 32),
    1: ("float16", 16),
    2: ("int32", 32),
    3: ("uint8", 8),
    4: ("int64", 64),
    5: ("object", 0),
    6: ("bool", 8),
    7: ("int16", 16),
    8: ("complex64", 64),
    9: ("int8", 8),
    10: ("float64", 64),
    11: ("complex128", 128),
    12: ("uint64", 64),
    13: ("object", 0),
    14: ("object", 0),
    15: ("uint32", 32),
    16: ("uint16", 16),
    17: ("int4", 4),
    18: ("bfloat16", 16),
    19: ("int2", 2),
    20: ("uint4", 4),
    21: ("float8_e4m3fn", 8),
    22: ("float8_e5m2", 8),
}
CUSTOM = 32  # operator that the schema does not know
BLOCKWISE = 2  # kind of quantization whose scales are per block
