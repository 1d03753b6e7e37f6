from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.quantized import run_as_written, samples_of, signal_to_noise, small_net
from tests.steps.tflite.running import REFERENCE, XNNPACK, kinds_of, lowered_model, parsed, run_tflite


def dynamically_quantized(
    folder: Path, operators: list[str], *, per_channel: bool, weights: QuantType
) -> onnx.ModelProto:
    onnx.save(small_net(), folder / "float.onnx")
    quantize_dynamic(
        folder / "float.onnx",
        folder / "dynamic.onnx",
        op_types_to_quantize=operators,
        per_channel=per_channel,
        weight_type=weights,
    )
    return onnx.load(folder / "dynamic.onnx")


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("operators", [["MatMul", "Gemm"], ["Conv"], ["Conv", "MatMul", "Gemm"]])
def test_dynamic_products_become_kernels_that_round_their_input(
    tmp_path: Path, operators: list[str], per_channel: bool
) -> None:
    model = dynamically_quantized(tmp_path, operators, per_channel=per_channel, weights=QuantType.QInt8)
    result = lowered_model(model)

    wanted_kinds = {"Conv": {"CONV_2D", "DEPTHWISE_CONV_2D"}, "Gemm": {"FULLY_CONNECTED"}, "MatMul": set()}
    hybrid = {each.kind for each in result.net.operations if len(each.inputs) == 3 and each.inputs[1].dtype == "int8"}
    assert hybrid == set().union(*(wanted_kinds[each] for each in operators))
    assert {"CAST", "QUANTIZE", "DEQUANTIZE"}.isdisjoint(kinds_of(result))
    content = model_bytes(result.net)
    for sample in samples_of(model, 4, seed=3):
        feeds = {"x": sample[np.newaxis]}
        wanted = run_as_written(model, feeds)[0]
        for kernels in (XNNPACK, REFERENCE):
            assert signal_to_noise(wanted, run_tflite(content, feeds, kernels)["y"]) > 24  # both sides round


def test_weights_around_a_zero_point_are_numbers_of_a_float_product(tmp_path: Path) -> None:
    model = dynamically_quantized(tmp_path, ["Gemm", "MatMul"], per_channel=False, weights=QuantType.QUInt8)
    result = lowered_model(model)

    assert any("quantized around a zero point" in each for each in result.warnings)
    feeds = {"x": samples_of(model, 1, seed=3)}
    given = run_tflite(model_bytes(result.net), feeds, REFERENCE)["y"]
    assert signal_to_noise(run_as_written(model, feeds)[0], given) > 30


def test_integers_that_are_read_elsewhere_too_are_computed_as_they_stand() -> None:
    model = parsed(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 3] x) => (float[2, 2] y, uint8[2, 3] q)
        <int8[3, 2] w = {1, -2, 3, 100, -127, 6}, float s = {0.02}, int8 z = {0}>
        {
            q, xs, xz = DynamicQuantizeLinear(x)
            sums = MatMulInteger(q, w, xz, z)
            numbers = Cast<to = 1>(sums)
            scale = Mul(xs, s)
            y = Mul(numbers, scale)
        }
        """
    )
    result = lowered_model(model)

    feeds = {"x": np.random.default_rng(0).normal(0, 2, (2, 3)).astype(np.float32)}
    wanted = run_as_written(model, feeds)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)
        assert np.abs(given["q"].astype(int) - wanted[1]).max() <= 1
        np.testing.assert_allclose(given["y"], wanted[0], atol=0.02 * np.abs(wanted[0]).max())
