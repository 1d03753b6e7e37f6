"""A matrix product over many axes and its bias become one Gemm over rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.dense import merge_biases

node = helper.make_node


def normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def dense(models: Any, *, bias: Any, shape: tuple[Any, ...] = ("batch", 7, 4), extra: Any = (), outputs: Any = ("y",)):
    """x -> MatMul by (4, 5) -> Add -> y."""
    nodes = [node("MatMul", ["x", "w"], ["p"], name="product"), node("Add", ["p", "b"], ["y"], name="add"), *extra]
    values = [models.value(name, *[f"axis{index}" for index in range(len(shape))]) for name in outputs]
    return models.model(nodes, [models.value("x", *shape)], values, models.constants(w=normal(4, 5), b=bias))


@pytest.mark.parametrize("bias", [normal(5), normal(1), np.float32(2), normal(1, 5), normal(1, 1, 5)])
@pytest.mark.parametrize("shape", [("batch", 7, 4), (2, 3, 7, 4), (2, "length", 4)])
def test_product_and_bias_become_one_gemm_between_reshapes(small_models, rewrite, bias, shape):
    found = rewrite(dense(small_models, bias=bias, shape=shape), merge_biases)

    assert found.operators == ["Reshape", "Gemm", "Reshape"]
    assert found.after.graph.node[1].name == "product"


def test_a_bias_on_the_left_is_merged_too(small_models, rewrite):
    model = dense(small_models, bias=normal(5))
    model.graph.node[1].input[:] = ["b", "p"]

    assert rewrite(model, merge_biases).operators == ["Reshape", "Gemm", "Reshape"]


def test_products_of_one_input_share_its_rows(small_models, rewrite):
    extra = [node("MatMul", ["x", "w"], ["q"], name="other"), node("Add", ["b", "q"], ["z"], name="add2")]
    found = rewrite(dense(small_models, bias=normal(5), extra=extra, outputs=("y", "z")), merge_biases)

    assert sorted(found.operators) == ["Gemm", "Gemm", "Reshape", "Reshape", "Reshape"]


@pytest.mark.parametrize("bias", [normal(7, 5), normal(7, 1), normal(5, 1, 1)])
def test_a_bias_that_differs_by_row_stays(small_models, rewrite, bias):
    shape = ("batch", 7, 4) if bias.ndim < 3 else (5, 7, 4)

    assert not rewrite(dense(small_models, bias=bias, shape=shape), merge_biases).is_changed


def test_an_input_with_two_free_axes_stays(small_models, rewrite):
    assert not rewrite(dense(small_models, bias=normal(5), shape=("batch", "length", 4)), merge_biases).is_changed


def test_two_axes_are_left_to_the_runtime(small_models, rewrite):
    assert not rewrite(dense(small_models, bias=normal(5), shape=("batch", 4)), merge_biases).is_changed


def test_a_product_that_others_read_stays(small_models, rewrite):
    model = dense(small_models, bias=normal(5), extra=[node("Neg", ["p"], ["z"], name="neg")], outputs=("y", "z"))

    assert not rewrite(model, merge_biases).is_changed


def test_a_product_of_activations_stays(small_models, rewrite):
    nodes = [node("Abs", ["x"], ["a"]), node("MatMul", ["x", "a"], ["p"]), node("Add", ["p", "b"], ["y"])]
    values = [small_models.value("x", "batch", 4, 4)], [small_models.value("y", "batch", 4, 4)]

    assert not rewrite(small_models.model(nodes, *values, small_models.constants(b=normal(4))), merge_biases).is_changed
