"""A model of one operator for each kernel whose memory edgeopt knows, in float32 and where it can be in int8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tests.small_tflite import Operator, Small, Tensor

IMAGE = (1, 4, 4, 8)
Options = tuple[str, Mapping[str, Any]] | None
PLAIN = ("FLOOR", "ABS", "NEG", "TANH", "RELU", "RELU6", "HARD_SWISH", "ELU", "SQRT", "RSQRT", "SQUARE", "LOG", "SIN")
FLOAT_ALONE = ("CEIL", "ROUND", "EXP", "COS")
BINARY = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "SQUARED_DIFFERENCE": "SquaredDifference"}
BINARY |= {"MAXIMUM": "MaximumMinimum", "MINIMUM": "MaximumMinimum"}
POOL = ("Pool2DOptions", {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1})


def single_models() -> dict[str, Small]:
    """The models by a label for people."""
    found = {f"{kind} float32": model for kind, model in _models("float32")}
    found |= {f"{kind} int8": model for kind, model in _models("int8")}
    found |= {
        f"{kind} float32": _model([tensor_at("x", IMAGE)], [], [tensor_at("y", IMAGE)], kind) for kind in FLOAT_ALONE
    }
    found["L2_POOL_2D float32"] = _model(
        [tensor_at("x", IMAGE)], [], [tensor_at("y", (1, 2, 2, 8))], "L2_POOL_2D", POOL
    )
    row = (1, 8)
    found["QUANTIZE"] = _model([tensor_at("x", row)], [], [tensor_at("y", row, "int8")], "QUANTIZE")
    found["DEQUANTIZE"] = _model([tensor_at("x", row, "int8")], [], [tensor_at("y", row)], "DEQUANTIZE")
    found["CAST"] = _model([tensor_at("x", row)], [], [tensor_at("y", row, "int32")], "CAST", ("CastOptions", {}))
    found["REDUCE of all axes"] = _model(
        [tensor_at("x", IMAGE)], [_integers("a", [1, 2, 3])], [tensor_at("y", (1,))], "MEAN"
    )
    return found


def _models(dtype: str) -> Iterator[tuple[str, Small]]:
    def at(name: str, shape: Sequence[int]) -> Tensor:
        return tensor_at(name, shape, dtype)

    image, made = at("x", IMAGE), at("y", IMAGE)
    for kind in (*PLAIN, "ZEROS_LIKE"):
        yield kind, _model([image], [], [made], kind)
    for kind, options in BINARY.items():
        yield kind, _model([image, at("z", IMAGE)], [], [made], kind, (f"{options}Options", {}))
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        yield kind, _model([image], [], [at("y", (1, 2, 2, 8))], kind, POOL)
    for kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        axes = _integers("a", [1, 2])
        yield kind, _model([image], [axes], [at("y", (1, 8))], kind, ("ReducerOptions", {}))
    yield from _products(dtype)
    yield from _moves(dtype)
    yield "LEAKY_RELU", _model([image], [], [made], "LEAKY_RELU", ("LeakyReluOptions", {"alpha": 0.1}))
    yield "PRELU", _model([image], [_weights("a", (1, 1, 8), dtype, 1)], [made], "PRELU")
    for kind, options, step, zero in (
        ("SOFTMAX", ("SoftmaxOptions", {"beta": 1.0}), 1 / 256, -128),
        ("LOGISTIC", None, 1 / 256, -128),
        ("LOG_SOFTMAX", None, 16 / 256, 127),
        ("L2_NORMALIZATION", ("L2NormOptions", {}), 1 / 128, 0),
    ):
        result = Tensor(name="y", shape=(1, 8), dtype=dtype)
        if dtype == "int8":
            result.scales, result.zero_points = [step], [zero]
        yield kind, _model([at("x", (1, 8))], [], [result], kind, options)


def _products(dtype: str) -> Iterator[tuple[str, Small]]:
    def at(name: str, shape: Sequence[int]) -> Tensor:
        return tensor_at(name, shape, dtype)

    def bias(count: int) -> Tensor:
        return Tensor(name="b", data=np.zeros(count, "float32" if dtype == "float32" else "int32"))

    stride = {"strideW": 1, "strideH": 1}
    weights = _weights("w", (16, 3, 3, 8), dtype, 16)
    yield (
        "CONV_2D",
        _model([at("x", IMAGE)], [weights, bias(16)], [at("y", (1, 4, 4, 16))], "CONV_2D", ("Conv2DOptions", stride)),
    )
    weights = _weights("w", (1, 3, 3, 8), dtype, 8, axis=3)
    options: Options = ("DepthwiseConv2DOptions", {**stride, "depthMultiplier": 1})
    yield (
        "DEPTHWISE_CONV_2D",
        _model([at("x", IMAGE)], [weights, bias(8)], [at("y", IMAGE)], "DEPTHWISE_CONV_2D", options),
    )
    weights = _weights("w", (16, 32), dtype, 16)
    row = at("x", (1, 32))
    yield (
        "FULLY_CONNECTED",
        _model([row], [weights, bias(16)], [at("y", (1, 16))], "FULLY_CONNECTED", ("FullyConnectedOptions", {})),
    )
    shape, weights = _integers("s", [1, 8, 8, 16]), _weights("w", (16, 2, 2, 8), dtype, 16)
    options = ("TransposeConvOptions", {"strideW": 2, "strideH": 2, "padding": 1})
    yield (
        "TRANSPOSE_CONV",
        Small(
            tensors=[shape, weights, at("x", IMAGE), bias(16), at("y", (1, 8, 8, 16))],
            operators=[Operator(kind="TRANSPOSE_CONV", inputs=["s", "w", "x", "b"], outputs=["y"], options=options)],
            inputs=["x"],
            outputs=["y"],
        ),
    )
    for name, first, second, flags in (
        ("", (1, 4, 8), (1, 8, 6), {}),
        (" of a transposed second", (1, 4, 8), (1, 6, 8), {"adjY": True}),
        (" of a transposed first", (1, 8, 4), (1, 8, 6), {"adjX": True}),
    ):
        operands = [at("x", first), at("z", second)]
        told: Options = ("BatchMatMulOptions", flags)
        yield f"BATCH_MATMUL{name}", _model(operands, [], [at("y", (1, 4, 6))], "BATCH_MATMUL", told)


def _moves(dtype: str) -> Iterator[tuple[str, Small]]:
    """Operators that move what they read."""

    def at(name: str, shape: Sequence[int]) -> Tensor:
        return tensor_at(name, shape, dtype)

    image, edges = at("x", IMAGE), _integers("p", [[0, 0], [1, 1], [1, 1], [0, 0]])
    wide, flat, row = at("y", (1, 6, 6, 8)), _integers("s", [1, 128]), at("x", (1, 8))
    yield "PAD", _model([image], [edges], [wide], "PAD")
    yield "PADV2", _model([image], [edges, _weights("v", (1,), dtype, 1)], [wide], "PADV2")
    yield "MIRROR_PAD", _model([image], [edges], [wide], "MIRROR_PAD", ("MirrorPadOptions", {}))
    new_shape: Options = ("ReshapeOptions", {"newShape": [1, 128]})
    yield "RESHAPE", _model([image], [flat], [at("y", (1, 128))], "RESHAPE", new_shape)
    yield "TRANSPOSE", _model([image], [_integers("p", [0, 3, 1, 2])], [at("y", (1, 8, 4, 4))], "TRANSPOSE")
    begin, size = _integers("b", [0, 0, 0, 0]), _integers("e", [1, 2, 4, 8])
    yield "SLICE", _model([image], [begin, size], [at("y", (1, 2, 4, 8))], "SLICE")
    steps, told = _integers("s", [1, 1, 1, 1]), ("StridedSliceOptions", {})
    yield "STRIDED_SLICE", _model([image], [begin, size, steps], [at("y", (1, 2, 4, 8))], "STRIDED_SLICE", told)
    halves = [at("y", (1, 4, 4, 4)), at("u", (1, 4, 4, 4))]
    split = _model([image], [_integers("a", 3)], halves, "SPLIT", ("SplitOptions", {"numSplits": 2}))
    split.operators[0].inputs = ["a", "x"]
    yield "SPLIT", split
    lengths: Options = ("SplitVOptions", {"numSplits": 2})
    yield "SPLIT_V", _model([image], [_integers("n", [4, 4]), _integers("a", 3)], halves, "SPLIT_V", lengths)
    joined: Options = ("ConcatenationOptions", {"axis": 3})
    yield "CONCATENATION", _model([image, at("z", IMAGE)], [], [at("y", (1, 4, 4, 16))], "CONCATENATION", joined)
    four = [at("x", (4,)), at("z", (4,))]
    yield "PACK", _model(four, [], [at("y", (2, 4))], "PACK", ("PackOptions", {"valuesCount": 2}))
    yield (
        "UNPACK",
        _model([at("x", (2, 4))], [], [at("y", (4,)), at("u", (4,))], "UNPACK", ("UnpackOptions", {"num": 2})),
    )
    for kind, options in (("RESIZE_BILINEAR", "ResizeBilinear"), ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor")):
        large = at("y", (1, 8, 8, 8))
        yield kind, _model([image], [_integers("s", [8, 8])], [large], kind, (f"{options}Options", {}))
    some = _integers("i", [1, 2])
    yield "GATHER", _model([at("x", (4, 8))], [some], [at("y", (2, 8))], "GATHER", ("GatherOptions", {}))
    yield "SQUEEZE", _model([row], [], [at("y", (8,))], "SQUEEZE", ("SqueezeOptions", {"squeezeDims": [0]}))
    yield "EXPAND_DIMS", _model([at("x", (8,))], [_integers("a", [0])], [at("y", (1, 8))], "EXPAND_DIMS")
    place, told = tensor_at("y", (1,), "int32"), ("ArgMaxOptions", {"outputType": 2})
    yield "ARG_MAX", _model([row], [_integers("a", 1)], [place], "ARG_MAX", told)
    for kind, options, shape in (
        ("DEPTH_TO_SPACE", "DepthToSpace", (1, 8, 8, 2)),
        ("SPACE_TO_DEPTH", "SpaceToDepth", (1, 2, 2, 32)),
    ):
        yield kind, _model([image], [], [at("y", shape)], kind, (f"{options}Options", {"blockSize": 2}))


def _model(
    inputs: Sequence[Tensor], constants: Sequence[Tensor], outputs: Sequence[Tensor], kind: str, options: Options = None
) -> Small:
    read, made = [one.name for one in (*inputs, *constants)], [one.name for one in outputs]
    return Small(
        tensors=[*inputs, *constants, *outputs],
        operators=[Operator(kind=kind, inputs=read, outputs=made, options=options)],
        inputs=[one.name for one in inputs],
        outputs=made,
    )


def tensor_at(name: str, shape: Sequence[int], dtype: str = "float32") -> Tensor:
    """A tensor that is computed; integers have a scale."""
    return Tensor(name=name, shape=shape, dtype=dtype, scales=[0.1] if dtype == "int8" else [])


def _weights(name: str, shape: Sequence[int], dtype: str, channels: int, *, axis: int = 0) -> Tensor:
    scales = [0.1] * channels if dtype == "int8" else []
    return Tensor(name=name, data=np.zeros(shape, dtype), dtype=dtype, scales=scales, axis=axis)


def _integers(name: str, values: Any) -> Tensor:
    return Tensor(name=name, data=np.asarray(values, "int32"), dtype="int32")
