import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.integer_boundary import integer_boundary
from edgeopt.steps.tflite.lower import lowered
from edgeopt.steps.tflite.prepare import ready_to_lower
from tests.steps.tflite.quantized import (
    float_kinds,
    run_as_written,
    samples_of,
    signal_to_noise,
    small_net,
    statically_quantized,
)
from tests.steps.tflite.running import REFERENCE, XNNPACK, kinds_of, lowered_model, parsed, run_tflite

# Sums of int8 products are exact in float32 here, so XNNPACK, which rounds once, differs only where a sum is rounded
# to steps of an inner tensor that lie between those of the pairs: concatenations and residuals. The reference kernels
# round twice (gemmlowp's fixed-point multiplier): a few percent of all values move by one step, layer after layer.
STEPS = {XNNPACK: 2.0, REFERENCE: 4.0}
NOISE = {XNNPACK: 36.0, REFERENCE: 34.0}  # dB


def outputs_of(content: bytes, samples: np.ndarray, kernels: object) -> np.ndarray:
    """(sample, class) float32."""
    return np.concatenate([run_tflite(content, {"x": sample[np.newaxis]}, kernels)["y"] for sample in samples])


def as_written(model: onnx.ModelProto, samples: np.ndarray) -> np.ndarray:
    """(sample, class) float32 of the pairs as they stand."""
    return np.concatenate([run_as_written(model, {"x": sample[np.newaxis]})[0] for sample in samples])


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
def test_a_net_of_pairs_is_integer_throughout_and_gives_what_its_pairs_say(
    tmp_path: Path, activations: QuantType, per_channel: bool, form: QuantFormat
) -> None:
    model = statically_quantized(small_net(), tmp_path, activations=activations, per_channel=per_channel, form=form)
    result = lowered_model(model)

    assert float_kinds(result) == []
    assert result.warnings == ()
    content, samples = model_bytes(result.net), samples_of(model, 24, seed=7)
    wanted = as_written(model, samples)
    step = result.net.operations[-1].inputs[0].quantization.scale
    for kernels in (XNNPACK, REFERENCE):
        given = outputs_of(content, samples, kernels)
        assert np.abs(given - wanted).max() <= STEPS[kernels] * step * 1.01
        assert signal_to_noise(wanted, given) > NOISE[kernels]


def test_weights_around_a_zero_point_are_computed_in_float_and_said_so(tmp_path: Path) -> None:
    model = statically_quantized(
        small_net(), tmp_path, activations=QuantType.QUInt8, weights=QuantType.QUInt8, per_channel=False
    )
    result = lowered_model(model)

    samples = samples_of(model, 8, seed=7)
    given = outputs_of(model_bytes(result.net), samples, XNNPACK)
    assert signal_to_noise(as_written(model, samples), given) > 36
    [told] = [each for each in result.warnings if "quantized around a zero point" in each]  # one for all nodes
    assert told.count("of node") >= 2
    kernels = [each.inputs[1] for each in result.net.operations if each.kind == "CONV_2D"]
    made = {output: each for each in result.net.operations for output in each.outputs}
    assert {made[each].kind for each in kernels} == {"DEQUANTIZE"}  # they stay integers in the file


