"""`--layout nhwc`: transpositions at the boundary go, and inputs and outputs say their order of axes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeopt.steps.tflite.boundary import channels_last_boundary
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import lowered
from tests.steps.tflite.running import REFERENCE, XNNPACK, kinds_of, lowered_model, parsed, run_onnx, run_tflite

LAST = (0, 2, 3, 1)
NETWORK = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, {channels}, 6, 5] image) => (float[1, 4, 6, 5] y) <float[4, {channels}, 3, 3] w>
{{
  y = Conv <pads = [1, 1, 1, 1]> (image, w)
}}
"""
TWO_READERS = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 3, 6, 5] image) => (float[1, 4, 6, 5] y, float[1, 90] z) <float[4, 3, 3, 3] w>
{
  y = Conv <pads = [1, 1, 1, 1]> (image, w)
  z = Flatten (image)
}
"""
HALF = """
<ir_version: 8, opset_import: ["" : 17]>
net (float16[1, 3, 6, 5] image) => (float16[1, 4, 6, 5] y) <float16[4, 3, 3, 3] w>
{
  y = Conv <pads = [1, 1, 1, 1]> (image, w)
}
"""


def with_weights(text, dtype=np.float32):
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for value in model.graph.value_info:  # the text form declares a constant without values there
        shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        weights = rng.standard_normal(shape).astype(dtype)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, value.name))
    del model.graph.value_info[:]
    return model


def image(channels=3, dtype=np.float32):
    return np.random.default_rng(1).standard_normal((1, channels, 6, 5)).astype(dtype)


def same_after(model, boundary, net, feeds, tolerance=1e-5):
    given = {name: value.transpose(boundary.inputs.get(name, range(value.ndim))) for name, value in feeds.items()}
    for kernels in (XNNPACK, REFERENCE):
        made = run_tflite(model_bytes(net), {name: np.ascontiguousarray(v) for name, v in given.items()}, kernels)
        for name, wanted in run_onnx(model, feeds).items():
            order = boundary.outputs.get(name, tuple(range(wanted.ndim)))
            np.testing.assert_allclose(made[name], wanted.transpose(order), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_comes_in_and_goes_out_channels_last(channels):
    model = with_weights(NETWORK.format(channels=channels))
    result = lowered_model(model)

    boundary = channels_last_boundary(result.net)

    assert kinds_of(result) == ["CONV_2D"]
    assert boundary.inputs == {"image": LAST}
    assert boundary.outputs == {"y": LAST}
    assert result.net.inputs["image"].shape == (1, 6, 5, channels)
    same_after(model, boundary, result.net, {"image": image(channels)})


def test_an_input_that_something_reads_as_it_is_stays():
    model = with_weights(TWO_READERS)
    result = lowered_model(model)

    boundary = channels_last_boundary(result.net)

    assert boundary.inputs == {}
    assert boundary.outputs == {"y": LAST}
    same_after(model, boundary, result.net, {"image": image()})


def test_casts_at_the_boundary_are_no_hindrance():
    model = with_weights(HALF, np.float16)
    result = lowered(model, where="test.onnx")  # ONNX Runtime's rewrites would put casts of their own in

    boundary = channels_last_boundary(result.net)

    assert (boundary.inputs, boundary.outputs) == ({"image": LAST}, {"y": LAST})
    assert "TRANSPOSE" not in kinds_of(result)
    same_after(model, boundary, result.net, {"image": image(dtype=np.float16)}, tolerance=2e-2)


def test_integers_at_the_boundary_are_no_hindrance():
    text = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 3, 6, 5] image) => (float[1, 3, 3, 5] y)
<float s = {0.05}, int8 z = {3}>
{
  q = QuantizeLinear (image, s, z)
  d = DequantizeLinear (q, s, z)
  p = AveragePool <kernel_shape = [2, 1], strides = [2, 1]> (d)
  r = QuantizeLinear (p, s, z)
  y = DequantizeLinear (r, s, z)
}
"""
    model = parsed(text)
    result = lowered_model(model)
    assert kinds_of(result).count("TRANSPOSE") == 2

    boundary = channels_last_boundary(result.net)

    assert (boundary.inputs, boundary.outputs) == ({"image": LAST}, {"y": LAST})
    assert kinds_of(result) == ["QUANTIZE", "AVERAGE_POOL_2D", "DEQUANTIZE"]
    same_after(model, boundary, result.net, {"image": image()}, tolerance=0.051)  # one step of the integers


def test_a_matrix_has_no_channels_to_bring_last():
    text = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[3, 5] x) => (float[5, 3] y)
{
  y = Transpose <perm = [1, 0]> (x)
}
"""
    result = lowered_model(parsed(text))

    boundary = channels_last_boundary(result.net)

    assert (boundary.inputs, boundary.outputs) == ({}, {})


def test_values_behind_a_freed_input_are_told_where_they_lie():
    result = lowered_model(with_weights(NETWORK.format(channels=3)))
    moves = [operation for operation in result.net.operations if operation.kind == "TRANSPOSE"]

    boundary = channels_last_boundary(result.net)

    assert boundary.moved[moves[0].outputs[0]] is result.net.inputs["image"]
