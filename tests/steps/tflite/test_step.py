"""The step: what its options do to the boundary of a file."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeopt.core.dataset import no_samples
from edgeopt.steps.tflite.step import IoType, Layout, Tflite
from tests.steps.tflite.quantized import samples_of, small_net, statically_quantized
from tests.steps.tflite.running import XNNPACK, run_tflite


@pytest.mark.parametrize("io", ["float32", "int8"])
def test_channels_last_leaves_no_transposition_and_tells_the_order(tmp_path: Path, io: IoType) -> None:
    onnx.save(statically_quantized(small_net(), tmp_path), tmp_path / "net.onnx")
    made = {}
    for layout in ("nchw", "nhwc"):
        path = tmp_path / f"{layout}.tflite"
        report = Tflite(layout=layout, io=io).apply(tmp_path / "net.onnx", path, no_samples())
        made[layout] = report.details, path.read_bytes()

    (first, plain), (last, turned) = made["nchw"], made["nhwc"]
    assert first["operators"]["TRANSPOSE"] == 1
    assert "TRANSPOSE" not in last["operators"]
    assert last["tensors"]["x"] == {"tensor": "x", "axes": [0, 2, 3, 1]}
    image = samples_of(small_net(), 1)
    image = image if io == "float32" else np.clip(np.rint(image * 40), -128, 127).astype(np.int8)
    wanted = run_tflite(plain, {"x": image}, XNNPACK)["y"]
    given = run_tflite(turned, {"x": np.ascontiguousarray(image.transpose(0, 2, 3, 1))}, XNNPACK)["y"]
    assert given.dtype == io
    np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize(("wanted", "is_said"), [("nhwc", True), ("nchw", False)])
def test_a_layout_that_changes_nothing_is_said(tmp_path: Path, wanted: Layout, is_said: bool) -> None:
    text = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 6, 5, 3] image) => (float[1, 3] y)
{
  first = Transpose <perm = [0, 3, 1, 2]> (image)
  mean = GlobalAveragePool (first)
  y = Flatten (mean)
}
"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")

    report = Tflite(layout=wanted).apply(tmp_path / "net.onnx", tmp_path / "net.tflite", no_samples())

    said = "`nhwc` changes no input or output: none is transposed right at the boundary"
    assert (said in report.warnings) == is_said
