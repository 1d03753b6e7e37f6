"""The version of each operator, by which a runtime knows whether its kernel is new enough.

Source: `tflite/tools/versioning/op_version.cc` of LiteRT (github.com/google-ai-edge/LiteRT, 2.1), which says for an
operator and its types the oldest version whose kernels can run it. An older runtime then refuses a file instead of
reading it as something else.
"""

from __future__ import annotations

from collections.abc import Callable

from edgeopt.steps.tflite.net import Operation, Tensor

Condition = Callable[[Operation], bool]
Rules = tuple[tuple[Condition, int], ...]


def version_of(operation: Operation) -> int:
    """The oldest version of the operator whose kernels can run `operation`: that of the first rule that holds."""
    rules = _RULES.get(operation.kind, ())
    version = next((version for holds, version in rules if holds(operation)), _LEAST.get(operation.kind, 1))
    return min(version, _MOST.get(operation.kind, version))


def _input(operation: Operation, place: int) -> Tensor | None:
    return operation.inputs[place] if place < len(operation.inputs) else None


def _dtype(operation: Operation, place: int) -> str:
    tensor = _input(operation, place)
    return "" if tensor is None else tensor.dtype


def _rank(operation: Operation, place: int = 0) -> int:
    tensor = _input(operation, place)
    return 0 if tensor is None else len(tensor.shape)


def _reads(*dtypes: str, place: int = 0) -> Condition:
    """Whether the input at `place` is of one of `dtypes`."""
    return lambda operation: _dtype(operation, place) in dtypes


def _gives(*dtypes: str, place: int = 0) -> Condition:
    """Whether the output at `place` is of one of `dtypes`."""
    return lambda operation: operation.outputs[place].dtype in dtypes


def _sets(*names: str) -> Condition:
    """Whether one of the options called `names` is set."""
    return lambda operation: operation.options is not None and any(operation.options.values.get(name) for name in names)


def _all(*conditions: Condition) -> Condition:
    return lambda operation: all(holds(operation) for holds in conditions)


def _either(*conditions: Condition) -> Condition:
    return lambda operation: any(holds(operation) for holds in conditions)


def _has_rank_above(limit: int) -> Condition:
    return lambda operation: _rank(operation) > limit


def _is_per_channel(place: int) -> Condition:
    """Whether the integers of the input at `place` have a scale per channel."""

    def holds(operation: Operation) -> bool:
        tensor = _input(operation, place)
        return tensor is not None and tensor.quantization is not None and not tensor.quantization.is_per_tensor

    return holds


def _is_per_channel_made(operation: Operation) -> bool:
    quantization = operation.outputs[0].quantization
    return quantization is not None and not quantization.is_per_tensor


def _is_quantized(operation: Operation) -> bool:
    first = _input(operation, 0)
    return first is not None and first.quantization is not None


def _is_grouped(operation: Operation) -> bool:
    """Whether a convolution's weights span fewer channels than its image has."""
    image, weights = _input(operation, 0), _input(operation, 1)
    return image is not None and weights is not None and image.shape[-1] != weights.shape[-1]


def _is_dilated(operation: Operation) -> bool:
    values = operation.options.values if operation.options is not None else {}
    return any(values.get(name, 1) != 1 for name in ("dilationHFactor", "dilationWFactor"))


def _has_activation(operation: Operation) -> bool:
    values = operation.options.values if operation.options is not None else {}
    return values.get("fusedActivationFunction", "NONE") not in ("NONE", 0)


def _has_inputs(count: int) -> Condition:
    return lambda operation: len(operation.inputs) == count


def _has_input(place: int) -> Condition:
    return lambda operation: _input(operation, place) is not None


def _broadcasts_above(rank: int) -> Condition:
    """Whether the two operands differ in shape and one has more than `rank` axes."""

    def holds(operation: Operation) -> bool:
        first, second = _input(operation, 0), _input(operation, 1)
        assert first is not None
        assert second is not None
        return first.shape != second.shape and max(len(first.shape), len(second.shape)) > rank

    return holds


def _has_rescale_of_one_or_more(operation: Operation) -> bool:
    """Whether scale of input times scale of input over scale of output is at least 1."""
    tensors = (*operation.inputs, *operation.outputs)
    scales = [each.quantization.scale for each in tensors if each is not None and each.quantization is not None]
    return len(scales) == 3 and scales[0] * scales[1] / scales[2] >= 1


def _not(condition: Condition) -> Condition:
    return lambda operation: not condition(operation)


