"""For a target that runs integers alone nothing stays float since it would not pay."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.steps.quantize.placement.integers import END_REASON

node = helper.make_node


def constant(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


W = constant(4, 4, 3, 3)


def conv(source: str, target: str, name: str = "conv") -> Any:
    return node("Conv", [source, "w"], [target], name=name, pads=[1, 1, 1, 1])


@pytest.fixture
def placed(small_models: Any, place_model: Callable[..., Any]) -> Callable[..., Any]:
    """The placement of `nodes` from `x` (batch, 4, 8, 8) to `y`, with and without integers alone."""

    def build(nodes: Any, *, is_integer_only: bool = True, **constants: Any) -> Any:
        output = small_models.value("y")
        output.type.tensor_type.ClearField("shape")
        inputs = [small_models.value("x", "batch", 4, 8, 8)]
        model = small_models.model(nodes, inputs, [output], small_models.constants(**{"w": W, **constants}))
        return place_model(model, pooled_positions=inf, is_integer_only=is_integer_only)

    return build


NETS: dict[str, list[Any]] = {
    "a sum of floats": [node("Add", ["x", "x"], ["s"], name="sum"), conv("s", "y")],
    "a pool of the input": [
        node("MaxPool", ["x"], ["p"], name="pool", kernel_shape=[2, 2]),
        conv("p", "y"),
    ],
    "a clamp that another reader goes around": [
        conv("x", "c"),
        node("Relu", ["c"], ["r"], name="relu"),
        node("Add", ["c", "r"], ["y"], name="sum"),
    ],
    "hard swish": [
        conv("x", "c"),
        node("HardSigmoid", ["c"], ["g"], name="gate", alpha=1 / 6),
        node("Mul", ["c", "g"], ["h"], name="swish"),
        conv("h", "y", "second"),
    ],
    "tanh": [conv("x", "c"), node("Tanh", ["c"], ["h"], name="tanh"), conv("h", "y", "second")],
    "softmax in the middle": [
        conv("x", "c"),
        node("Softmax", ["c"], ["h"], name="softmax", axis=1),
        conv("h", "y", "second"),
    ],
    "a difference": [conv("x", "c"), node("Sub", ["c", "x"], ["h"], name="difference"), conv("h", "y", "second")],
    "a sum at the end": [conv("x", "c"), node("Add", ["c", "x"], ["y"], name="sum")],
}


@pytest.mark.parametrize("nodes", NETS.values(), ids=NETS)
def test_every_node_runs_on_integers(placed: Callable[..., Any], nodes: list[Any]) -> None:
    found = placed(nodes)

    assert found.kept_float == {}
    assert "y" in found.tensors
    assert "x" in found.tensors


@pytest.mark.parametrize("name", ["a sum of floats", "hard swish", "tanh", "softmax in the middle", "a difference"])
def test_elsewhere_they_stay_float(placed: Callable[..., Any], name: str) -> None:
    assert placed(NETS[name], is_integer_only=False).kept_float


def test_a_dense_layer_at_the_end_writes_integers(small_models: Any, place_model: Callable[..., Any]) -> None:
    found = place_model(small_models.conv(), is_integer_only=True)

    assert "scores" in found.tensors
    assert found.noted == set()


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Sigmoid", "Tanh"])
def test_an_activation_that_ends_the_model_is_left_to_the_conversion(placed: Callable[..., Any], operator: str) -> None:
    found = placed([conv("x", "c"), node(operator, ["c"], ["y"], name="end")])

    assert found.kept_float == {"end": END_REASON}
    assert set(found.tensors) == {"x", "c"}


def test_what_has_no_integer_kernel_is_told(placed: Callable[..., Any]) -> None:
    found = placed([conv("x", "c"), node("Erf", ["c"], ["h"], name="erf"), conv("h", "y", "second")])

    assert found.kept_float == {"erf": "edgeopt knows no integer kernel for Erf"}


@pytest.mark.parametrize("alpha", [0.2, 1 / 6])
def test_a_hard_sigmoid_that_is_no_part_of_hard_swish_is_told(placed: Callable[..., Any], alpha: float) -> None:
    gate = node("HardSigmoid", ["c"], ["g"], name="gate", alpha=alpha)
    others = {0.2: [node("Mul", ["c", "g"], ["y"])], 1 / 6: [node("Mul", ["x", "g"], ["y"])]}
    found = placed([conv("x", "c"), gate, *others[alpha]])

    assert found.kept_float == {"gate": "edgeopt knows no integer kernel for HardSigmoid"}


def test_nothing_is_rounded_inside_hard_swish(placed: Callable[..., Any]) -> None:
    assert set(placed(NETS["hard swish"]).tensors) == {"x", "c", "h", "y"}


def test_a_constant_is_rounded_like_what_it_is_added_to(placed: Callable[..., Any]) -> None:
    nodes = [conv("x", "c"), node("Add", ["c", "b"], ["y"], name="sum")]

    assert set(placed(nodes, b=constant(1, 4, 8, 8)).tensors) == {"x", "c", "b", "y"}
    assert placed(nodes, is_integer_only=False, b=constant(1, 4, 8, 8)).kept_float == {
        "sum": "one of its inputs is a constant"
    }