def test_the_lowest_int8_weight_becomes_the_lowest_that_kernels_take() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 4] x) => (float[1, 2] y)
        <float xs = {0.5}, int8 xz = {3}, float ws = {0.25}, int8 wz = {0}, float ys = {0.5}, int8 yz = {-1},
         int8[4, 2] w = {-128, 127, 1, 2, 3, 4, -5, -127}>
        {
            xq = QuantizeLinear(x, xs, xz)
            xd = DequantizeLinear(xq, xs, xz)
            wd = DequantizeLinear(w, ws, wz)
            p = MatMul(xd, wd)
            pq = QuantizeLinear(p, ys, yz)
            y = DequantizeLinear(pq, ys, yz)
        }
        """
    )
    result = lowered_model(model)

    (product,) = [each for each in result.net.operations if each.kind == "FULLY_CONNECTED"]
    assert product.inputs[1].data.min() == -127
    assert any("weights of -128 became -127" in each and "1 of `w`" in each for each in result.warnings)


def test_a_clamp_that_the_range_performs_is_nothing_in_the_net() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 4] x) => (float[1, 2] y)
        <float xs = {0.5}, int8 xz = {3}, float ws = {0.25}, int8 wz = {0}, float ys = {0.02}, int8 yz = {-128},
         int8[4, 2] w = {-12, 127, 1, 2, 3, 4, -5, -127}, float low = {0}, float high = {5.2}>
        {
            xq = QuantizeLinear(x, xs, xz)
            xd = DequantizeLinear(xq, xs, xz)
            wd = DequantizeLinear(w, ws, wz)
            p = MatMul(xd, wd)
            c = Clip(p, low, high)
            pq = QuantizeLinear(c, ys, yz)
            y = DequantizeLinear(pq, ys, yz)
        }
        """
    )
    result = lowered_model(model)

    assert kinds_of(result) == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]
    feeds = {"x": np.random.default_rng(0).normal(0, 8, (1, 4)).astype(np.float32)}
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        np.testing.assert_allclose(given, run_as_written(model, feeds)[0], atol=0.021)


NOTED = """
    <ir_version: 8, opset_import: ["" : 17] NOTE>
    g (float[1, 4] x) => (float[1, 3] y)
    <float xs = {0.03}, int8 xz = {3}, float ws = {0.01}, int8 wz = {0},
     int8[4, 3] w = {-12, 127, 1, 2, 3, 4, -5, -127, 50, 60, 70, -80}>
    {
        xq = QuantizeLinear(x, xs, xz)
        xd = DequantizeLinear(xq, xs, xz)
        wd = DequantizeLinear(w, ws, wz)
        p = MatMul(xd, wd)
        y = Softmax(p)
    }
    """


def noted(ranges: str) -> onnx.ModelProto:
    """A product and softmax without pairs behind them, and what a calibration noted of them."""
    model = parsed(NOTED.replace("NOTE", ""))
    if ranges:
        entry = model.metadata_props.add()
        entry.key, entry.value = "edgeopt.ranges", ranges
    return model


def test_a_noted_range_makes_the_end_of_a_model_integer() -> None:
    result = lowered_model(noted('{"p": [-4.0, 4.0]}'))

    assert kinds_of(result) == ["QUANTIZE", "FULLY_CONNECTED", "SOFTMAX", "DEQUANTIZE"]
    assert result.net.operations[2].outputs[0].quantization.scale == 1 / 256
    feeds = {"x": np.array([[0.5, -1.5, 2.0, 1.0]], np.float32)}
    wanted = run_as_written(noted(""), feeds)[0]
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        np.testing.assert_allclose(given, wanted, atol=2 / 256)


@pytest.mark.parametrize("ranges", ["", "not json", '{"p": [1, -1]}', '{"p": ["a", 2]}', '{"other": [0, 1]}'])
def test_without_a_noted_range_the_end_is_real_numbers(ranges: str) -> None:
    result = lowered_model(noted(ranges))

    feeds = {"x": np.array([[0.5, -1.5, 2.0, 1.0]], np.float32)}
    assert "SOFTMAX" in float_kinds(result)
    given = run_tflite(model_bytes(result.net), feeds, REFERENCE)["y"]
    np.testing.assert_allclose(given, run_as_written(noted(""), feeds)[0], atol=0.02)


