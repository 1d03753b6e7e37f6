"""What is measured to be slower in int8 stays float, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.core.measurement import Origin
from edgeopt.graph.rewrite.order import with_shapes
from edgeopt.steps.quantize.placement.profile import float_where_slower, in_integers

node = helper.make_node


def normal(*shape: int) -> Any:
    return (np.random.default_rng(0).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@pytest.fixture
def planted(small_models: Any) -> Any:
    """Two dense 3x3 convolutions, which pay, around a depthwise 5x5 of 12 channels.

    ONNX Runtime's integer kernel takes that one at a fifteenth of the speed of its float kernel on x86, since it goes
    by 16 channels (measured, 1.32, AVX-512).
    """
    nodes = [
        node("Conv", ["x", "u"], ["a"], name="wide", pads=[1] * 4),
        node("Relu", ["a"], ["b"], name="relu"),
        node("Conv", ["b", "v"], ["c"], name="depthwise", pads=[2] * 4, group=12),
        node("Relu", ["c"], ["d"], name="relu2"),
        node("Conv", ["d", "w"], ["e"], name="narrow", pads=[1] * 4),
        node("GlobalAveragePool", ["e"], ["y"], name="pool"),
    ]
    weights = {"u": normal(12, 96, 3, 3), "v": normal(12, 1, 5, 5), "w": normal(96, 12, 3, 3)}
    values = [small_models.value("x", "batch", 96, 48, 48)], [small_models.value("y", "batch", 96, 1, 1)]
    return with_shapes(small_models.model(nodes, *values, small_models.constants(**weights)))


FEEDS = {"x": np.random.default_rng(0).standard_normal((1, 96, 48, 48)).astype(np.float32)}


@pytest.mark.slow
@pytest.mark.parametrize("prefer", ["size", "latency"])
def test_a_node_that_is_slower_in_int8_stays_float(planted: Any, int8_of: Any, prefer: Any) -> None:
    found = float_where_slower(
        planted, lambda keep: int8_of(planted, FEEDS, keep), FEEDS, budget_seconds=3.0, prefer=prefer
    )

    assert "depthwise" in found.keep_float
    assert found.keep_float["depthwise"].startswith("measured here, it takes")
    assert found.keep_float["depthwise"].endswith("(host)")
    assert found.seconds < found.all_int8_seconds
    assert found.origin is Origin.HOST
    assert found.as_json()["kept_float"] == list(found.keep_float)


@pytest.mark.slow
def test_where_int8_pays_nothing_stays_float(small_models: Any, int8_of: Any) -> None:
    nodes = [node("Conv", ["x", "w"], ["c"], name="conv", pads=[1] * 4), node("Relu", ["c"], ["y"], name="relu")]
    values = [small_models.value("x", "batch", 128, 28, 28)], [small_models.value("y", "batch", 128, 28, 28)]
    model = with_shapes(small_models.model(nodes, *values, small_models.constants(w=normal(128, 128, 3, 3))))
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 128, 28, 28)).astype(np.float32)}
    found = float_where_slower(model, lambda keep: int8_of(model, feeds, keep), feeds, budget_seconds=1.0)

    assert found.keep_float == {}
    assert found.is_faster


@pytest.mark.slow
def test_where_no_int8_placement_wins_it_is_said(small_models: Any, int8_of: Any) -> None:
    model, feeds = small_models.mlp(), {"x": np.ones((1, 3), np.float32)}
    for index, found in enumerate(model.graph.node):
        found.name = f"node{index}"
    found = float_where_slower(model, lambda keep: int8_of(model, feeds, keep), feeds, budget_seconds=1.0)

    assert not found.is_faster


def test_only_nodes_that_run_on_integers_are_taken_for_such(planted: Any, int8_of: Any) -> None:
    """What is float already is not named as slower in int8, however the clock has it."""
    assert in_integers(int8_of(planted, FEEDS).graph) >= {"wide", "depthwise", "narrow", "pool"}
    kept = in_integers(int8_of(planted, FEEDS, {"wide": "asked", "depthwise": "asked"}).graph)
    assert {"narrow", "pool"} <= kept
    assert kept.isdisjoint({"wide", "depthwise"})


def test_without_time_nothing_is_tried(planted: Any, int8_of: Any) -> None:
    built = []

    def build(keep: Any) -> Any:
        built.append(dict(keep))
        return int8_of(planted, FEEDS, keep)

    found = float_where_slower(planted, build, FEEDS, budget_seconds=0.0)

    assert built == [{}]
    assert (found.keep_float, found.rounds) == ({}, 0)
    assert found.all_int8_seconds == found.seconds > 0
