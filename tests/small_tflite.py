"""Tiny TFLite models, written with the schema that LiteRT carries: none of edgeopt's own code takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Array = NDArray[Any]
SAME = 0
RELU = 1
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
}


@dataclass(kw_only=True)
class Tensor:
    """A tensor to be written: `data` makes it a constant, `free` axes may have any length."""

    name: str
    shape: Sequence[int] = ()
    dtype: str = "float32"
    data: Array | None = None
    free: Sequence[int] = ()
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()
    axis: int = 0
    is_variable: bool = False


@dataclass(kw_only=True)
class Operator:
    """An operator to be written, on tensors by name; `custom` names one that the schema does not know."""

    kind: str = "CUSTOM"
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: tuple[str, Mapping[str, Any]] | None = None
    custom: str | None = None


@dataclass(kw_only=True)
class Small:
    """A model of one graph to be written.

    `signature` maps (names of inputs, names of outputs) to tensors; `metadata` is kept as it is.
    """

    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: Sequence[str]
    outputs: Sequence[str]
    signature: tuple[Mapping[str, str], Mapping[str, str]] | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    def as_object(self) -> Any:
        """The model as the schema's own object, which a test may change before it packs it."""
        places = {tensor.name: place for place, tensor in enumerate(self.tensors)}
        buffers = [schema.BufferT()]
        codes: list[tuple[int, str | None]] = []
        graph = schema.SubGraphT(
            tensors=[_tensor(tensor, buffers) for tensor in self.tensors],
            inputs=[places[name] for name in self.inputs],
            outputs=[places[name] for name in self.outputs],
            operators=[_operator(one, places, codes) for one in self.operators],
        )
        metadata = []
        for name, content in self.metadata.items():
            metadata.append(schema.MetadataT(name=name.encode(), buffer=len(buffers)))
            buffers.append(schema.BufferT(data=np.frombuffer(content, np.uint8)))
        return schema.ModelT(
            version=3,
            operatorCodes=[
                schema.OperatorCodeT(
                    deprecatedBuiltinCode=min(number, 127), builtinCode=number, customCode=name and name.encode()
                )
                for number, name in codes
            ],
            subgraphs=[graph],
            buffers=buffers,
            metadata=metadata,
            signatureDefs=[_signature(self.signature, places)] if self.signature else None,
        )

    def content(self) -> bytes:
        """The file."""
        return packed(self.as_object())


