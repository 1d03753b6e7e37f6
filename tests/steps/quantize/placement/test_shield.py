"""What stays float among integers is run in float."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.core.dataset import Dataset
from edgeopt.graph.rewrite.order import with_shapes
from edgeopt.steps.quantize.step import Quantize

node = helper.make_node


def normal(*shape: int) -> Any:
    return (np.random.default_rng(0).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def between(models: Any, middle: list[Any], **weights: Any) -> Any:
    """x (batch, 4, 8, 8) -> Conv -> `middle`, from `a` to `b` -> Conv -> y."""
    nodes = [
        node("Conv", ["x", "first"], ["a"], name="before", pads=[1] * 4),
        *middle,
        node("Conv", ["b", "last"], ["y"], name="after", pads=[1] * 4),
    ]
    values = [models.value("x", "batch", 4, 8, 8)], [models.value("y", "batch", 4, "h", "w")]
    constants = models.constants(**{"first": normal(4, 4, 3, 3), "last": normal(4, 4, 3, 3), **weights})
    return with_shapes(models.model(nodes, *values, constants))


CASES = {
    "convolution": lambda models: between(models, [node("Conv", ["a", "w"], ["b"], name="kept")], w=normal(4, 4, 1, 1)),
    "with a bias and a Relu": lambda models: between(
        models,
        [node("Conv", ["a", "w", "k"], ["c"], name="kept"), node("Relu", ["c"], ["b"])],
        w=normal(4, 4, 1, 1),
        k=normal(4),
    ),
    "depthwise": lambda models: between(
        models, [node("Conv", ["a", "w"], ["b"], name="kept", group=4)], w=normal(4, 1, 1, 1)
    ),
    "groups of two": lambda models: between(
        models, [node("Conv", ["a", "w"], ["b"], name="kept", group=2)], w=normal(4, 2, 1, 1)
    ),
}
POOL = {"kernel_shape": [3, 3], "pads": [1] * 4}
MERGED = {
    "AveragePool": lambda models: between(models, [node("AveragePool", ["a"], ["b"], name="kept", **POOL)]),
    "Add": lambda models: between(models, [node("Add", ["a", "a"], ["b"], name="kept")]),
    "Softmax": lambda models: between(models, [node("Softmax", ["a"], ["b"], name="kept", axis=1)]),
    "Concat": lambda models: between(
        models, [node("Concat", ["a", "x"], ["b"], name="kept", axis=1)], last=normal(4, 8, 3, 3)
    ),
}
FEEDS = {"x": np.random.default_rng(0).standard_normal((3, 4, 8, 8)).astype(np.float32)}


def fused(model: Any, tmp_path: Any) -> tuple[Any, list[str]]:
    """Outputs with all of ONNX Runtime's rewrites, and the operators after them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "fused.onnx"), 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, FEEDS)[0], [found.op_type for found in onnx.load(tmp_path / "fused.onnx").graph.node]


@pytest.mark.parametrize("case", CASES)
def test_a_float_convolution_between_integer_ones_is_run_in_float(small_models, int8_of, outputs_of, tmp_path, case):
    made = int8_of(CASES[case](small_models), FEEDS, {"kept": "as asked"})
    onnx.checker.check_model(made, full_check=True)
    result, operators = fused(made, tmp_path)

    assert operators.count("QLinearConv") == 2
    assert operators.count("Conv") == 1
    plain = outputs_of(made, FEEDS)["y"]
    assert np.sqrt(np.square(result - plain).mean()) < 0.02 * np.abs(plain).max()


def test_without_the_guard_the_runtime_would_round_its_weights(small_models, int8_of, tmp_path, monkeypatch):
    """The guard can go where this fails."""
    monkeypatch.setattr("edgeopt.steps.quantize.write.shield_float_nodes", lambda *_: None)
    made = int8_of(CASES["convolution"](small_models), FEEDS, {"kept": "as asked"})

    assert fused(made, tmp_path)[1].count("QLinearConv") == 3


@pytest.mark.parametrize("operator", MERGED)
def test_any_other_node_between_integer_ones_is_run_in_float(small_models, int8_of, outputs_of, tmp_path, operator):
    made = int8_of(MERGED[operator](small_models), FEEDS, {"kept": "as asked"})
    onnx.checker.check_model(made, full_check=True)
    result, operators = fused(made, tmp_path)

    assert operators.count(operator) == 1
    assert f"QLinear{operator}" not in operators
    plain = outputs_of(made, FEEDS)["y"]
    assert np.sqrt(np.square(result - plain).mean()) < 0.02 * np.abs(plain).max()


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_float_dense_layer_between_integer_ones_is_run_in_float(small_models, int8_of, outputs_of, transposed):
    nodes = [
        node("Gemm", ["x", "v"], ["a"], name="before"),
        node("Gemm", ["a", "w"], ["b"], name="kept", transB=transposed),
        node("Gemm", ["b", "u"], ["y"], name="after"),
    ]
    constants = small_models.constants(v=normal(6, 8), w=normal(5, 8) if transposed else normal(8, 5), u=normal(5, 3))
    values = [small_models.value("x", "batch", 6)], [small_models.value("y", "batch", 3)]
    model = with_shapes(small_models.model(nodes, *values, constants))
    feeds = {"x": np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)}
    made = int8_of(model, feeds, {"kept": "as asked"})

    onnx.checker.check_model(made, full_check=True)
    noise = outputs_of(made, feeds)["y"] - outputs_of(model, feeds)["y"]
    assert np.sqrt(np.square(noise).mean()) < 0.05


def test_integer_nodes_are_not_touched(small_models, int8_of):
    made = int8_of(with_shapes(small_models.conv()), {"image": FEEDS["x"][:, :3]})

    assert not [tensor.name for tensor in made.graph.initializer if "per_channel" in tensor.name]


CARRIERS = {
    "Reshape": (["s"], {"s": np.array([0, -1])}, {}),
    "Slice": (["s", "e"], {"s": np.array([0]), "e": np.array([1])}, {}),
    "Unsqueeze": (["s"], {"s": np.array([1])}, {}),
    "MaxPool": ([], {}, {"kernel_shape": [2, 2]}),
    "Transpose": ([], {}, {"perm": [0, 2, 3, 1]}),
}


@pytest.mark.parametrize("operator", CARRIERS)
def test_a_model_with_a_carrier_kept_float_loads_at_opset_21(small_models, save_model, operator):
    """Of int8, as on ARM; uint8 loads anyway."""
    import onnxruntime

    inputs, constants, attributes = CARRIERS[operator]
    nodes = [
        node("Conv", ["x", "w"], ["c"], name="conv", pads=[1] * 4),
        node(operator, ["c", *inputs], ["y"], name="kept", **attributes),
    ]
    rank = {"Reshape": 2, "Unsqueeze": 5}.get(operator, 4)
    values = [small_models.value("x", "batch", 4, 8, 8)], [small_models.value("y", *[f"y{i}" for i in range(rank)])]
    arrays = small_models.constants(w=normal(4, 4, 3, 3), **constants)
    source = save_model(small_models.model(nodes, *values, arrays, opset=21, ir=10))
    samples = Dataset(inputs=FEEDS, source="normal samples", indices=np.arange(3))
    output = source.with_name("int8.onnx")
    Quantize(target="rpi4", keep_float=("kept",)).apply(source, output, samples)

    onnxruntime.InferenceSession(str(output), providers=["CPUExecutionProvider"])
    assert "kept" in {found.name for found in onnx.load(output).graph.node}
