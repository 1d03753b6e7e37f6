"""`quantize` of odd networks: right numbers or a clear refusal, never a traceback or half a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgeopt.graph.load import read_proto
from tests.cli import odd_models as odd

node = helper.make_node
SAMPLES = 48
LEAST_SQNR_DB = 20.0  # of two or three layers of random weights; 8 bits give about 35
KEPT_FLOAT = {
    "If reading a weight from outside": "if",
    "Loop reading a weight from outside": "loop",
    "Scan reading a weight from outside": "scan",
    "LSTM": "cell",
    "GRU": "cell",
    "RNN": "cell",
    "ConvTranspose": "up",
    "a tail in float64": "tail",
    "an operator of Microsoft's domain": "gelu",
    "a sequence": "sequence",
}
ARGUMENTS = ("--no-measure", "--no-cache", "-o", "out.onnx", "--json")


def samples_for(model: Any, count: int, seed: int) -> dict[str, Any]:
    """Rows for every input that is no constant; free axes behind the first are 8 long."""
    generator = np.random.default_rng(seed)
    constants = {tensor.name for tensor in model.graph.initializer}
    rows = {}
    for value in model.graph.input:
        if value.name not in constants:
            kind = value.type.tensor_type
            shape = [count, *(axis.dim_value or 8 for axis in kind.shape.dim[1:])]
            dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
            is_byte = dtype == np.uint8
            array = generator.integers(0, 256, shape) if is_byte else generator.standard_normal(shape)
            rows[value.name] = array.astype(dtype)
    return rows


def outputs(path: Any, feeds: dict[str, Any], *, is_optimized: bool) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not is_optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def is_valid(model: Any) -> bool:
    """Whether the checker takes the model that we start from, operators of Microsoft's domain for one it does not."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


def sqnr(wanted: Any, got: Any) -> float:
    """Signal to noise in dB; infinite where nothing differs."""
    assert (wanted.shape, wanted.dtype) == (got.shape, got.dtype)
    signal, noise = wanted.astype(np.float64), wanted.astype(np.float64) - got
    return float("inf") if not noise.any() else float(10 * np.log10(np.square(signal).sum() / np.square(noise).sum()))


