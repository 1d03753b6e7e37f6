"""A multiplication by a number goes into the weights before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.scalars import merge_scalars

node = helper.make_node
FACTOR = np.float32(0.3)


def normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def scaled(models: Any, factor: Any = FACTOR, operator: str = "Mul", flip: bool = False, read: bool = False):
    """x (batch, 4) -> Gemm to 6 -> Reshape -> Transpose -> times or by `factor` -> y (batch, 2, 3)."""
    nodes = [
        node("Gemm", ["x", "w", "b"], ["g"], name="gemm"),
        node("Reshape", ["g", "heads"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        node(operator, ["k", "t"] if flip else ["t", "k"], ["y"], name="scale"),
    ]
    outputs = [models.value("y", "batch", 2, 3)] + [models.value("r", "batch", 3, 2)] * read
    constants = models.constants(w=normal(4, 6), b=normal(6), heads=np.array([-1, 3, 2]), k=factor)
    return models.model(nodes, [models.value("x", "batch", 4)], outputs, constants)


@pytest.mark.parametrize("factor", [np.float32(0.3), np.full(1, -2, np.float32), np.full((1, 1), 7, np.float32)])
@pytest.mark.parametrize(("operator", "flip"), [("Mul", False), ("Mul", True), ("Div", False)])
def test_the_number_goes_into_weight_and_bias(small_models, rewrite, factor, operator, flip):
    found = rewrite(scaled(small_models, factor, operator, flip), merge_scalars)

    assert found.operators == ["Gemm", "Reshape", "Transpose"]


@pytest.mark.parametrize("factor", [np.float32(0), normal(3), np.full((1, 1, 1, 1), 2, np.float32)])
def test_zero_a_vector_and_a_number_that_adds_an_axis_stay(small_models, rewrite, factor):
    model = scaled(small_models, factor)
    if np.ndim(factor) == 4:
        model.graph.output[0].CopyFrom(small_models.value("y", 1, "batch", 2, 3))

    assert not rewrite(model, merge_scalars).is_changed


def test_a_number_divided_by_the_result_stays(small_models, rewrite):
    assert not rewrite(scaled(small_models, operator="Div", flip=True), merge_scalars).is_changed


def test_what_others_read_unscaled_stays(small_models, rewrite):
    assert not rewrite(scaled(small_models, read=True), merge_scalars).is_changed


def test_weights_that_two_layers_share_are_scaled_for_one(small_models, rewrite):
    model = scaled(small_models)
    model.graph.node.append(node("Gemm", ["x", "w", "b"], ["z"], name="other"))
    model.graph.output.append(small_models.value("z", "batch", 6))

    assert rewrite(model, merge_scalars).operators == ["Gemm", "Reshape", "Transpose", "Gemm"]


def test_a_result_of_no_layer_with_weights_stays(small_models, rewrite):
    model = small_models.model(
        [node("Abs", ["x"], ["a"]), node("Mul", ["a", "k"], ["y"])],
        [small_models.value("x", "batch", 4)],
        [small_models.value("y", "batch", 4)],
        small_models.constants(k=np.float32(2)),
    )

    assert not rewrite(model, merge_scalars).is_changed
