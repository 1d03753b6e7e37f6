"""Small ONNX models, files of them, and what the project shares: the ground that every suite stands on."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

Array = NDArray[Any]
SaveModel = Callable[..., Path]


def _value(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, list(shape))


def _weights(generator: np.random.Generator, **shapes: tuple[int, ...]) -> list[Any]:
    """Constants with normal values that keep activations near 1."""
    return [
        numpy_helper.from_array((generator.standard_normal(shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32), name)
        for name, shape in shapes.items()
    ]


def _constants(**arrays: Any) -> list[Any]:
    return [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]


class SmallModels:
    """Builders of tiny networks; the weights are the same at every call."""

    @staticmethod
    def model(
        nodes: list[Any],
        inputs: list[Any],
        outputs: list[Any],
        constants: list[Any] = (),
        *,
        opset: int = 17,
        ir: int = 8,
    ) -> Any:
        """The model of a graph, for cases that none of the builders below covers."""
        graph = helper.make_graph(nodes, "small", inputs, outputs, list(constants))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)

    value = staticmethod(_value)
    constants = staticmethod(_constants)

    def conv(self, batch: int | str = "batch") -> Any:
        """image (batch, 3, 8, 8) -> Conv 3x3 to 4 channels -> Relu -> mean -> Gemm -> scores (batch, 5)."""
        weights = _weights(np.random.default_rng(1), kernel=(4, 3, 3, 3), bias=(4,), dense=(5, 4))
        nodes = [
            helper.make_node("Conv", ["image", "kernel", "bias"], ["features"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["features"], ["active"], name="relu"),
            helper.make_node("GlobalAveragePool", ["active"], ["pooled"], name="pool"),
            helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
            helper.make_node("Gemm", ["flat", "dense"], ["scores"], name="gemm", transB=1),
        ]
        return self.model(nodes, [_value("image", batch, 3, 8, 8)], [_value("scores", batch, 5)], weights)

    def conv_fixed_batch(self) -> Any:
        """`conv` for one image at a time."""
        return self.conv(batch=1)

    def listed_initializers(self, ir: int = 3) -> Any:
        """`padded` with its initializers among its inputs, as old exporters write it."""
        model = self.padded()
        model.graph.input.extend(_value(c.name, *c.dims, dtype=c.data_type) for c in model.graph.initializer)
        model.ir_version = ir
        return model

    def padded(self) -> Any:
        """image (batch, 3, 8, 8) -> Pad by 1 -> Conv 3x3 -> BatchNormalization -> Relu -> features (batch, 4, 8, 8)."""
        generator = np.random.default_rng(2)
        norm = {
            name: generator.uniform(0.5, 1.5, 4).astype(np.float32) for name in ("gain", "shift", "mean", "variance")
        }
        constants = _weights(generator, kernel=(4, 3, 3, 3)) + _constants(**norm, pads=[0, 0, 1, 1, 0, 0, 1, 1])
        nodes = [
            helper.make_node("Pad", ["image", "pads", ""], ["wide"]),
            helper.make_node("Conv", ["wide", "kernel"], ["raw"]),
            helper.make_node("BatchNormalization", ["raw", *norm], ["normal"]),
            helper.make_node("Relu", ["normal"], ["features"]),
        ]
        return self.model(nodes, [_value("image", "batch", 3, 8, 8)], [_value("features", "batch", 4, 8, 8)], constants)

    def mlp(self) -> Any:
        """x (batch, 3) -> Gemm to 4 -> Relu -> Gemm to 2 -> scores (batch, 2)."""
        constants = _weights(np.random.default_rng(3), first=(3, 4), second=(4, 2), bias=(4,))
        nodes = [
            helper.make_node("Gemm", ["x", "first", "bias"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "second"], ["scores"]),
        ]
        return self.model(nodes, [_value("x", "batch", 3)], [_value("scores", "batch", 2)], constants)

    def attention(self, batch: int | str = "batch") -> Any:
        """Tokens (batch, 6) int64 -> embedding -> one head of attention -> Gemm -> scores (batch, 3)."""
        generator = np.random.default_rng(8)
        constants = _weights(generator, query=(40, 40), key=(40, 40), value=(40, 40), dense=(3, 40), bias=(3,))
        constants += _constants(
            table=generator.standard_normal((500, 40)).astype(np.float32), last=np.int64(5), root=np.float32(40**0.5),
            gain=np.ones(40, np.float32), shift=np.zeros(40, np.float32),
        )  # fmt: skip
        nodes = [
            helper.make_node("Gather", ["table", "tokens"], ["words"], name="embedding"),
            *(
                helper.make_node("MatMul", ["words", name], [f"{name}s"], name=name)
                for name in ("query", "key", "value")
            ),
            helper.make_node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["querys", "turned"], ["products"], name="scores_of_pairs"),
            helper.make_node("Div", ["products", "root"], ["scaled"]),
            helper.make_node("Softmax", ["scaled"], ["weights"], axis=-1),
            helper.make_node("MatMul", ["weights", "values"], ["mixed"], name="mixing"),
            helper.make_node("Add", ["mixed", "words"], ["summed"]),
            helper.make_node("LayerNormalization", ["summed", "gain", "shift"], ["normal"], axis=-1),
            helper.make_node("Gather", ["normal", "last"], ["pooled"], name="pooling", axis=1),
            helper.make_node("Gemm", ["pooled", "dense", "bias"], ["scores"], name="classifier", transB=1),
        ]
        tokens = _value("tokens", batch, 6, dtype=TensorProto.INT64)
        return self.model(nodes, [tokens], [_value("scores", batch, 3)], constants)

    def dense(self, *, channel: float = 1.0, bias: float = 0.1) -> Any:
        """x (batch, 8) -> Gemm `first` to 12 -> Relu -> Gemm `second` to 12 -> Relu -> Gemm `third` to 4.

        Channel 0 of `second` is `channel` times as wide as the others, and `third` makes up for it.
        """
        generator = np.random.default_rng(8)
        shapes = {"w1": (8, 12), "w2": (12, 12), "w3": (12, 4)}
        weights = {
            name: (generator.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32)
            for name, shape in shapes.items()
        }
        biases = {
            name: (bias * generator.standard_normal(shapes[f"w{name[1]}"][1])).astype(np.float32)
            for name in ("b1", "b2", "b3")
        }
        weights["w2"][:, 0] *= channel
        biases["b2"][0] *= channel
        weights["w3"][0] /= channel
        nodes = [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"], name="first"),
            helper.make_node("Relu", ["h1"], ["a1"], name="relu1"),
            helper.make_node("Gemm", ["a1", "w2", "b2"], ["h2"], name="second"),
            helper.make_node("Relu", ["h2"], ["a2"], name="relu2"),
            helper.make_node("Gemm", ["a2", "w3", "b3"], ["scores"], name="third"),
        ]
        constants = _constants(**weights, **biases)
        return self.model(nodes, [_value("x", "batch", 8)], [_value("scores", "batch", 4)], constants)

    def two_inputs(self) -> Any:
        """left (batch, 3) and right (batch, 3) -> their sum and their difference."""
        nodes = [
            helper.make_node("Add", ["left", "right"], ["sum"]),
            helper.make_node("Sub", ["left", "right"], ["gap"]),
        ]
        inputs = [_value("left", "batch", 3), _value("right", "batch", 3)]
        return self.model(nodes, inputs, [_value("sum", "batch", 3), _value("gap", "batch", 3)])

    def nhwc(self) -> Any:
        """image (batch, 8, 8, 3) -> Transpose to NCHW -> Conv 3x3 -> features (batch, 4, 6, 6)."""
        nodes = [
            helper.make_node("Transpose", ["image"], ["channels_first"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["channels_first", "kernel"], ["features"]),
        ]
        constants = _weights(np.random.default_rng(4), kernel=(4, 3, 3, 3))
        return self.model(nodes, [_value("image", "batch", 8, 8, 3)], [_value("features", "batch", 4, 6, 6)], constants)

    def integer_input(self) -> Any:
        """tokens (batch, 4) int32 -> Cast -> scores (batch, 4) float32."""
        nodes = [helper.make_node("Cast", ["tokens"], ["scores"], to=TensorProto.FLOAT)]
        tokens = _value("tokens", "batch", 4, dtype=TensorProto.INT32)
        return self.model(nodes, [tokens], [_value("scores", "batch", 4)])

    def branch(self) -> Any:
        """x (batch, 3), flag () bool -> x @ kernel where flag, else x; the branches take x from outside."""
        then = helper.make_graph(
            [helper.make_node("MatMul", ["x", "kernel"], ["product"])], "then", [], [_value("product")]
        )
        other = helper.make_graph([helper.make_node("Identity", ["x"], ["same"])], "else", [], [_value("same")])
        nodes = [helper.make_node("If", ["flag"], ["y"], name="if", then_branch=then, else_branch=other)]
        for graph in (then, other):
            graph.output[0].type.tensor_type.ClearField("shape")
        inputs = [_value("x", "batch", 3), _value("flag", dtype=TensorProto.BOOL)]
        constants = _weights(np.random.default_rng(5), kernel=(3, 3))
        return self.model(nodes, inputs, [_value("y", "batch", 3)], constants)

    def loop(self) -> Any:
        """x (1, 3) -> multiplied by a matrix three times -> y (1, 3)."""
        body = helper.make_graph(
            [
                helper.make_node("MatMul", ["state", "kernel"], ["next"]),
                helper.make_node("Identity", ["go"], ["going"]),
            ],
            "body",
            [_value("turn", dtype=TensorProto.INT64), _value("go", dtype=TensorProto.BOOL), _value("state", 1, 3)],
            [_value("going", dtype=TensorProto.BOOL), _value("next", 1, 3)],
        )
        nodes = [helper.make_node("Loop", ["turns", "always", "x"], ["y"], name="loop", body=body)]
        constants = _weights(np.random.default_rng(6), kernel=(3, 3)) + _constants(
            turns=np.int64(3), always=np.bool_(True)
        )
        return self.model(nodes, [_value("x", 1, 3)], [_value("y", 1, 3)], constants)

    def qdq(self, *, per_channel: bool = True) -> Any:
        """`conv`'s first layer on int8: uint8 activations, int8 weights, int32 bias."""
        scales = np.full(4, 0.01, np.float32) if per_channel else np.float32(0.01)
        points = np.zeros(4, np.int8) if per_channel else np.int8(0)
        kernel = np.random.default_rng(7).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
        constants = _constants(
            in_scale=np.float32(0.02), in_point=np.uint8(128), out_scale=np.float32(0.05), out_point=np.uint8(128),
            kernel=kernel, kernel_scale=scales, kernel_point=points,
            bias=np.arange(4, dtype=np.int32), bias_scale=scales * np.float32(0.02), bias_point=points.astype(np.int32),
        )  # fmt: skip
        axis = {"axis": 0} if per_channel else {}
        nodes = [
            helper.make_node("QuantizeLinear", ["image", "in_scale", "in_point"], ["image_q"]),
            helper.make_node("DequantizeLinear", ["image_q", "in_scale", "in_point"], ["image_dq"]),
            helper.make_node("DequantizeLinear", ["kernel", "kernel_scale", "kernel_point"], ["kernel_dq"], **axis),
            helper.make_node("DequantizeLinear", ["bias", "bias_scale", "bias_point"], ["bias_dq"], **axis),
            helper.make_node("Conv", ["image_dq", "kernel_dq", "bias_dq"], ["raw"], pads=[1, 1, 1, 1]),
            helper.make_node("QuantizeLinear", ["raw", "out_scale", "out_point"], ["raw_q"]),
            helper.make_node("DequantizeLinear", ["raw_q", "out_scale", "out_point"], ["features"]),
        ]
        return self.model(nodes, [_value("image", "batch", 3, 8, 8)], [_value("features", "batch", 4, 8, 8)], constants)


