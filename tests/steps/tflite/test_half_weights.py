from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edgeopt.core.dataset import no_samples
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.tflite.step import Tflite
from tests.steps.tflite.quantized import run_as_written, samples_of, small_net
from tests.steps.tflite.running import REFERENCE, XNNPACK, run_tflite


def wide_net() -> onnx.ModelProto:
    """`small_net` with a product of 12 x 400, whose weights are most of it."""
    model = small_net()
    generator = np.random.default_rng(3)
    for name, shape in (("w5", (400, 12)), ("b5", (400,))):
        tensor = next(each for each in model.graph.initializer if each.name == name)
        tensor.CopyFrom(numpy_helper.from_array(generator.normal(0, 1, shape).astype(np.float32), name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 400
    return model


def converted(source: Path) -> bytes:
    target = source.with_suffix(".tflite")
    Tflite().apply(source, target, no_samples())
    return target.read_bytes()


def test_float16_weights_take_half_the_bytes_and_give_the_same_numbers(tmp_path: Path) -> None:
    model = wide_net()
    onnx.save(model, tmp_path / "float.onnx")
    Quantize(scheme="fp16", target="rpi4").apply(tmp_path / "float.onnx", tmp_path / "half.onnx", no_samples())
    large, small = converted(tmp_path / "float.onnx"), converted(tmp_path / "half.onnx")

    assert len(small) < 0.65 * len(large)  # tables of a small file weigh
    feeds = {"x": samples_of(model, 1)}
    wanted = run_as_written(onnx.load(tmp_path / "half.onnx"), feeds)[0]
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(small, feeds, kernels)["y"]
        np.testing.assert_allclose(given, wanted, atol=2e-3 * np.abs(wanted).max())


def test_weights_that_are_no_float16_numbers_stay_float32(tmp_path: Path) -> None:
    onnx.save(wide_net(), tmp_path / "float.onnx")

    report = Tflite().apply(tmp_path / "float.onnx", tmp_path / "float.tflite", no_samples())
    assert "DEQUANTIZE" not in report.details["operators"]