def test_an_integer_boundary_takes_the_steps_of_input_and_output(tmp_path: Path) -> None:
    model = statically_quantized(small_net(), tmp_path)
    plain, bare = lowered_model(model), lowered_model(model)
    integer_boundary(bare.net)

    assert {each.dtype for each in (*bare.net.inputs.values(), *bare.net.outputs.values())} == {"int8"}
    assert [each.name for each in (*bare.net.inputs.values(), *bare.net.outputs.values())] == ["x", "y"]
    assert "float32" not in {each.dtype for each in bare.net.tensors()}
    sample = samples_of(model, 1, seed=3)
    scale, point = (getattr(bare.net.inputs["x"].quantization, name) for name in ("scale", "zero_point"))
    integers = np.clip(np.rint(sample / np.float32(scale)) + point, -128, 127).astype(np.int8)
    given = run_tflite(model_bytes(bare.net), {"x": integers}, REFERENCE)["y"]
    wanted = run_tflite(model_bytes(plain.net), {"x": sample}, REFERENCE)["y"]
    steps = bare.net.outputs["y"].quantization
    assert given.dtype == np.int8
    np.testing.assert_array_equal((given.astype(np.float32) - steps.zero_point) * np.float32(steps.scale), wanted)


def test_a_boundary_that_is_read_or_made_as_floats_is_refused_with_the_node() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 4] x, float[1, 4] z) => (float[1, 4] y, float[1, 4] t) {
            [sums] y = Add(x, z)
            [waves] t = Sin(x)
        }
        """
    )
    net = lowered_model(model).net

    with pytest.raises(Unsupported, match=re.escape("input `x`: node `sums` (ADD) reads it as floats")) as caught:
        integer_boundary(net)
    assert "output `t`: node `waves` (SIN) makes floats" in str(caught.value)
    assert "--io float32" in str(caught.value.hint)


def test_an_output_that_goes_on_as_floats_is_int8_and_they_still_find_theirs() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 6] x) => (float[2, 3] y, float[2, 3] z)
        <float s = {0.1}, int8 p = {5}, float t = {0.05}, int8 q = {0}, int64[2] shape = {2, 3}>
        {
            xq = QuantizeLinear(x, s, p)
            xd = DequantizeLinear(xq, s, p)
            y = Reshape(xd, shape)
            w = Sin(y)
            wq = QuantizeLinear(w, t, q)
            z = DequantizeLinear(wq, t, q)
        }
        """
    )
    result = lowered_model(model)
    integer_boundary(result.net)

    integers = np.arange(-60, 60, 20, dtype=np.int8)[np.newaxis]
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), {"x": integers}, kernels)
        np.testing.assert_array_equal(given["y"], integers.reshape(2, 3))
        sines = np.sin((integers.astype(np.float32).reshape(2, 3) - 5) * np.float32(0.1))
        np.testing.assert_allclose(given["z"] * np.float32(0.05), sines, atol=0.026)