@pytest.fixture(scope="session", autouse=True)
def _records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for stores; what fixtures of the session do is recorded there, not in the working directory."""
    folder = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEOPT_STORE", str(folder / ".edgeopt"))
        yield folder


@pytest.fixture(autouse=True)
def _own_record(_records: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of each test record in a store of its own: a step that another test did would be taken from theirs."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    monkeypatch.setenv("EDGEOPT_STORE", str(_records / name / ".edgeopt"))


@pytest.fixture(scope="session")
def small_models() -> SmallModels:
    """Builders of tiny ONNX models: `small_models.conv()` and so on."""
    return SmallModels()


@pytest.fixture
def save_model(tmp_path: Path) -> SaveModel:
    """Writes a model, `model.onnx` unless named, and gives its path."""

    def save(model: Any, name: str = "model.onnx") -> Path:
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return save


@pytest.fixture
def save_external(tmp_path: Path) -> SaveModel:
    """Writes a model of one tensor whose 16 bytes are said to lie at `location`, and gives its path.

    `weights.bin` beside it holds them; `more` are further (key, value) entries, `place` is `initializer`, `attribute`,
    `sparse` or `branch`.
    """
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())

    def save(location: str, *more: tuple[str, str], place: str = "initializer") -> Path:
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), *more):
            tensor.external_data.add(key=key, value=value)
        constant = helper.make_node("Constant", [], ["w"], value=tensor)
        nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
        graph = helper.make_graph(nodes, "external", [_value("x", 4)], [_value("y", 4)])
        if place == "initializer":
            graph.initializer.append(tensor)
        elif place == "attribute":
            graph.node.insert(0, constant)
        elif place == "branch":
            branch = helper.make_graph([constant], "branch", [], [_value("w", 4)])
            flag = helper.make_node("If", ["flag"], ["w"], then_branch=branch, else_branch=branch)
            graph.node.insert(0, flag)
            graph.initializer.extend(_constants(flag=np.bool_(True)))
        else:
            sparse = graph.sparse_initializer.add(dims=[4])
            sparse.values.CopyFrom(tensor)
            sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(4), "where"))
        path = tmp_path / "model.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path

    return save


@pytest.fixture(scope="session")
def outputs_of() -> Callable[[Any, Mapping[str, Array]], dict[str, Array]]:
    """Outputs by name of a model in memory, as ONNX Runtime computes them without rewriting the graph."""
    import onnxruntime

    def run(model: Any, feeds: Mapping[str, Array]) -> dict[str, Array]:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))

    return run


@pytest.fixture
def quantize_foreign(tmp_path: Path) -> Callable[..., Any]:
    """Quantizes a model in memory by ONNX Runtime's quantize_static, in QDQ format: a file that is not edgeopt's."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self, feeds: Mapping[str, Array]) -> None:
            count = len(next(iter(feeds.values())))
            self.rows = iter([{name: rows[i : i + 1] for name, rows in feeds.items()} for i in range(count)])

        def get_next(self) -> Any:
            return next(self.rows, None)

    def quantize(model: Any, feeds: Mapping[str, Array], **options: Any) -> Any:
        import onnx

        source, output = tmp_path / "foreign.onnx", tmp_path / "foreign.int8.onnx"
        source.write_bytes(model.SerializeToString())
        chosen = {
            "quant_format": quantization.QuantFormat.QDQ,
            "activation_type": quantization.QuantType.QUInt8,
            "weight_type": quantization.QuantType.QInt8,
            "per_channel": True,
            **options,
        }
        quantization.quantize_static(str(source), str(output), Reader(feeds), **chosen)
        return onnx.load(output)

    return quantize


@pytest.fixture
def fifo(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a named pipe that nobody writes to: opening it for reading blocks for ever."""

    def make(name: str) -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        return path

    return make


@pytest.fixture
def ends_soon() -> Callable[[Callable[[], object]], None]:
    """Calls a function that must not block; what it raises comes out, and ten seconds without an end fail the test."""

    def run(function: Callable[[], object]) -> None:
        errors: list[BaseException] = []

        def call() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001  it is raised again below
                errors.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(timeout=10)
        assert not thread.is_alive(), "still blocked after 10 seconds"
        if errors:
            raise errors[0]

    return run


@pytest.fixture(scope="session")
def digits_model() -> Path:
    """The trained model that ships with edgeopt."""
    return ROOT / "models" / "digits_resnet8.onnx"


@pytest.fixture(scope="session")
def digits_data() -> Path:
    """The data set that ships with edgeopt: `x`, `y` and `part`."""
    return ROOT / "models" / "digits.npz"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's real models and data; the test is skipped where they are not there."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the shared data is missing: no folder {SHARED / 'data'}")
    return SHARED / "data"
