"""No transposition is left inside image networks, and none where they are channels last already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.quantized import float_kinds, run_as_written, signal_to_noise, statically_quantized
from tests.steps.tflite.running import (
    REFERENCE,
    XNNPACK,
    assert_same,
    kinds_of,
    lowered_model,
    parsed,
    run_tflite,
)

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"


def _weighted(text: str, **shapes: tuple[int, ...]) -> onnx.ModelProto:
    """The model of `text`, its inputs of `shapes` constants that keep activations near 1."""
    model = parsed(text)
    generator = np.random.default_rng(0)
    kept = [value for value in model.graph.input if value.name not in shapes]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for name, shape in shapes.items():
        values = generator.standard_normal(shape) / np.sqrt(max(np.prod(shape[1:]), 1))
        if name.startswith("variance"):
            values = np.abs(values) + 0.5
        model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    return model


def _image(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def _transpositions(kinds: list[str]) -> list[int]:
    return [place for place, kind in enumerate(kinds) if kind == "TRANSPOSE"]


def test_resnet8_has_none_at_all() -> None:
    model = onnx.load(ROOT / "models" / "digits_resnet8.onnx")  # one channel: its input lies alike in both orders
    lengths = [axis.dim_value or 1 for axis in model.graph.input[0].type.tensor_type.shape.dim]

    result = assert_same(model, {model.graph.input[0].name: _image(*lengths)})

    assert _transpositions(kinds_of(result)) == []


def test_a_residual_stem_and_block_as_in_resnet18_have_one_at_the_boundary() -> None:
    model = _weighted(
        """<ir_version: 8, opset_import: ["" : 17]>
        resnet (float[1, 3, 32, 32] x, float[8, 3, 7, 7] w, float[8] gain, float[8] shift, float[8] mean,
                float[8] variance, float[16, 8, 3, 3] a, float[16, 16, 3, 3] b, float[16, 8, 1, 1] c, float[10, 16] d,
                float[10] e) => (float[1, 10] y) {
          stem = Conv <strides = [2, 2], pads = [3, 3, 3, 3]> (x, w)
          norm = BatchNormalization (stem, gain, shift, mean, variance)
          on = Relu (norm)
          pool = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (on)
          first = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (pool, a)
          middle = Relu (first)
          second = Conv <pads = [1, 1, 1, 1]> (middle, b)
          short = Conv <strides = [2, 2]> (pool, c)
          sum = Add (second, short)
          out = Relu (sum)
          mean_of = GlobalAveragePool (out)
          flat = Flatten (mean_of)
          y = Gemm <transB = 1> (flat, d, e)
        }""",
        w=(8, 3, 7, 7),
        gain=(8,),
        shift=(8,),
        mean=(8,),
        variance=(8,),
        a=(16, 8, 3, 3),
        b=(16, 16, 3, 3),
        c=(16, 8, 1, 1),
        d=(10, 16),
        e=(10,),
    )

    result = assert_same(model, {"x": _image(1, 3, 32, 32)})

    assert _transpositions(kinds_of(result)) == [0]
    assert "MUL" not in kinds_of(result)  # the norm is merged into its convolution


def test_inverted_bottlenecks_as_in_mobilenet_have_one_at_the_boundary() -> None:
    model = _weighted(
        """<ir_version: 8, opset_import: ["" : 17]>
        mobilenet (float[1, 3, 16, 16] x, float[8, 3, 3, 3] w, float[24, 8, 1, 1] a, float[24, 1, 3, 3] b,
                   float[8, 24, 1, 1] c, float[10, 8] d, float[10] e) => (float[1, 10] y)
        <float low = {0}, float high = {6}> {
          stem = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w)
          on = Clip (stem, low, high)
          wide = Conv (on, a)
          wide_on = Clip (wide, low, high)
          deep = Conv <group = 24, pads = [1, 1, 1, 1]> (wide_on, b)
          deep_on = Clip (deep, low, high)
          narrow = Conv (deep_on, c)
          sum = Add (on, narrow)
          mean_of = ReduceMean <axes = [2, 3], keepdims = 0> (sum)
          y = Gemm <transB = 1> (mean_of, d, e)
        }""",
        w=(8, 3, 3, 3),
        a=(24, 8, 1, 1),
        b=(24, 1, 3, 3),
        c=(8, 24, 1, 1),
        d=(10, 8),
        e=(10,),
    )

    result = assert_same(model, {"x": _image(1, 3, 16, 16)})

    assert _transpositions(kinds_of(result)) == [0]


def test_a_keyword_spotter_as_ds_cnn_has_none_since_it_has_one_channel() -> None:
    model = _weighted(
        """<ir_version: 8, opset_import: ["" : 17]>
        ds_cnn (float[1, 1, 49, 10] x, float[8, 1, 10, 4] w, float[8, 1, 3, 3] a, float[8, 8, 1, 1] b, float[12, 8] d,
                float[12] e) => (float[1, 12] y) {
          stem = Conv <strides = [2, 2], auto_pad = "SAME_UPPER"> (x, w)
          on = Relu (stem)
          deep = Conv <group = 8, auto_pad = "SAME_UPPER"> (on, a)
          deep_on = Relu (deep)
          point = Conv (deep_on, b)
          point_on = Relu (point)
          pool = AveragePool <kernel_shape = [25, 5], strides = [25, 5]> (point_on)
          flat = Flatten (pool)
          last = Gemm <transB = 1> (flat, d, e)
          y = Softmax (last)
        }""",
        w=(8, 1, 10, 4),
        a=(8, 1, 3, 3),
        b=(8, 8, 1, 1),
        d=(12, 8),
        e=(12,),
    )

    result = assert_same(model, {"x": _image(1, 1, 49, 10)})

    assert _transpositions(kinds_of(result)) == []


def test_a_decoder_that_resizes_pads_and_normalizes_has_them_at_the_boundary_alone() -> None:
    model = _weighted(
        """<ir_version: 8, opset_import: ["" : 17]>
        decoder (float[1, 3, 8, 8] x, float[4, 3, 3, 3] w, float[4, 4, 3, 3] a, float[4, 2, 2, 2] b, float[4] gain)
          => (float[1, 2, 36, 36] y) <float[4] scales = {1, 1, 2, 2}, int64[8] widths = {0, 0, 1, 1, 0, 0, 1, 1}> {
          first = Conv <pads = [1, 1, 1, 1]> (x, w)
          norm = InstanceNormalization (first, gain, gain)
          up = Resize <mode = "linear"> (norm, , scales)
          wide = Pad <mode = "reflect"> (up, widths)
          more = LRN <size = 3> (wide)
          next = Conv <pads = [1, 1, 1, 1]> (more, a)
          y = ConvTranspose <strides = [2, 2]> (next, b)
        }""",
        w=(4, 3, 3, 3),
        a=(4, 4, 3, 3),
        b=(4, 2, 2, 2),
        gain=(4,),
    )

    result = assert_same(model, {"x": _image(1, 3, 8, 8)})

    kinds = kinds_of(result)
    assert _transpositions(kinds) == [0, len(kinds) - 1]


def test_a_quantized_u_net_is_integer_throughout_and_transposed_at_the_boundary_alone(tmp_path: Path) -> None:
    model = _weighted(
        """<ir_version: 8, opset_import: ["" : 17]>
        u_net (float[1, 3, 16, 16] x, float[8, 3, 3, 3] w, float[16, 8, 3, 3] a, float[16, 8, 2, 2] b,
               float[8, 16, 1, 1] c, float[2, 16, 1, 1] d, float[16, 16, 3, 3] e) => (float[1, 2, 18, 18] y)
        <float[4] scales = {1, 1, 2, 2}, int64[8] widths = {0, 0, 1, 1, 0, 0, 1, 1}> {
          first = Conv <pads = [1, 1, 1, 1]> (x, w)
          wide = Relu (first)
          half = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (wide)
          second = Conv <pads = [1, 1, 1, 1]> (half, a)
          second_on = Relu (second)
          quarter = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (second_on)
          third = Conv <pads = [1, 1, 1, 1]> (quarter, e)
          third_on = Relu (third)
          up = Resize <mode = "linear"> (third_on, , scales)
          fourth = Conv (up, c)
          joined = Concat <axis = 1> (fourth, half)
          upper = ConvTranspose <strides = [2, 2]> (joined, b)
          all = Concat <axis = 1> (upper, wide)
          edged = Pad <mode = "reflect"> (all, widths)
          y = Conv (edged, d)
        }""",
        w=(8, 3, 3, 3),
        a=(16, 8, 3, 3),
        b=(16, 8, 2, 2),
        c=(8, 16, 1, 1),
        d=(2, 16, 1, 1),
        e=(16, 16, 3, 3),
    )
    result = lowered_model(statically_quantized(model, tmp_path))
    content, image = model_bytes(result.net), _image(1, 3, 16, 16)
    wanted = run_as_written(onnx.load(tmp_path / "int8.onnx"), {"x": image})[0]

    kinds = kinds_of(result)
    assert float_kinds(result) == []
    assert _transpositions(kinds) == [1, len(kinds) - 2]  # behind the QUANTIZE, and before the DEQUANTIZE: of bytes
    for kernels in (XNNPACK, REFERENCE):
        assert signal_to_noise(wanted, run_tflite(content, {"x": image}, kernels)["y"]) > 30  # dB


@pytest.mark.shared
@pytest.mark.parametrize(
    "path", ["kws/kws_dscnn.onnx", "mlperf_tiny/ic_resnet8.onnx", "mlperf_tiny/ad_autoencoder.onnx"]
)
def test_the_shared_networks_have_none_and_equal_onnx_runtime(path: str) -> None:
    model = onnx.load(SHARED / path)
    lengths = [axis.dim_value or 1 for axis in model.graph.input[0].type.tensor_type.shape.dim]

    result = assert_same(model, {model.graph.input[0].name: _image(*lengths)})

    assert _transpositions(kinds_of(result)) == []