_INT8, _INT16 = _reads("int8"), _reads("int16")
_INTEGERS = _all(_INT8, _reads("int8", place=1), _gives("int8"))
_FOUR_BITS = _all(_INT8, _reads("int4", place=1), _gives("int8"))
_HYBRID = _all(_reads("float32"), _reads("int8", place=1), _gives("float32"))
_ONLY_INT8: Rules = ((_INT8, 2),)
_INT8_INT16: Rules = ((_INT16, 3), (_INT8, 2))
_EXTREMES: Rules = ((_INT16, 4), (_broadcasts_above(4), 3), (_INT8, 2))
_PADS: Rules = ((_reads("bool"), 5), (_has_rank_above(4), 4), (_INT16, 3), (_INT8, 2))
_BLOCKS: Rules = ((_INT16, 4), (lambda operation: _rank(operation) != 4, 3), (_INT8, 2))
_EXTREME_PLACES: Rules = ((_reads("bool"), 3), (_INT8, 2))
_COMPARISONS: Rules = ((_INT16, 3), (_INT8, 2))
_TABLES: Rules = ((_reads("int8", "int16"), 2),)

# operator -> (condition, version), the first that holds; 1 where none does
_RULES: dict[str, Rules] = {
    "ABS": ((_reads("int32"), 5), (_all(_INT16, _is_quantized), 3), (_INT16, 4), (_reads("int8", "uint8"), 2)),
    "ADD": ((_all(_INT16, _not(_is_quantized)), 5), (_reads("int64"), 4), (_INT16, 3), (_INT8, 2)),
    "ARG_MAX": _EXTREME_PLACES,
    "ARG_MIN": _EXTREME_PLACES,
    "AVERAGE_POOL_2D": _INT8_INT16,
    "BATCH_MATMUL": ((_INT16, 3), (_INT8, 2), (_all(_HYBRID, _sets("asymmetricQuantizeInputs")), 4)),
    "BATCH_TO_SPACE_ND": _BLOCKS,
    "BROADCAST_TO": ((_reads("int8", "int16"), 3),),
    "CAST": (
        (_either(_reads("bfloat16"), _gives("bfloat16")), 7),
        (_all(_reads("int4"), _gives("float32")), 6),
        (_either(_reads("float64", "float16"), _gives("float64", "float16")), 5),
        (_either(_reads("uint16"), _gives("uint16")), 4),
        (_either(_INT8, _gives("int8")), 3),
        (_either(_reads("uint32"), _gives("uint32")), 2),
    ),
    "CONCATENATION": ((_reads("uint32"), 4), (_INT16, 3), (_INT8, 2)),
    "CONV_2D": (
        (_is_grouped, 6),
        (_all(_INT16, _reads("int16", place=1)), 4),
        (_INTEGERS, 3),
        (_FOUR_BITS, 7),
        (_all(_HYBRID, _is_per_channel(1)), 5),
        (_HYBRID, 2),
    ),
    "DEPTHWISE_CONV_2D": (
        (_all(_INT16, _reads("int16", place=1)), 5),
        (_all(_HYBRID, _is_per_channel(1)), 6),
        (_HYBRID, 4),
        (_INTEGERS, 3),
        (_FOUR_BITS, 7),
        (_is_dilated, 2),
    ),
    "DEPTH_TO_SPACE": _ONLY_INT8,
    "DEQUANTIZE": (
        (_reads("int4"), 6),
        (_reads("int16", "float16"), 3),
        (_all(_INT8, _is_per_channel(0)), 5),
        (_INT8, 2),
    ),
    "DIV": ((_broadcasts_above(4), 2),),
    "DYNAMIC_UPDATE_SLICE": ((_INT16, 4), (_reads("float16"), 3), (_reads("int64", place=2), 2)),
    "EQUAL": ((_INT16, 4), (_INT8, 2)),
    "EXP": _TABLES,
    "FILL": (
        (_reads("float16", place=1), 4),
        (_reads("int8", "int16", place=1), 3),
        (_reads("bool", place=1), 2),
    ),
    "FLOOR_DIV": ((_reads("int16", "int8"), 3), (_reads("float32"), 2)),
    "FLOOR_MOD": _TABLES,
    "FULLY_CONNECTED": (
        (_all(_HYBRID, _is_per_channel(1)), 12),
        (_all(_INT16, _reads("int16", place=1)), 7),
        (_has_inputs(2), 6),
        (_sets("keepNumDims"), 5),
        (_INTEGERS, 4),
        (_FOUR_BITS, 10),
        (_all(_HYBRID, _sets("asymmetricQuantizeInputs")), 9),
        (_HYBRID, 3),
    ),
    "GATHER": (
        (_reads("int4"), 7),
        (_reads("int16", place=1), 6),
        (_sets("batchDims"), 5),
        (_INT16, 4),
        (_reads("bool"), 3),
        (_INT8, 2),
    ),
    "GATHER_ND": ((_reads("bool"), 5), (_reads("int16", place=1), 4), (_INT16, 3)),
    "GELU": ((_reads("int8", "uint8"), 2),),
    "GREATER": _ONLY_INT8,
    "GREATER_EQUAL": _COMPARISONS,
    "L2_NORMALIZATION": ((_gives("int8"), 2),),
    "LEAKY_RELU": ((_INT16, 2),),
    "LESS": _COMPARISONS,
    "LESS_EQUAL": _ONLY_INT8,
    "LOG": _TABLES,
    "LOGISTIC": _INT8_INT16,
    "LOG_SOFTMAX": _ONLY_INT8,
    "MAXIMUM": _EXTREMES,
    "MAX_POOL_2D": _INT8_INT16,
    "MEAN": _INT8_INT16,
    "MINIMUM": _EXTREMES,
    "MIRROR_PAD": _INT8_INT16,
    "MUL": (
        (_either(_all(_INT16, _not(_is_quantized)), _reads("uint32")), 7),
        (_reads("int64"), 5),
        (_INT16, 4),
        (_has_rescale_of_one_or_more, 3),
        (_INT8, 2),
    ),
    "NOT_EQUAL": _ONLY_INT8,
    "PACK": ((_INT8, 2), (_INT16, 3), (_reads("uint32"), 4)),
    "PAD": _PADS,
    "PADV2": _PADS,
    "QUANTIZE": (
        (_either(_reads("int4"), _gives("int4")), 4),
        (_is_per_channel_made, 3),
        (_gives("int16"), 2),
    ),
    "RANGE": ((_reads("int64"), 2),),
    "REDUCE_MAX": _INT8_INT16,
    "REDUCE_MIN": _INT8_INT16,
    "REDUCE_PROD": _TABLES,
    "RELU": ((_INT16, 3), (_reads("int8", "uint8"), 2)),
    "RELU6": _INT8_INT16,
    "RESIZE_BILINEAR": ((_INT16, 4), (_sets("halfPixelCenters"), 3), (_INT8, 2)),
    "RESIZE_NEAREST_NEIGHBOR": ((_INT16, 4), (_sets("halfPixelCenters", "alignCorners"), 3), (_INT8, 2)),
    "REVERSE_V2": ((_INT8, 3), (_reads("bool"), 2)),
    "RSQRT": _INT8_INT16,
    "SELECT": (
        (_reads("uint32"), 4),
        (lambda operation: any(_rank(operation, place) == 5 for place in range(3)), 3),
        (_INT8, 2),
    ),
    "SELECT_V2": ((_reads("uint32"), 2),),
    "SIGN": ((_reads("int32"), 2),),
    "SLICE": ((_reads("uint32"), 6), (_has_rank_above(4), 5), (_INT16, 4), (_INT8, 2)),
    "SOFTMAX": _INT8_INT16,
    "SPACE_TO_BATCH_ND": _BLOCKS,
    "SPACE_TO_DEPTH": _ONLY_INT8,
    "SPARSE_TO_DENSE": ((_reads("int8", "uint8", place=2), 3), (_reads("int64", place=2), 2)),
    "SPLIT": ((_reads("int16", place=1), 4), (_reads("int32", place=1), 3), (_reads("int8", place=1), 2)),
    "SPLIT_V": _ONLY_INT8,
    "SQUARED_DIFFERENCE": _ONLY_INT8,
    "STRIDED_SLICE": (
        (_sets("offset"), 8),
        (_reads("uint32"), 7),
        (_sets("ellipsisMask", "newAxisMask"), 6),
        (_has_rank_above(4), 4),
        (_reads("bool"), 3),
        (_INT8, 2),
    ),
    "SUB": ((_INT16, 5), (_reads("int64"), 4), (_broadcasts_above(4), 3), (_INT8, 2)),
    "SUM": _ONLY_INT8,
    "TANH": _INT8_INT16,
    "TILE": ((_INT8, 3),),
    "TOPK_V2": ((_either(_INT16, _reads("int16", place=1), _gives("int16", place=1)), 3), (_INT8, 2)),
    "TRANSPOSE": (
        (_reads("int4"), 7),
        (_has_rank_above(5), 6),
        (_INT16, 5),
        (_has_rank_above(4), 4),
        (_reads("bool"), 3),
        (_INT8, 2),
    ),
    "TRANSPOSE_CONV": ((_has_activation, 4), (_has_input(3), 3), (_reads("int8", place=1), 2)),
    "UNPACK": ((_reads("int8", "uint8"), 2), (_reads("bool"), 3), (_INT16, 4)),
    "WHERE": ((_not(_reads("bool")), 2),),
}
# What LiteRT 2.3's reference kernels are registered up to (kernels/register_ref.cc), where its other ones go on: the
# kernels know these types all the same, and a file of a later version would not load there.
_MOST = {
    "ABS": 3,
    "ARG_MAX": 2,
    "ARG_MIN": 2,
    "DEPTHWISE_CONV_2D": 6,
    "DEPTH_TO_SPACE": 1,
    "RANGE": 1,
    "STRIDED_SLICE": 4,
    "TILE": 2,
}
# The first version of BROADCAST_TO was taken back.
_LEAST = {"BROADCAST_TO": 2}
