"""Nodes are put in the place of others under names that nobody else has."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.graph.rewrite.dense import merge_biases
from edgeopt.graph.rewrite.pooling import pool_means


def test_names_that_a_rewrite_would_choose_are_left_to_those_who_have_them(small_models: Any, rewrite: Any) -> None:
    """`gap` is pooled to `gap_pooled`, flattened by `gap_Flatten`, and the model has both names."""
    nodes = [
        helper.make_node("Abs", ["image"], ["y_pooled"], name="mean_Flatten"),
        helper.make_node("ReduceMean", ["y_pooled", "axes"], ["y"], name="mean", keepdims=0),
    ]
    values = [small_models.value("image", "batch", 3, 8, 8)], [small_models.value("y", "batch", 3)]
    model = small_models.model(nodes, *values, small_models.constants(axes=np.array([2, 3])), opset=18)
    found = rewrite(model, pool_means)

    assert [node.name for node in found.after.graph.node] == ["mean_Flatten", "mean", "mean_Flatten_1"]
    assert_names_are_free(found.after)


def test_a_layer_between_nodes_with_its_names_gets_others(small_models: Any, rewrite: Any) -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["x_rows"], name="x_rows_Reshape"),
        helper.make_node("MatMul", ["x", "w"], ["p"], name="product"),
        helper.make_node("Add", ["p", "add_bias"], ["y_rows"], name="add"),
        helper.make_node("Add", ["y_rows", "x_rows"], ["y"], name="product_Reshape"),
    ]
    generator = np.random.default_rng(0)
    constants = small_models.constants(
        w=generator.standard_normal((4, 4)).astype(np.float32), add_bias=np.ones(4, np.float32)
    )
    values = [small_models.value("x", "batch", 5, 4)], [small_models.value("y", "batch", 5, 4)]
    found = rewrite(small_models.model(nodes, *values, constants), merge_biases)

    assert "Gemm" in found.operators
    assert_names_are_free(found.after)


def test_an_output_of_the_graph_keeps_its_name(small_models: Any, rewrite: Any) -> None:
    nodes = [helper.make_node("ReduceMean", ["image", "axes"], ["y"], name="mean", keepdims=0)]
    values = [small_models.value("image", "batch", 3, 8, 8)], [small_models.value("y", "batch", 3)]
    model = small_models.model(nodes, *values, small_models.constants(axes=np.array([2, 3])), opset=18)

    assert [value.name for value in rewrite(model, pool_means).after.graph.output] == ["y"]


def assert_names_are_free(model: Any) -> None:
    names = [node.name for node in model.graph.node]
    tensors = [name for node in model.graph.node for name in node.output] + [c.name for c in model.graph.initializer]
    assert len(names) == len(set(names))
    assert len(tensors) == len(set(tensors))
    onnx.checker.check_model(model)


@pytest.mark.parametrize("opset", [13, 18])
def test_the_runtime_takes_what_comes_out(small_models: Any, rewrite: Any, opset: int) -> None:
    """`rewrite` runs it."""
    attributes = {"axes": [2, 3]} if opset < 18 else {}
    given = ["image"] if opset < 18 else ["image", "axes"]
    nodes = [helper.make_node("ReduceMean", given, ["y"], name="mean", keepdims=0, **attributes)]
    values = [small_models.value("image", "batch", 3, 8, 8)], [small_models.value("y", "batch", 3)]
    constants = small_models.constants(axes=np.array([2, 3])) if opset >= 18 else []

    assert rewrite(small_models.model(nodes, *values, constants, opset=opset), pool_means).is_changed
