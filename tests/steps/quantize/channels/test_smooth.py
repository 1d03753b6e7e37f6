"""SmoothQuant: outliers behind a norm move into weights, the function stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.steps.quantize.channels.smooth import smooth, smoothing_tensors

node = helper.make_node
WIDTH = 16


def weights() -> dict[str, Any]:
    """Constants of a block; two channels behind the norm are 20 times as large as the others, and read as much less."""
    generator = np.random.default_rng(8)
    outliers = np.ones(WIDTH, np.float32)
    outliers[[3, 7]] = 20
    matrices = {
        name: (generator.standard_normal((WIDTH, width)) / 4 / outliers[:, None]).astype(np.float32)
        for name, width in {"query": 8, "key": 8, "value": 16}.items()
    }
    vectors = {
        "scale": (generator.uniform(0.5, 1.5, WIDTH) * outliers).astype(np.float32),
        "shift": (generator.standard_normal(WIDTH) * outliers * 0.1).astype(np.float32),
    }
    return matrices | vectors | {"transposed": np.ascontiguousarray(matrices["query"].T)}


@pytest.fixture
def block(small_models):
    """A norm over the last axis of x (batch, 4, 16), and what reads it; `nodes` come behind."""

    def build(*nodes, outputs=("q", "k", "v"), norm=None, **constants):
        first = norm or [node("LayerNormalization", ["x", "scale", "shift"], ["normal"], name="norm", axis=-1)]
        used = {name for made in (*first, *nodes) for name in made.input}
        arrays = {name: array for name, array in (weights() | constants).items() if name in used}
        values = [small_models.value(name) for name in outputs]
        for value in values:
            value.type.tensor_type.ClearField("shape")
        return small_models.model(
            [*first, *nodes],
            [small_models.value("x", "batch", 4, WIDTH)],
            values,
            small_models.constants(**arrays),
        )

    return build


PROJECTIONS = [
    node("MatMul", ["normal", "query"], ["q"], name="q_matmul"),
    node("MatMul", ["normal", "key"], ["k"], name="k_matmul"),
    node("MatMul", ["normal", "value"], ["v"], name="v_matmul"),
]
# (x - mean) / sqrt(variance + epsilon) * scale + shift
DECOMPOSED = [
    node("ReduceMean", ["x"], ["mean"], axes=[-1]),
    node("Sub", ["x", "mean"], ["centred"]),
    node("Mul", ["centred", "centred"], ["squares"]),
    node("ReduceMean", ["squares"], ["variance"], axes=[-1]),
    node("Add", ["variance", "epsilon"], ["shifted"]),
    node("Sqrt", ["shifted"], ["deviation"]),
    node("Div", ["centred", "deviation"], ["whitened"]),
    node("Mul", ["whitened", "scale"], ["gained"], name="gain"),
    node("Add", ["gained", "shift"], ["normal"], name="bias"),
]
POST_NORM = [*PROJECTIONS, node("Add", ["normal", "v"], ["sum"], name="residual")]


@pytest.fixture
def feeds():
    return {"x": np.random.default_rng(5).standard_normal((32, 4, WIDTH)).astype(np.float32)}


@pytest.fixture
def smoothed(feeds, channels_of, rewritten, require_same):
    """The smoothed model, in which the function stays, and the names of the places that changed."""

    def change(model, *, branches=False, **options):
        def rewrite(graph):
            channels = channels_of(model, smoothing_tensors(graph, branches=branches), feeds)
            return smooth(graph, channels, branches=branches, **options)

        result, names = rewritten(model, rewrite)
        require_same(model, result, feeds)
        return result, names

    return change


def array(model, name):
    return next(onnx.numpy_helper.to_array(found) for found in model.graph.initializer if found.name == name)


def operators(model):
    return [made.op_type for made in model.graph.node]


def spread(values):
    return values.max() / values.min()


@pytest.fixture
def magnitudes(channels_of, feeds):
    """(channel,) largest magnitude of a tensor over the feeds."""

    def measure(model, name):
        seen = channels_of(model, {name: 2}, feeds)[name]
        return np.maximum(np.abs(seen.low), np.abs(seen.high))

    return measure


@pytest.mark.parametrize("norm", [None, DECOMPOSED], ids=["operator", "in parts"])
def test_a_norm_takes_the_outliers_of_all_that_read_it(block, smoothed, magnitudes, norm):
    model = block(*PROJECTIONS, norm=norm, epsilon=np.float32(1e-5))

    result, names = smoothed(model)

    assert names == [f"{'norm' if norm is None else 'gain'} -> q_matmul, k_matmul, v_matmul"]
    assert operators(result) == operators(model)
    assert spread(magnitudes(model, "normal")) > 20
    assert spread(magnitudes(result, "normal")) < 4


def test_factors_are_those_of_the_paper(block, smoothed, magnitudes):
    model = block(*PROJECTIONS)
    activations = magnitudes(model, "normal")
    read = [np.abs(array(model, name)).max(axis=1) for name in ("query", "key", "value")]
    wanted = activations**0.75 / np.max(read, axis=0) ** 0.25

    result, _ = smoothed(model, alpha=0.75)

    factors = array(model, "scale") / array(result, "scale")
    np.testing.assert_allclose(factors / factors[0], wanted / wanted[0], rtol=1e-4)


def test_smoothing_twice_changes_nothing_more(block, smoothed):
    once, _ = smoothed(block(*PROJECTIONS))

    assert smoothed(once)[1] == []


def test_a_dense_layer_behind_one_token_takes_part(block, smoothed):
    nodes = [
        node("Gather", ["normal", "first"], ["token"], axis=1),
        node("Gemm", ["token", "transposed"], ["q"], name="dense", transB=1),
    ]

    _, names = smoothed(block(*nodes, outputs=("q",), first=np.int64(0)))

    assert names == ["norm -> dense"]


@pytest.mark.parametrize(
    "last",
    [
        node("Add", ["normal", "v"], ["sum"]),
        node("Softmax", ["normal"], ["sum"]),
        node("MatMul", ["normal", "k"], ["sum"]),
    ],
    ids=["residual", "softmax", "product of activations"],
)
def test_a_norm_that_something_else_reads_stays(block, smoothed, last):
    projections = PROJECTIONS if last.op_type != "MatMul" else [
        node("MatMul", ["normal", "query"], ["q"]),
        node("MatMul", ["normal", "value"], ["v"]),
        node("Transpose", ["v"], ["k"], perm=[0, 2, 1]),
    ]  # fmt: skip
    model = block(*projections, last, outputs=("q", "sum"))

    result, names = smoothed(model)

    assert names == []
    np.testing.assert_array_equal(array(result, "scale"), array(model, "scale"))


def test_an_output_of_the_graph_stays(block, smoothed):
    assert smoothed(block(*PROJECTIONS, outputs=("q", "k", "v", "normal")))[1] == []


def test_norms_that_share_a_scale_get_scales_of_their_own(block, smoothed):
    nodes = [
        node("LayerNormalization", ["v", "scale", "shift"], ["again"], name="second", axis=-1),
        node("MatMul", ["again", "other"], ["y"], name="last"),
    ]
    model = block(*PROJECTIONS, *nodes, outputs=("q", "k", "y"), other=weights()["value"])

    result, names = smoothed(model)

    assert names == ["norm -> q_matmul, k_matmul, v_matmul", "second -> last"]
    scales = [array(result, made.input[1]) for made in result.graph.node if made.op_type == "LayerNormalization"]
    assert not np.allclose(scales[0], scales[1], rtol=0.1)


def test_a_division_of_its_own_smooths_what_a_residual_reads_too(block, smoothed, magnitudes):
    model = block(*POST_NORM, outputs=("q", "k", "sum"))

    result, names = smoothed(model, branches=True)

    assert names == ["normal -> q_matmul, k_matmul, v_matmul"]
    assert operators(result).count("Mul") == 1
    assert spread(magnitudes(result, "normal_smooth")) < 4
    np.testing.assert_array_equal(array(result, "scale"), array(model, "scale"))


def test_no_division_is_inserted_where_the_norm_itself_can_take_it(block, smoothed):
    model = block(*PROJECTIONS)

    assert operators(smoothed(model, branches=True)[0]) == operators(model)


def test_outliers_cost_nothing_after_smoothing(block, quantize_model, smoothed, sqnr_of):
    model = block(*PROJECTIONS)

    spoiled = sqnr_of(quantize_model(model, smooth=False))
    mended = sqnr_of(quantize_model(smoothed(model)[0], smooth=False))

    assert all(mended[name] > spoiled[name] + 6 for name in spoiled)


ROWS = [
    node("Reshape", ["normal", "rows_shape"], ["rows"], name="rows"),
    node("Gemm", ["rows", "query"], ["q"], name="q_gemm"),
    node("Gemm", ["rows", "key"], ["k"], name="k_gemm"),
]


def test_layers_that_read_the_norm_as_rows_take_part(block, smoothed):
    """As the rewrites for integers put it: (batch, token, channel) to (row, channel), then a Gemm."""
    model = block(*ROWS, outputs=("q", "k"), rows_shape=np.array([-1, WIDTH]))

    assert smoothed(model)[1] == ["norm -> q_gemm, k_gemm"]


def test_a_residual_beside_rows_gets_a_division_of_its_own(block, smoothed):
    model = block(
        *ROWS, node("Neg", ["normal"], ["other"]), outputs=("q", "k", "other"), rows_shape=np.array([-1, WIDTH])
    )

    assert smoothed(model)[1] == []
    result, changed = smoothed(model, branches=True)
    assert len(changed) == 1
    assert operators(result).count("Mul") == 1
