"""Two models agree when every output does on random inputs; what cannot be run is not said to agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.graph.agreement import TOLERANCE, Verdict, agreement


def changed(model: Any, name: str, change: Any) -> Any:
    """A copy of `model` whose constant `name` went through `change`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor)), name))
    return copy


@pytest.mark.parametrize("name", ["conv", "conv_fixed_batch", "mlp", "padded", "nhwc", "two_inputs", "branch", "loop"])
def test_a_model_agrees_with_itself(small_models: Any, name: str) -> None:
    model = getattr(small_models, name)()

    assert agreement(model, model).verdict is Verdict.EQUAL


def test_rounding_is_no_difference_and_more_is(small_models: Any) -> None:
    model = small_models.mlp()
    rounded = changed(model, "second", lambda weight: weight * np.float32(1 + TOLERANCE / 4))
    other = changed(model, "second", lambda weight: weight * np.float32(1 + TOLERANCE * 4))

    assert agreement(model, rounded).verdict is Verdict.EQUAL
    found = agreement(model, other)
    assert found.verdict is Verdict.DIFFERENT
    assert found.reason.startswith("output `scores` differs by ")


def test_a_difference_that_only_a_larger_batch_shows_is_seen(small_models: Any) -> None:
    value, constants = small_models.value, small_models.constants

    def model(shape: list[int]) -> Any:
        nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
        return small_models.model(nodes, [value("x", "n", 4)], [value("y", "a", "b")], constants(shape=shape))

    assert agreement(model([-1, 4]), model([1, -1])).verdict is Verdict.DIFFERENT


def test_free_axes_are_tried_at_lengths_that_the_model_takes(small_models: Any) -> None:
    value, constants = small_models.value, small_models.constants
    kernel = np.ones((1, 1, 20), np.float32)
    wide = small_models.model(
        [helper.make_node("Conv", ["x", "kernel"], ["y"])],
        [value("x", "n", 1, "length")],
        [value("y", "n", 1, "out")],
        constants(kernel=kernel),
    )

    assert agreement(wide, wide).verdict is Verdict.EQUAL
    assert agreement(wide, changed(wide, "kernel", lambda k: k * 2)).verdict is Verdict.DIFFERENT


def test_a_model_that_fails_on_random_inputs_leaves_it_unknown(small_models: Any) -> None:
    model = small_models.model(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [small_models.value("x", "n", "m")],
        [small_models.value("y", 7, 11)],
        small_models.constants(shape=[7, 11]),
    )

    found = agreement(model, model)

    assert found.verdict is Verdict.UNKNOWN
    assert found.reason.startswith("the original does not run on random inputs: ")


def test_a_new_model_that_the_runtime_refuses_is_different_and_an_original_unknown(small_models: Any) -> None:
    good, bad = small_models.mlp(), small_models.mlp()
    bad.graph.node[0].op_type = "NoSuchOperator"

    assert agreement(good, bad).verdict is Verdict.DIFFERENT
    assert agreement(bad, good).verdict is Verdict.UNKNOWN


def test_other_outputs_are_a_difference(small_models: Any) -> None:
    fewer = small_models.two_inputs()
    del fewer.graph.output[1]

    assert agreement(small_models.two_inputs(), fewer).reason == "their outputs have other names"


def test_not_a_number_must_stand_in_the_same_places(small_models: Any) -> None:
    def model(operator: str) -> Any:
        return small_models.model(
            [helper.make_node(operator, ["x"], ["y"])], [small_models.value("x", 4, 3)], [small_models.value("y", 4, 3)]
        )

    assert agreement(model("Log"), model("Log")).verdict is Verdict.EQUAL
    assert agreement(model("Log"), model("Exp")).reason == "output `y` is NaN or infinite elsewhere"


def test_integers_must_be_the_same(small_models: Any) -> None:
    def model(axis: int) -> Any:
        node = helper.make_node("ArgMax", ["x"], ["y"], axis=1, select_last_index=axis)
        output = small_models.value("y", "n", 1, dtype=TensorProto.INT64)
        tie = small_models.constants(zero=np.zeros((1, 3), np.float32))
        scale = helper.make_node("Mul", ["raw", "zero"], ["x"])
        return small_models.model([scale, node], [small_models.value("raw", "n", 3)], [output], tie)

    assert agreement(model(0), model(0)).verdict is Verdict.EQUAL
    assert agreement(model(0), model(1)).reason == "output `y` differs"