def packed(model: Any) -> bytes:
    """The file of the schema's own object."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(tensor: Tensor, buffers: list[Any]) -> Any:
    place = 0
    if tensor.data is not None:
        place = len(buffers)
        buffers.append(schema.BufferT(data=np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)))
    shape = list(tensor.shape if tensor.data is None else tensor.data.shape)
    quantization = None
    if tensor.scales:
        quantization = schema.QuantizationParametersT(
            scale=list(tensor.scales),
            zeroPoint=list(tensor.zero_points or [0] * len(tensor.scales)),
            quantizedDimension=tensor.axis,
        )
    return schema.TensorT(
        shape=shape,
        shapeSignature=[-1 if axis in tensor.free else length for axis, length in enumerate(shape)]
        if tensor.free
        else None,
        type=_TYPES[tensor.dtype if tensor.data is None else str(tensor.data.dtype)],
        buffer=place,
        name=tensor.name.encode(),
        quantization=quantization,
        isVariable=tensor.is_variable,
    )


def _operator(one: Operator, places: Mapping[str, int], codes: list[tuple[int, str | None]]) -> Any:
    code = (getattr(schema.BuiltinOperator, one.kind), one.custom)
    if code not in codes:
        codes.append(code)
    made = schema.OperatorT(
        opcodeIndex=codes.index(code),
        inputs=[places[name] if name else -1 for name in one.inputs],
        outputs=[places[name] for name in one.outputs],
    )
    if one.options:
        kind, values = one.options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        made.builtinOptions = getattr(schema, f"{kind}T")(**values)
    return made


def _signature(names: tuple[Mapping[str, str], Mapping[str, str]], places: Mapping[str, int]) -> Any:
    maps = [
        [schema.TensorMapT(name=name.encode(), tensorIndex=places[tensor]) for name, tensor in one.items()]
        for one in names
    ]
    return schema.SignatureDefT(inputs=maps[0], outputs=maps[1], signatureKey=b"serving_default")


def _normal(seed: int, *shape: int) -> Array:
    values = np.random.default_rng(seed).standard_normal(shape) / np.prod(shape[1:]) ** 0.5
    return values.astype(np.float32)


def _dense(name: str, weight: Array, bias: Array, *, source: str, result: str) -> tuple[list[Tensor], Operator]:
    """The constants and the operator of a FULLY_CONNECTED without an activation."""
    constants = [Tensor(name=f"{name}_weight", data=weight), Tensor(name=f"{name}_bias", data=bias)]
    inputs = [source, f"{name}_weight", f"{name}_bias"]
    return constants, Operator(
        kind="FULLY_CONNECTED", inputs=inputs, outputs=[result], options=("FullyConnectedOptions", {})
    )


class SmallTflite:
    """Builders of tiny models, under the names that the ONNX ones of `tests/conftest.py` have."""

    @staticmethod
    def conv(*, is_fixed: bool = False) -> Small:
        """image (batch, 3, 8, 8), of 8 channels -> CONV_2D 3x3 to 4 with RELU -> MEAN -> dense -> scores (batch, 5)."""
        free = () if is_fixed else (0,)
        constants, dense = _dense("dense", _normal(3, 5, 4), _normal(4, 5), source="pooled", result="scores")
        return Small(
            tensors=[
                Tensor(name="image", shape=(1, 3, 8, 8), free=free),
                Tensor(name="kernel", data=_normal(1, 4, 3, 3, 8)),
                Tensor(name="bias", data=_normal(2, 4)),
                Tensor(name="features", shape=(1, 3, 8, 4), free=free),
                Tensor(name="axes", data=np.array([1, 2], np.int32)),
                Tensor(name="pooled", shape=(1, 4), free=free),
                *constants,
                Tensor(name="scores", shape=(1, 5), free=free),
            ],
            operators=[
                Operator(
                    kind="CONV_2D",
                    inputs=["image", "kernel", "bias"],
                    outputs=["features"],
                    options=(
                        "Conv2DOptions",
                        {"padding": SAME, "strideW": 1, "strideH": 1, "fusedActivationFunction": RELU},
                    ),
                ),
                Operator(
                    kind="MEAN",
                    inputs=["features", "axes"],
                    outputs=["pooled"],
                    options=("ReducerOptions", {"keepDims": False}),
                ),
                dense,
            ],
            inputs=["image"],
            outputs=["scores"],
        )

    def conv_fixed_batch(self) -> Small:
        """`conv` for one image at a time."""
        return self.conv(is_fixed=True)

    @staticmethod
    def mlp() -> Small:
        """x (batch, 3) -> dense to 4 -> RELU -> dense to 2 -> scores (batch, 2)."""
        first, one = _dense("first", _normal(5, 4, 3), _normal(6, 4), source="x", result="hidden")
        second, two = _dense("second", _normal(7, 2, 4), _normal(8, 2), source="active", result="scores")
        return Small(
            tensors=[
                *(
                    Tensor(name=name, shape=(1, width), free=(0,))
                    for name, width in (("x", 3), ("hidden", 4), ("active", 4), ("scores", 2))
                ),
                *first,
                *second,
            ],
            operators=[one, Operator(kind="RELU", inputs=["hidden"], outputs=["active"]), two],
            inputs=["x"],
            outputs=["scores"],
        )

    @staticmethod
    def two_inputs() -> Small:
        """left (batch, 3) and right (batch, 3) -> their sum and their difference."""
        return Small(
            tensors=[Tensor(name=name, shape=(1, 3), free=(0,)) for name in ("left", "right", "total", "gap")],
            operators=[
                Operator(kind="ADD", inputs=["left", "right"], outputs=["total"], options=("AddOptions", {})),
                Operator(kind="SUB", inputs=["left", "right"], outputs=["gap"], options=("SubOptions", {})),
            ],
            inputs=["left", "right"],
            outputs=["total", "gap"],
        )

    @staticmethod
    def integer_input() -> Small:
        """tokens (batch, 4) int32 -> CAST -> scores (batch, 4) float32."""
        return Small(
            tensors=[
                Tensor(name="tokens", shape=(1, 4), dtype="int32", free=(0,)),
                Tensor(name="scores", shape=(1, 4), free=(0,)),
            ],
            operators=[Operator(kind="CAST", inputs=["tokens"], outputs=["scores"])],
            inputs=["tokens"],
            outputs=["scores"],
        )

    @staticmethod
    def quantized() -> Small:
        """x (batch, 3) int8 -> dense of int8 weights, per channel -> scores (batch, 2) int8."""
        return Small(
            tensors=[
                Tensor(name="x", shape=(1, 3), dtype="int8", free=(0,), scales=[0.5], zero_points=[-3]),
                Tensor(name="weight", data=np.array([[3, -2, 7], [1, 0, -9]], np.int8), scales=[0.25, 0.5]),
                Tensor(name="bias", data=np.array([4, -8], np.int32), scales=[0.125, 0.25]),
                Tensor(name="scores", shape=(1, 2), dtype="int8", free=(0,), scales=[2.0], zero_points=[5]),
            ],
            operators=[
                Operator(
                    kind="FULLY_CONNECTED",
                    inputs=["x", "weight", "bias"],
                    outputs=["scores"],
                    options=("FullyConnectedOptions", {}),
                )
            ],
            inputs=["x"],
            outputs=["scores"],
        )

    @staticmethod
    def recurrent() -> Small:
        """x (1, 3) -> RNN of 2 units, whose state a runtime keeps from one call to the next -> y (1, 2)."""
        return Small(
            tensors=[
                Tensor(name="x", shape=(1, 3)),
                Tensor(name="weight", data=_normal(9, 2, 3)),
                Tensor(name="recurrence", data=_normal(10, 2, 2)),
                Tensor(name="bias", data=_normal(11, 2)),
                Tensor(name="state", shape=(1, 2), is_variable=True),
                Tensor(name="y", shape=(1, 2)),
            ],
            operators=[
                Operator(
                    kind="RNN",
                    inputs=["x", "weight", "recurrence", "bias", "state"],
                    outputs=["y"],
                    options=("RNNOptions", {"fusedActivationFunction": RELU}),
                )
            ],
            inputs=["x"],
            outputs=["y"],
        )

    @staticmethod
    def custom() -> Small:
        """x (1, 3) -> a custom operator `Mystery` -> y (1, 3)."""
        return Small(
            tensors=[Tensor(name=name, shape=(1, 3)) for name in "xy"],
            operators=[Operator(custom="Mystery", inputs=["x"], outputs=["y"])],
            inputs=["x"],
            outputs=["y"],
        )


def _constant(small: Small, name: str) -> Array:
    found = next(tensor.data for tensor in small.tensors if tensor.name == name)
    assert found is not None
    return found


def _conv(small: Small, feeds: Mapping[str, Array]) -> dict[str, Array]:
    kernel = _constant(small, "kernel")
    image = np.pad(feeds["image"], [(0, 0), (1, 1), (1, 1), (0, 0)])
    rows, columns = feeds["image"].shape[1:3]
    features = sum(
        image[:, y : y + rows, x : x + columns] @ kernel[:, y, x].T for y in range(3) for x in range(3)
    ) + _constant(small, "bias")
    pooled = np.maximum(features, 0).mean(axis=(1, 2))
    return {"scores": pooled @ _constant(small, "dense_weight").T + _constant(small, "dense_bias")}


def _mlp(small: Small, feeds: Mapping[str, Array]) -> dict[str, Array]:
    hidden = np.maximum(feeds["x"] @ _constant(small, "first_weight").T + _constant(small, "first_bias"), 0)
    return {"scores": hidden @ _constant(small, "second_weight").T + _constant(small, "second_bias")}


def _quantized(small: Small, feeds: Mapping[str, Array]) -> dict[str, Array]:
    sums = (feeds["x"].astype(np.int64) + 3) @ _constant(small, "weight").T.astype(np.int64) + _constant(small, "bias")
    scores = np.rint(sums * np.array([0.125, 0.25]) / 2.0) + 5
    return {"scores": np.clip(scores, -128, 127).astype(np.int8)}


def _recurrent(small: Small, feeds: Mapping[str, Array]) -> dict[str, Array]:
    return {"y": np.maximum(feeds["x"] @ _constant(small, "weight").T + _constant(small, "bias"), 0)}


# builder -> what the model computes, in NumPy
EXPECTED: dict[str, Callable[[Small, Mapping[str, Array]], dict[str, Array]]] = {
    "conv": _conv,
    "conv_fixed_batch": _conv,
    "mlp": _mlp,
    "two_inputs": lambda _, feeds: {"total": feeds["left"] + feeds["right"], "gap": feeds["left"] - feeds["right"]},
    "integer_input": lambda _, feeds: {"scores": feeds["tokens"].astype(np.float32)},
    "quantized": _quantized,
    "recurrent": _recurrent,
}
