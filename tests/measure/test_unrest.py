"""The unrest of a model is what a step, up or down, at each of its quantizers does to its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.measure.unrest import Unrest

SCALE = 0.25


def rounding(small_models: Any, count: int = 1) -> Any:
    """x (n, 4), rounded to quarters `count` times."""
    constants = small_models.constants(scale=np.float32(SCALE), zero=np.int8(0))
    nodes, last = [], "x"
    for number in range(count):
        nodes.append(helper.make_node("QuantizeLinear", [last, "scale", "zero"], [f"q{number}"]))
        last = "y" if number == count - 1 else f"d{number}"
        nodes.append(helper.make_node("DequantizeLinear", [f"q{number}", "scale", "zero"], [last]))
    value = small_models.value
    return small_models.model(nodes, [value("x", "n", 4)], [value("y", "n", 4)], constants)


def changes(model: Any, outputs_of: Any, feeds: dict[str, Any]) -> Any:
    wanted = outputs_of(model, feeds)
    unrest = Unrest(model)
    unrest.add(feeds, wanted)
    return unrest.by_output()["y"]


def test_half_the_values_move_by_a_step(small_models: Any, outputs_of: Any) -> None:
    """Half of the numbers from -1 to 1 lie beyond the half on whose two sides a value may lie."""
    values = np.random.default_rng(0).uniform(-5, 5, (2000, 4)).astype(np.float32)

    found = changes(rounding(small_models), outputs_of, {"x": values})

    assert found.largest == pytest.approx(SCALE)
    assert found.root_mean_square == pytest.approx(SCALE * 0.5**0.5, rel=0.05)


def test_every_quantizer_counts(small_models: Any, outputs_of: Any) -> None:
    values = np.random.default_rng(0).uniform(-5, 5, (500, 4)).astype(np.float32)

    one = changes(rounding(small_models, 1), outputs_of, {"x": values})
    many = changes(rounding(small_models, 6), outputs_of, {"x": values})

    assert many.root_mean_square > 1.2 * one.root_mean_square


def test_weights_are_not_rounded_otherwise(small_models: Any, outputs_of: Any) -> None:
    model = rounding(small_models)
    model.graph.initializer.extend(small_models.constants(weight=np.ones((1, 4), np.float32)))
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", ["weight", "scale", "zero"], ["w"]),
            helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["wide"]),
            helper.make_node("Add", ["y", "wide"], ["z"]),
        ]
    )

    unrest = Unrest(model)

    assert unrest.steps == (SCALE,)


def test_the_figure_is_the_same_each_time(small_models: Any, outputs_of: Any) -> None:
    feeds = {"x": np.random.default_rng(0).uniform(-5, 5, (50, 4)).astype(np.float32)}

    first, second = (changes(rounding(small_models, 3), outputs_of, feeds) for _ in range(2))

    assert first == second


def test_a_model_without_quantizers_is_at_rest(small_models: Any, outputs_of: Any) -> None:
    model = small_models.mlp()
    feeds = {"x": np.ones((2, 3), np.float32)}
    unrest = Unrest(small_models.mlp())

    unrest.add(feeds, outputs_of(model, feeds))

    assert unrest.by_output()["scores"].largest == 0
