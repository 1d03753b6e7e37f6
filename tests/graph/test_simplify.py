"""What nobody reads, what is computed twice and what merges into a Gemm goes; outputs stay, or all stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.graph import products, save
from edgeopt.graph.load import load_onnx
from edgeopt.graph.simplify import simplified

node = helper.make_node
GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((5, 8)).astype(np.float32)


def floats(*shape: int) -> Any:
    return (GENERATOR.standard_normal(shape) / 2).astype(np.float32)


def norm(channels: int) -> dict[str, Any]:
    return {
        "gain": floats(channels) + 1,
        "shift": floats(channels),
        "mean": floats(channels),
        "variance": GENERATOR.uniform(0.5, 2, channels).astype(np.float32),
    }


@pytest.fixture
def dense(small_models: Any) -> Any:
    """Builds x (batch, 8) -> nodes -> y (batch, 4)."""

    def build(nodes: list[Any], **constants: Any) -> Any:
        return small_models.model(
            nodes,
            [small_models.value("x", "batch", 8)],
            [small_models.value("y", "batch", 4)],
            small_models.constants(**constants),
        )

    return build


def operators(model: Any) -> Counter[str]:
    return Counter(each.op_type for each in model.graph.node)


def test_nodes_that_nobody_reads_go(dense: Any) -> None:
    model = dense(
        [node("MatMul", ["x", "w"], ["y"]), node("Relu", ["y"], ["dead"]), node("Exp", ["dead"], ["deader"])],
        w=floats(8, 4),
    )

    result = simplified(model, where="m.onnx")

    assert (operators(result.model), result.nodes, result.warnings) == (Counter(MatMul=1), 2, ())


def test_what_is_computed_twice_is_computed_once(dense: Any, outputs_of: Any) -> None:
    weight = floats(8, 4)
    model = dense(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("MatMul", ["x", "copy"], ["b"]),
            node("Relu", ["a"], ["c"]),
            node("Relu", ["b"], ["d"]),
            node("Add", ["c", "d"], ["y"]),
        ],
        w=weight,
        copy=weight.copy(),
    )

    result = simplified(model, where="m.onnx")

    assert (operators(result.model), result.constants) == (Counter(MatMul=1, Relu=1, Add=1), 1)
    np.testing.assert_array_equal(outputs_of(result.model, {"x": X})["y"], outputs_of(model, {"x": X})["y"])


def test_an_output_that_is_computed_twice_keeps_its_type(small_models: Any) -> None:
    value = small_models.value
    model = small_models.model(
        [node("Exp", ["x"], ["a"]), node("Exp", ["x"], ["y"]), node("Relu", ["a"], ["z"])],
        [value("x", "n", 8)],
        [value("y", "n", 8), value("z", "n", 8)],
    )

    result = simplified(model, where="m.onnx")

    assert operators(result.model) == Counter(Exp=1, Relu=1)
    assert list(result.model.graph.output) == list(model.graph.output)
    onnx.checker.check_model(result.model, full_check=True)


def test_equal_biases_stay_their_layers_own(dense: Any) -> None:
    bias = np.zeros(8, np.float32)
    model = dense(
        [
            node("Gemm", ["x", "w", "b"], ["a"]),
            node("Gemm", ["a", "v", "c"], ["d"]),
            node("MatMul", ["d", "u"], ["y"]),
        ],
        w=floats(8, 8),
        v=floats(8, 8),
        u=floats(8, 4),
        b=bias,
        c=bias.copy(),
    )

    assert simplified(model, where="m.onnx").model is model


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("bias", [None, floats(4), floats(1, 4), np.float32(0.3)])
def test_a_norm_behind_a_gemm_is_merged(dense: Any, outputs_of: Any, is_transposed: bool, bias: Any) -> None:
    weight = floats(4, 8) if is_transposed else floats(8, 4)
    inputs = ["x", "w"] if bias is None else ["x", "w", "b"]
    model = dense(
        [
            node("Gemm", inputs, ["a"], transB=int(is_transposed)),
            node("BatchNormalization", ["a", "gain", "shift", "mean", "variance"], ["n"], epsilon=1e-3),
            node("Relu", ["n"], ["y"]),
        ],
        w=weight,
        **norm(4),
        **({} if bias is None else {"b": bias}),
    )

    result = simplified(model, where="m.onnx")

    assert (operators(result.model), result.warnings) == (Counter(Gemm=1, Relu=1), ())
    before, after = outputs_of(model, {"x": X})["y"], outputs_of(result.model, {"x": X})["y"]
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_a_norm_stays_where_another_reads_what_is_before_it(dense: Any) -> None:
    model = dense(
        [
            node("Gemm", ["x", "w"], ["a"]),
            node("BatchNormalization", ["a", "gain", "shift", "mean", "variance"], ["n"]),
            node("Add", ["n", "a"], ["y"]),
        ],
        w=floats(8, 4),
        **norm(4),
    )

    assert simplified(model, where="m.onnx").model is model


@pytest.mark.parametrize("factors", [{"alpha": 0.5}, {"beta": 3.0}, {"alpha": -2.0, "beta": 0.25}])
def test_factors_of_a_gemm_are_merged(dense: Any, outputs_of: Any, factors: dict[str, float]) -> None:
    model = dense([node("Gemm", ["x", "w", "b"], ["y"], **factors)], w=floats(8, 4), b=floats(4))

    (gemm,) = simplified(model, where="m.onnx").model.graph.node

    assert not {attribute.name for attribute in gemm.attribute} & {"alpha", "beta"}
    before = outputs_of(model, {"x": X})["y"]
    np.testing.assert_allclose(
        outputs_of(simplified(model, where="m.onnx").model, {"x": X})["y"], before, rtol=1e-5, atol=1e-6
    )


def test_a_weight_that_another_reads_is_not_scaled_for_it(dense: Any, outputs_of: Any) -> None:
    model = dense(
        [
            node("Gemm", ["x", "w"], ["a"], alpha=0.5),
            node("MatMul", ["x", "w"], ["b"]),
            node("Sub", ["a", "b"], ["y"]),
        ],
        w=floats(8, 4),
        w_merged=floats(1, 1),
    )

    after = simplified(model, where="m.onnx").model

    np.testing.assert_allclose(outputs_of(after, {"x": X})["y"], outputs_of(model, {"x": X})["y"], rtol=1e-5, atol=1e-6)


def test_a_simpler_graph_that_computes_something_else_is_not_kept(dense: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense(
        [node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5), node("Relu", ["y"], ["dead"])], w=floats(8, 4), b=floats(4)
    )
    right = products._floats
    monkeypatch.setattr(products, "_floats", lambda value: right(value) * 1.01)

    result = simplified(model, where="m.onnx")

    assert result.model is model
    (told,) = result.warnings
    assert told.startswith("`m.onnx` is not simplified: the simpler graph is not proven equal (output `y` differs by ")


def test_a_graph_that_is_simple_already_is_given_back(small_models: Any) -> None:
    model = small_models.conv()

    assert simplified(model, where="m.onnx").model is model


def test_what_was_given_stays_as_it_is(dense: Any) -> None:
    model = dense([node("Gemm", ["x", "w"], ["y"], alpha=0.5), node("Relu", ["y"], ["dead"])], w=floats(8, 4))
    before = model.SerializeToString()

    simplified(model, where="m.onnx")

    assert model.SerializeToString() == before


def test_a_model_above_the_limit_of_a_message_is_given_back(dense: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense([node("MatMul", ["x", "w"], ["y"]), node("Relu", ["y"], ["dead"])], w=floats(8, 4))
    monkeypatch.setattr(save, "_MOST_BYTES", 0)

    assert simplified(model, where="m.onnx").model is model


@pytest.mark.parametrize("name", ["branch", "loop", "listed_initializers", "nhwc", "padded", "conv_fixed_batch"])
def test_what_lies_in_subgraphs_and_around_stays(small_models: Any, save_model: Any, name: str) -> None:
    model = load_onnx(save_model(getattr(small_models, name)()))
    simple = Counter(each.op_type for each in model.graph.node)
    model.graph.node.append(node("Exp", [model.graph.output[0].name], ["dead"]))

    result = simplified(model, where="m.onnx")

    assert (operators(result.model), result.nodes, result.warnings) == (simple, 1, ())