@pytest.fixture
def place(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("target", "has_data"), [("x86-64-vnni", True), ("rpi4", False)])
@pytest.mark.parametrize("name", odd.QUANTIZED)
def test_it_quantizes_and_computes_nearly_the_same(
    edgeopt: Any, place: Any, name: str, target: str, has_data: bool
) -> None:
    model = odd.QUANTIZED[name]()
    (place / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(place / "data.npz", **samples_for(model, SAMPLES, seed=1))

    data = ["--data", "data.npz"] if has_data else []
    left = edgeopt("quantize", "model.onnx", *data, "--target", target, *ARGUMENTS)

    assert left.code == 0, left.out + left.err
    assert {path.name for path in place.iterdir()} == {"model.onnx", "data.npz", "out.onnx"}
    made = onnx.load(place / "out.onnx")
    if is_valid(model):
        onnx.checker.check_model(made, full_check=True)
    assert any(each.op_type == "QuantizeLinear" for each in made.graph.node)
    assert [value.name for value in made.graph.output] == [value.name for value in model.graph.output]
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 4
    feeds = samples_for(model, batch, seed=2)
    expected = outputs("model.onnx", feeds, is_optimized=False)
    for is_optimized in (False, True):
        for wanted, got in zip(expected, outputs("out.onnx", feeds, is_optimized=is_optimized), strict=True):
            if wanted.dtype.kind == "f":
                assert sqnr(wanted, got) > LEAST_SQNR_DB
    if name in KEPT_FLOAT:
        assert KEPT_FLOAT[name] in {entry["node"] for entry in left.json["kept_float"]}


def scaler_before_a_network() -> Any:
    nodes = [
        node("Scaler", ["x"], ["scaled"], domain="ai.onnx.ml", offset=[0.0] * 8, scale=[1.0] * 8),
        node("Gemm", ["scaled", "w"], ["y"]),
    ]
    return odd.model(nodes, {"w": odd.SQUARE}, inputs=[odd.ROW], domains=("ai.onnx.ml",))


def quantized_inside_a_branch() -> Any:
    made = odd.branching()
    pair = node("DequantizeLinear", ["integers", "scale"], ["dead"])
    for name, array in (("integers", np.int8([1, 2])), ("scale", np.float32(0.1))):
        made.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    made.graph.node[4].attribute[0].g.node.append(pair)
    return made


def node_names_twice() -> Any:
    made = odd.convolutions(node("Relu", ["a"], ["m"]))()
    for each in made.graph.node:
        each.name = "same"
    return made


def training_norm() -> Any:
    ones = {key: np.ones(8, np.float32) for key in ("gain", "shift", "mean", "variance")}
    norm = node("BatchNormalization", ["a", *ones], ["m", "", ""], name="norm", training_mode=1)
    return odd.convolutions(norm, **ones)()


def training_dropout() -> Any:
    drop = node("Dropout", ["a", "", "on"], ["m"], name="drop")
    return odd.convolutions(drop, on=np.bool_(True))()


def weight_of(value: float) -> Any:
    kernel = odd.KERNEL.copy()
    kernel[0, 0, 0, 0] = value
    return odd.convolutions(node("Relu", ["a"], ["m"]), k=kernel)()


def gemm_with_bias(bias: Any) -> Any:
    nodes = [node("Gemm", ["x", "w", "b"], ["y"], name="gemm")]
    return odd.model(nodes, {"w": odd.SQUARE, "b": bias}, inputs=[odd.value("x", 8, 8)])


def single_number() -> Any:
    nodes = [node("Conv", ["x", "k"], ["a"], **odd.PADS), node("Mul", ["a", "q"], ["y"])]
    return odd.model(nodes, {"k": odd.KERNEL}, inputs=[odd.IMAGE, odd.value("q")])


# name -> (what builds it, exit code, what the line says, what the hint says)
REFUSED = {
    "a scaler before a network": (scaler_before_a_network, 6, "holds `ai.onnx.ml` operators", "edgeopt bench"),
    "quantized inside a branch": (quantized_inside_a_branch, 2, "is quantized already (qdq)", "the float model"),
    "float64": (odd.typed(TensorProto.DOUBLE, np.float64), 2, "does not take", "float64: export it in float32"),
    "no nodes": (lambda: odd.model([], {}, inputs=[odd.ROW], outputs=[odd.ROW]), 6, "runs on integers", "inspect"),
    "a domain of one's own": (
        lambda: odd.model([node("Mine", ["x"], ["y"], domain="my.ops")], {}, domains=("my.ops",)),
        2,
        "my.ops:Mine",
        "operators",
    ),
    "node names twice": (node_names_twice, 2, "two nodes with same node name (same)", "onnx.checker"),
    "a norm in training mode": (training_norm, 2, "training mode: its BatchNormalization `norm`", "model.eval()"),
    "a dropout in training mode": (training_dropout, 2, "training mode: its Dropout `drop`", "model.eval()"),
    "NaN in a weight": (lambda: weight_of(np.nan), 2, "weight `k` of `model.onnx` holds NaN", "checkpoint"),
    "infinity in a weight": (lambda: weight_of(np.inf), 2, "weight `k` of `model.onnx` holds NaN", "checkpoint"),
    "a bias of one number per row": (lambda: gemm_with_bias(odd.normal(8, 1)), 6, "`gemm`: its bias is not", ""),
    "a bias of one number per element": (lambda: gemm_with_bias(odd.normal(8, 8)), 6, "`gemm`: its bias is not", ""),
    "a single number as input": (single_number, 2, "`q` has no axis of samples", "fixed"),
    "an opset whose meaning the converter changes": (
        lambda: odd.model(
            [node("Conv", ["x", "k"], ["a"], **odd.PADS), node("Hardmax", ["a"], ["y"])], {"k": odd.KERNEL}, opset=11
        ),
        6,
        "the upgrade failed: output `y` differs",
        "export it again with opset 17",
    ),
    "all axes free": (
        lambda: odd.model(
            [node("Conv", ["x", "k"], ["y"], **odd.PADS)],
            {"k": odd.KERNEL},
            inputs=[odd.value("x", "n", "c", "h", "w")],
        ),
        2,
        "does not run on random inputs, with 1 for every free axis",
        "--data",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_and_nothing_is_written(edgeopt: Any, place: Any, name: str) -> None:
    build, code, message, hint = REFUSED[name]
    (place / "model.onnx").write_bytes(build().SerializeToString())

    left = edgeopt("quantize", "model.onnx", *ARGUMENTS[:-1])

    line, advice = left.errors
    assert (left.code, left.out) == (code, "")
    assert message in line
    assert hint in advice
    assert [path.name for path in place.iterdir()] == ["model.onnx"]


def test_external_data_below_2_gib_ends_in_one_file(edgeopt: Any, place: Any) -> None:
    model = odd.convolutions(node("Relu", ["a"], ["m"]))()
    onnx.save(model, place / "model.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)

    left = edgeopt("quantize", "model.onnx", *ARGUMENTS)

    assert left.code == 0
    assert {path.name for path in place.iterdir()} == {"model.onnx", "weights.data", "out.onnx"}
    assert not [tensor for tensor in read_proto(place / "out.onnx").graph.initializer if tensor.external_data]
    feeds = samples_for(model, 4, seed=2)
    (wanted,), (got,) = (outputs(name, feeds, is_optimized=True) for name in ("model.onnx", "out.onnx"))
    assert sqnr(wanted, got) > LEAST_SQNR_DB


def test_control_characters_in_names_are_not_shown(edgeopt: Any, place: Any) -> None:
    made = odd.with_odd_names()
    made.graph.node[1].op_type = "Exp"
    made.graph.node[1].name = "evil\x1b[2J\x07name"
    (place / "model.onnx").write_bytes(made.SerializeToString())

    left = edgeopt("quantize", "model.onnx", *ARGUMENTS[:-1])

    assert left.code == 0
    assert "evil" in left.out
    assert not {"\x1b", "\x07", "\x00"} & set(left.out + left.err)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            np.zeros((64, 8, 8, 8)),
            "ALL CALIBRATION SAMPLES ARE ZERO in `data.npz`: the ranges of 3 tensors mean nothing",
        ),
        (np.ones((1, 8, 8, 8)), "ranges rest on a single sample"),
        (np.full((64, 8, 8, 8), 0.25), ""),
    ],
)
def test_samples_that_say_little_are_calibrated_on_and_that_is_said(
    edgeopt: Any, place: Any, rows: Any, told: str
) -> None:
    model = odd.convolutions(node("Relu", ["a"], ["m"]))()
    (place / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(place / "data.npz", x=rows.astype(np.float32))

    left = edgeopt("quantize", "model.onnx", "--data", "data.npz", *ARGUMENTS)

    assert left.code == 0
    doubts = [line for line in left.json["warnings"] if "calibrated on" not in line]
    assert [told in line for line in doubts] == ([True] if told else [])
    feeds = samples_for(model, 2, seed=3)
    assert np.isfinite(outputs("out.onnx", feeds, is_optimized=True)[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_place(edgeopt: Any, place: Any, bad: float) -> None:
    model = odd.convolutions(node("Relu", ["a"], ["m"]))()
    (place / "model.onnx").write_bytes(model.SerializeToString())
    rows = samples_for(model, 20, seed=1)["x"]
    rows[[7, 11], 0, 0, 0] = bad
    np.savez(place / "data.npz", x=rows)

    left = edgeopt("quantize", "model.onnx", "--data", "data.npz", *ARGUMENTS[:-1])

    assert (left.code, left.out) == (2, "")
    assert "`x` of `data.npz` holds NaN or infinity in 2 of 20 samples (the first is number 7)" in left.errors[0]
    assert {path.name for path in place.iterdir()} == {"model.onnx", "data.npz"}
