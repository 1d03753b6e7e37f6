"""The step with `--layout nhwc`: inputs and outputs change, and the report says how every value lies."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import no_samples
from edgeopt.steps.tflite.step import Tflite
from tests.steps.tflite.running import run_onnx, run_tflite

NETWORK = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 4, 4, 4] image) => (float[1, 4, 4, 4] y, float[1, 64] z)
{
  a = Conv <pads = [1, 1, 1, 1]> (image, w)
  y = Conv <pads = [1, 1, 1, 1]> (a, w)
  z = Flatten (a)
}
"""

SERIES = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 4, 9] wave) => (float[1, 4, 9] y)
{
  a = Conv <pads = [1, 1]> (wave, w)
  y = Conv <pads = [1, 1]> (a, w)
}
"""


@pytest.mark.parametrize(("layout", "order"), [("nchw", [0, 1, 2, 3]), ("nhwc", [0, 2, 3, 1])])
def test_equal_lengths_leave_no_doubt_where_each_axis_lies(layout, order, tmp_path):
    model = onnx.parser.parse_model(NETWORK)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((4, 4, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "net.onnx")
    image = rng.standard_normal((1, 4, 4, 4)).astype(np.float32)

    report = Tflite(layout=layout).apply(tmp_path / "net.onnx", tmp_path / "net.tflite", no_samples())

    told = report.details["tensors"]
    assert told["image"] == {"tensor": "image", "axes": order}
    assert told["y"] == {"tensor": "y", "axes": order}
    assert told["z"] == {"tensor": "z", "axes": [0, 1]}
    found = run_tflite((tmp_path / "net.tflite").read_bytes(), {"image": np.ascontiguousarray(image.transpose(order))})
    expected = run_onnx(model, {"image": image})
    np.testing.assert_allclose(found["y"], expected["y"].transpose(order), atol=1e-4)
    np.testing.assert_allclose(found["z"], expected["z"], atol=1e-4)


def test_a_series_comes_in_and_goes_out_channels_last(tmp_path):
    model = onnx.parser.parse_model(SERIES)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((4, 4, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "net.onnx")
    wave = rng.standard_normal((1, 4, 9)).astype(np.float32)

    report = Tflite(layout="nhwc").apply(tmp_path / "net.onnx", tmp_path / "net.tflite", no_samples())

    assert "TRANSPOSE" not in report.details["operators"]
    found = run_tflite((tmp_path / "net.tflite").read_bytes(), {"wave": np.ascontiguousarray(wave.transpose(0, 2, 1))})
    expected = run_onnx(model, {"wave": wave})["y"].transpose(0, 2, 1)
    np.testing.assert_allclose(found["y"], expected, atol=1e-4)
