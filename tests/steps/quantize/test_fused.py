"""What ONNX Runtime makes of whole blocks: integer kernels, and as few roundings as there must be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

node = helper.make_node
WIDTH, LENGTH, HEADS = 32, 6, 2


def normal(*shape: int, seed: int = 0) -> Any:
    fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(fan)).astype(np.float32)


@pytest.fixture
def fused(quantize_model, tmp_path):
    """Operators, counted, of a model that is quantized for x86-64 with VNNI, after all of ONNX Runtime's rewrites."""

    def run(model: Any) -> Counter[str]:
        import onnxruntime

        made = quantize_model(model, target="x86-64-vnni")
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "fused.onnx"), 4
        onnxruntime.InferenceSession(str(made.path), options, providers=["CPUExecutionProvider"])
        return Counter(found.op_type for found in onnx.load(tmp_path / "fused.onnx").graph.node)

    return run


def dense(source: str, target: str, name: str) -> list[Any]:
    """A dense layer as torch writes it: product, then bias."""
    return [
        node("MatMul", [source, f"{name}_w"], [f"{name}_p"], name=f"{name}_product"),
        node("Add", [f"{name}_p", f"{name}_b"], [target], name=f"{name}_bias"),
    ]


def encoder(models: Any) -> Any:
    """One layer of a transformer with the norm behind the sum, as torch's exporter writes it."""
    nodes: list[Any] = []
    for part in "qkv":
        perm = [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]
        nodes += [
            *dense("x", f"{part}_1", part),
            node("Reshape", [f"{part}_1", "heads"], [f"{part}_2"], name=f"{part}_heads"),
            node("Transpose", [f"{part}_2"], [f"{part}_3"], name=f"{part}_turn", perm=perm),
        ]
    nodes += [
        node("Mul", ["q_3", "root"], ["q_4"], name="q_scale"),
        node("Mul", ["k_3", "root"], ["k_4"], name="k_scale"),
        node("MatMul", ["q_4", "k_4"], ["s"], name="scores"),
        node("Softmax", ["s"], ["p"], name="softmax", axis=-1),
        node("MatMul", ["p", "v_3"], ["m"], name="mix"),
        node("Transpose", ["m"], ["m_1"], name="turn_back", perm=[0, 2, 1, 3]),
        node("Reshape", ["m_1", "rows"], ["m_2"], name="join"),
        *dense("m_2", "o", "o"),
        node("Add", ["x", "o"], ["r"], name="residual"),
        node("LayerNormalization", ["r", "gain", "shift"], ["n"], name="norm", axis=-1),
        *dense("n", "f", "f"),
        node("Div", ["f", "two_root"], ["g_1"], name="gelu_1"),
        node("Erf", ["g_1"], ["g_2"], name="gelu_2"),
        node("Add", ["g_2", "one"], ["g_3"], name="gelu_3"),
        node("Mul", ["half", "g_3"], ["g_4"], name="gelu_4"),
        node("Mul", ["f", "g_4"], ["g"], name="gelu_5"),
        *dense("g", "h", "h"),
        node("Add", ["n", "h"], ["t"], name="residual_2"),
        node("LayerNormalization", ["t", "gain", "shift"], ["y"], name="norm_2", axis=-1),
    ]
    shapes = {**dict.fromkeys("qkvo", (WIDTH, WIDTH)), "f": (WIDTH, 4 * WIDTH), "h": (4 * WIDTH, WIDTH)}
    weights = {f"{name}_w": normal(*shape, seed=ord(name)) for name, shape in shapes.items()}
    biases = {f"{name}_b": normal(shape[1], seed=ord(name)) for name, shape in shapes.items()}
    numbers = {"root": 0.5, "two_root": 2**0.5, "one": 1.0, "half": 0.5}
    constants = models.constants(
        **weights,
        **biases,
        **{name: np.float32(number) for name, number in numbers.items()},
        heads=np.array([-1, LENGTH, HEADS, WIDTH // HEADS]),
        rows=np.array([-1, LENGTH, WIDTH]),
        gain=np.ones(WIDTH, np.float32),
        shift=np.zeros(WIDTH, np.float32),
    )
    values = [models.value("x", "batch", LENGTH, WIDTH)], [models.value("y", "batch", LENGTH, WIDTH)]
    return models.model(nodes, *values, constants)


def test_a_transformer_runs_its_dense_layers_on_integers_and_nothing_else(small_models, fused):
    found = fused(encoder(small_models))

    assert found["QGemm"] == 6
    assert found["QuantizeLinear"] == 4  # what the dense layers read: x, the mix, the norm, the GELU
    assert found["DequantizeLinear"] == 0
    assert (found["Gelu"], found["Erf"], found["Mul"]) == (1, 0, 0)
    assert (found["LayerNormalization"], found["SkipLayerNormalization"]) == (2, 0)


def test_a_mobile_network_rounds_once_behind_its_stem(small_models, fused):
    """Stem and narrow depthwise layer in float, the rest on integers, the mean with them."""
    nodes = [
        node("Conv", ["x", "stem"], ["a"], name="stem", strides=[2, 2], pads=[1] * 4),
        node("Clip", ["a", "low", "high"], ["b"], name="clip_1"),
        node("Conv", ["b", "narrow"], ["c"], name="narrow", pads=[1] * 4, group=16),
        node("Clip", ["c", "low", "high"], ["d"], name="clip_2"),
        node("Conv", ["d", "wide"], ["e"], name="wide"),
        node("Conv", ["e", "deep"], ["f"], name="deep", pads=[1] * 4, group=16),
        node("Clip", ["f", "low", "high"], ["g"], name="clip_3"),
        node("Conv", ["g", "wide"], ["h"], name="back"),
        node("Add", ["e", "h"], ["i"], name="residual"),
        node("ReduceMean", ["i", "axes"], ["j"], name="mean", keepdims=0),
        node("Gemm", ["j", "dense"], ["y"], name="dense"),
    ]
    constants = small_models.constants(
        stem=normal(16, 3, 3, 3),
        narrow=normal(16, 1, 3, 3),
        wide=normal(16, 16, 1, 1),
        deep=normal(16, 1, 3, 3),
        dense=normal(16, 5),
        low=np.float32(0),
        high=np.float32(6),
        axes=np.array([2, 3]),
    )
    values = [small_models.value("x", "batch", 3, 16, 16)], [small_models.value("y", "batch", 5)]
    found = fused(small_models.model(nodes, *values, constants, opset=18))

    assert found["Conv"] == 2
    assert found["QLinearConv"] == 3
    assert (found["QLinearAdd"], found["QLinearGlobalAveragePool"], found["QGemm"]) == (1, 1, 1)
    assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (1, 0)


def test_squeeze_and_excitation_and_silu_stay_on_integers(small_models, fused):
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="conv"),
        node("Sigmoid", ["a"], ["b"], name="silu_1"),
        node("Mul", ["a", "b"], ["c"], name="silu_2"),
        node("ReduceMean", ["c", "axes"], ["d"], name="squeeze"),
        node("Conv", ["d", "w"], ["e"], name="excite"),
        node("Sigmoid", ["e"], ["f"], name="gate"),
        node("Mul", ["c", "f"], ["g"], name="scale"),
        node("Conv", ["g", "w"], ["y"], name="last"),
    ]
    constants = small_models.constants(w=normal(8, 8, 1, 1), axes=np.array([2, 3]))
    values = [small_models.value("x", "batch", 8, 6, 6)], [small_models.value("y", "batch", 8, 6, 6)]
    found = fused(small_models.model(nodes, *values, constants, opset=18))

    assert (found["QLinearConv"], found["QLinearSigmoid"], found["QLinearMul"]) == (3, 2, 2)
    assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (1, 1)
