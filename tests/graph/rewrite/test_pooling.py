"""A mean over the whole image becomes GlobalAveragePool, and no other mean does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.pooling import pool_means


def mean(models: Any, axes: Any, shape: tuple[int, ...] = (3, 8, 6), opset: int = 18, **attributes: Any) -> Any:
    """image (batch, *shape) -> Abs -> ReduceMean over `axes` -> y; axes are an attribute before opset 18."""
    given = [] if opset < 18 or axes is None else ["axes"]
    if opset < 18 and axes is not None:
        attributes["axes"] = axes
    nodes = [
        helper.make_node("Abs", ["image"], ["a"]),
        helper.make_node("ReduceMean", ["a", *given], ["y"], name="mean", **attributes),
    ]
    rank = len(shape) + 1 if attributes.get("keepdims", 1) else len(shape) + 1 - len(axes)
    output = models.value("y", *[f"axis{index}" for index in range(rank)])
    constants = models.constants(axes=np.array(axes, np.int64)) if given else []
    return models.model(nodes, [models.value("image", "batch", *shape)], [output], constants, opset=opset)


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, -2]])
@pytest.mark.parametrize("opset", [13, 17, 18])
def test_a_mean_over_both_axes_of_an_image_is_pooled(small_models, rewrite, axes, opset):
    assert rewrite(mean(small_models, axes, opset=opset), pool_means).operators == ["Abs", "GlobalAveragePool"]


def test_without_the_axes_in_its_result_it_is_flattened(small_models, rewrite):
    found = rewrite(mean(small_models, [2, 3], keepdims=0), pool_means)

    assert found.operators == ["Abs", "GlobalAveragePool", "Flatten"]
    assert found.after.graph.node[1].name == "mean"


@pytest.mark.parametrize(("shape", "axes"), [((3, 5), [2]), ((3, 4, 5, 6), [2, 3, 4])])
def test_signals_and_volumes_are_pooled_too(small_models, rewrite, shape, axes):
    assert "GlobalAveragePool" in rewrite(mean(small_models, axes, shape=shape), pool_means).operators


@pytest.mark.parametrize("axes", [[2], [3], [1, 2], [1, 2, 3], [0, 2, 3], [1], None])
def test_a_mean_over_other_axes_stays(small_models, rewrite, axes):
    assert not rewrite(mean(small_models, axes), pool_means).is_changed


def test_a_mean_over_the_channels_of_rows_stays(small_models, rewrite):
    assert not rewrite(mean(small_models, [1], shape=(4,)), pool_means).is_changed


def test_an_image_of_unknown_rank_stays(small_models):
    import onnx_ir as ir

    model = mean(small_models, [2, 3])
    model.graph.input[0].type.tensor_type.ClearField("shape")
    graph = ir.serde.deserialize_model(model).graph
    pool_means(graph)

    assert [node.op_type for node in graph] == ["Abs", "ReduceMean"]
