"""A residual sum before a layer norm stays apart from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.sums import part_sums

node = helper.make_node


def residual(models: Any, *, constant: bool = False) -> Any:
    """x -> x + |x| (or + a constant) -> LayerNormalization -> y."""
    nodes = [
        node("Abs", ["x"], ["a"]),
        node("Add", ["x", "k" if constant else "a"], ["s"], name="add"),
        node("LayerNormalization", ["s", "gain", "shift"], ["y"], name="norm", axis=-1),
    ]
    if constant:
        nodes.pop(0)
    generator = np.random.default_rng(0)
    arrays = {name: generator.standard_normal(16).astype(np.float32) for name in ("gain", "shift", "k")}
    values = [models.value("x", "batch", 5, 16)], [models.value("y", "batch", 5, 16)]
    return models.model(nodes, *values, models.constants(**arrays))


def test_the_runtime_does_not_merge_it_any_more(small_models, rewrite, fused_operators):
    found = rewrite(residual(small_models), part_sums)

    assert "SkipLayerNormalization" in fused_operators(found.before)
    assert sorted(fused_operators(found.after)) == ["Abs", "LayerNormalization", "Sum"]
    assert found.after.graph.node[1].name == "add"


def test_a_sum_with_a_constant_stays(small_models, rewrite):
    assert not rewrite(residual(small_models, constant=True), part_sums).is_changed


@pytest.mark.parametrize("model", ["two_inputs", "mlp", "conv"])
def test_a_sum_that_no_layer_norm_reads_stays(small_models, rewrite, model):
    assert not rewrite(getattr(small_models, model)(), part_sums).is_changed
