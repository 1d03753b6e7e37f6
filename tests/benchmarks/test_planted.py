"""benchmarks/planted.py spreads channels and leaves the function as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from planted import plant


@pytest.fixture
def separable(small_models, save_model) -> Path:
    """image (1, 4, 8, 8) -> pointwise Conv -> Relu -> depthwise Conv -> Relu -> pointwise Conv -> features."""
    generator = np.random.default_rng(0)
    shapes = {"first": (4, 4, 1, 1), "bias": (4,), "depthwise": (4, 1, 3, 3), "last": (6, 4, 1, 1)}
    arrays = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["image", "first", "bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "depthwise"], ["c"], group=4),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "last"], ["features"]),
    ]
    value = small_models.value
    inputs, outputs = [value("image", 1, 4, 8, 8)], [value("features", 1, 6, 6, 6)]
    return save_model(small_models.model(nodes, inputs, outputs, small_models.constants(**arrays)))


def run(path: Path, image: np.ndarray) -> np.ndarray:
    (features,) = onnxruntime.InferenceSession(path).run(None, {"image": image})
    return features


def test_the_function_stays_and_the_ranges_of_channels_do_not(separable: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted.onnx"

    assert plant(separable, planted, spread=16.0) == 2

    image = np.random.default_rng(1).standard_normal((1, 4, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(run(planted, image), run(separable, image), rtol=1e-4, atol=1e-5)
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for path in (separable, planted)
    )
    factors = after["bias"] / before["bias"]
    assert factors.max() / factors.min() > 4
    assert np.abs(np.log(factors)).max() <= np.log(16.0) + 1e-6
    np.testing.assert_allclose(after["first"][:, 0, 0, 0] / before["first"][:, 0, 0, 0], factors, rtol=1e-5)


def test_a_network_without_depthwise_layers_is_refused(small_models, save_model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no depthwise convolution"):
        plant(save_model(small_models.conv()), tmp_path / "planted.onnx", spread=4.0)
