"""The planted failure: another range for every channel, the same function."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from planted import plant


@pytest.fixture
def separable(small_models):
    """x (batch, 6, 8, 8) -> depthwise convolution -> Relu -> pointwise convolution -> y (batch, 4, 8, 8)."""
    generator = np.random.default_rng(0)
    shapes = {"depthwise": (6, 1, 3, 3), "bias": (6,), "pointwise": (4, 6, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "depthwise", "bias"], ["a"], group=6, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "pointwise"], ["y"]),
    ]
    return small_models.model(
        nodes,
        [small_models.value("x", "batch", 6, 8, 8)],
        [small_models.value("y", "batch", 4, 8, 8)],
        small_models.constants(
            **{name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        ),
    )


def array(model, name):
    return next(onnx.numpy_helper.to_array(found) for found in model.graph.initializer if found.name == name)


def test_ranges_spread_and_the_function_stays(separable, outputs_of):
    planted = plant(separable, 16, seed=1)

    factors = (array(planted, "depthwise") / array(separable, "depthwise"))[:, 0, 0, 0]
    assert 1 / 16 <= factors.min() < 1 < factors.max() <= 16
    assert factors.max() / factors.min() > 4
    np.testing.assert_allclose(array(planted, "bias"), array(separable, "bias") * factors, rtol=1e-5)
    x = {"x": np.random.default_rng(2).standard_normal((4, 6, 8, 8)).astype(np.float32)}
    np.testing.assert_allclose(outputs_of(planted, x)["y"], outputs_of(separable, x)["y"], rtol=1e-4, atol=1e-4)


def test_a_seed_plants_the_same_again(separable):
    assert plant(separable, 4, seed=3) == plant(separable, 4, seed=3)
    assert plant(separable, 4, seed=3) != plant(separable, 4, seed=4)


def test_a_model_without_such_a_pair_is_refused(small_models):
    with pytest.raises(ValueError, match="no depthwise convolution"):
        plant(small_models.conv(), 4, seed=0)