def test_integers_that_are_inputs_of_the_model_stay_what_they_are() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (uint8[1, 4] x) => (uint8[1, 2] y)
        <float xs = {0.5}, uint8 xz = {131}, float ws = {0.25}, int8 wz = {0}, float ys = {2.0}, uint8 yz = {120},
         int8[4, 2] w = {-12, 127, 1, 2, 3, 4, -5, -127}>
        {
            xd = DequantizeLinear(x, xs, xz)
            wd = DequantizeLinear(w, ws, wz)
            p = MatMul(xd, wd)
            y = QuantizeLinear(p, ys, yz)
        }
        """
    )
    ready, _ = ready_to_lower(model, where="test")
    result = lowered(ready, where="test")
    integer_boundary(result.net)

    assert kinds_of(result) == ["QUANTIZE", "FULLY_CONNECTED", "QUANTIZE"]
    for seed in range(5):
        feeds = {"x": np.random.default_rng(seed).integers(0, 256, (1, 4), dtype=np.uint8)}
        for kernels in (XNNPACK, REFERENCE):
            given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
            assert given.dtype == np.uint8
            assert np.abs(given.astype(int) - run_as_written(model, feeds)[0]).max() <= 1


def test_one_input_quantized_with_two_scales_is_requantized_for_neither() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 4] x) => (float[1, 4] y, float[1, 4] z)
        <float s = {0.5}, int8 p = {3}, float t = {0.125}, int8 q = {0}>
        {
            xq = QuantizeLinear(x, s, p)
            y = DequantizeLinear(xq, s, p)
            xr = QuantizeLinear(x, t, q)
            z = DequantizeLinear(xr, t, q)
        }
        """
    )
    result = lowered_model(model)

    feeds = {"x": np.array([[-9.3, 0.2, 3.1, 70.0]], np.float32)}
    wanted = run_as_written(model, feeds)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)
        np.testing.assert_allclose(given["y"], wanted[0], atol=1e-6)
        np.testing.assert_allclose(given["z"], wanted[1], atol=1e-6)
    with pytest.raises(Unsupported, match="quantized with several scales"):
        integer_boundary(result.net)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_scales_per_channel_go_where_the_channels_go(kernel: int, groups: int) -> None:
    generator = np.random.default_rng(kernel + groups)
    weights = generator.integers(-127, 128, (4, 4 // groups, kernel, kernel)).astype(np.int8)
    listed = ", ".join(map(str, weights.ravel()))
    text = f"""
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 4, 5, 5] x) => (float[1, 4, 5, 5] y)
        <float xs = {{0.03}}, int8 xz = {{3}}, float[4] ws = {{0.001, 0.02, 0.004, 0.3}}, int8[4] wz = {{0, 0, 0, 0}},
         float ys = {{0.5}}, int8 yz = {{-1}}, int8[4, {4 // groups}, {kernel}, {kernel}] w = {{{listed}}}>
        {{
            xq = QuantizeLinear(x, xs, xz)
            xd = DequantizeLinear(xq, xs, xz)
            wd = DequantizeLinear<axis = 0>(w, ws, wz)
            c = Conv<group = {groups}, pads = [{", ".join([str(kernel // 2)] * 4)}]>(xd, wd)
            cq = QuantizeLinear(c, ys, yz)
            y = DequantizeLinear(cq, ys, yz)
        }}
        """
    model = parsed(text)
    result = lowered_model(model)

    (made,) = [each for each in result.net.operations if each.kind.endswith("CONV_2D")]
    quantization = made.inputs[1].quantization
    assert made.inputs[1].shape[quantization.axis] == len(quantization.scales) == 4
    feeds = {"x": generator.normal(0, 1.5, (1, 4, 5, 5)).astype(np.float32)}
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        assert np.abs(given - run_as_written(model, feeds)[0]).max() <= 0.501


def test_integers_are_moved_before_they_become_real_numbers(tmp_path: Path) -> None:
    model = statically_quantized(small_net(), tmp_path)
    del model.graph.node[-1]
    image = next(
        node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear" and "r3" in node.input[0]
    )
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(image, onnx.TensorProto.FLOAT, (1, 8, 6, 6)))
    result = lowered_model(model)

    assert kinds_of(result)[-2:] == ["TRANSPOSE", "DEQUANTIZE"]


def test_one_scale_that_is_said_for_each_channel_is_one() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 2, 3, 3] x) => (float[1, 2, 3, 3] y)
        <float s = {0.1}, int8 p = {5}, float[2] ss = {0.1, 0.1}, int8[2] ps = {5, 5}, float t = {0.2}, int8 q = {0}>
        {
            xq = QuantizeLinear(x, s, p)
            a = DequantizeLinear(xq, s, p)
            b = DequantizeLinear<axis = 1>(xq, ss, ps)
            c = Add(a, b)
            cq = QuantizeLinear(c, t, q)
            y = DequantizeLinear(cq, t, q)
        }
        """
    )
    result = lowered_model(model)

    assert kinds_of(result) == ["QUANTIZE", "ADD", "DEQUANTIZE"]
    feeds = {"x": np.random.default_rng(0).normal(0, 8, (1, 2, 3, 3)).astype(np.float32)}
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        np.testing.assert_allclose(given, run_as_written(model, feeds)[0], atol=0.201)
