"""QuantizeLinear and DequantizeLinear where TFLite's own quantization cannot say them."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.running import REFERENCE, XNNPACK, kinds_of, lowered_model, parsed, run_tflite

ELEMENTS = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int16": TensorProto.INT16,
    "uint16": TensorProto.UINT16,
}


def quantize(kind: str, scale: Any, point: Any, shape: tuple[int, ...], **attributes: int) -> onnx.ModelProto:
    node = helper.make_node("QuantizeLinear", ["x", "s", "p"], ["y"], **attributes)
    constants = {"s": np.asarray(scale, np.float32), "p": np.asarray(point, kind)}
    return model_of(node, (TensorProto.FLOAT, ELEMENTS[kind]), shape, constants)


def model_of(node: onnx.NodeProto, types: tuple[int, int], shape: tuple[int, ...], constants: dict[str, Any]) -> Any:
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", types[0], shape)],
        [helper.make_tensor_value_info("y", types[1], shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def of_onnx(x: np.ndarray, scale: Any, point: Any, kind: str, axis: int) -> np.ndarray:
    """saturate(round half to even(x / scale) + zero point), in float32."""
    along = [-1 if place == axis else 1 for place in range(x.ndim)]
    scale, point = (np.asarray(each).reshape(along if np.size(each) > 1 else ()) for each in (scale, point))
    bounds = np.iinfo(kind)
    rounded = np.rint(x / scale.astype(np.float32)).astype(np.float64) + point
    return np.clip(rounded, bounds.min, bounds.max).astype(kind)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(list(ELEMENTS)),
    axis=st.integers(0, 2),
    seed=st.integers(0, 2**16),
    magnitude=st.sampled_from([1e-3, 1.0, 1e5]),
)
def test_scales_along_an_axis_round_as_onnx_says(kind: str, axis: int, seed: int, magnitude: float) -> None:
    generator = np.random.default_rng(seed)
    shape = (2, 3, 4)
    bounds = np.iinfo(kind)
    scale = generator.uniform(0.01, 2, shape[axis]).astype(np.float32)
    point = generator.integers(bounds.min, bounds.max, shape[axis], endpoint=True)
    x = (generator.integers(-9, 10, shape) * magnitude / 4).astype(np.float32)  # with ties
    content = model_bytes(lowered_model(quantize(kind, scale, point, shape, axis=axis)).net)

    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_array_equal(run_tflite(content, {"x": x}, kernels)["y"], of_onnx(x, scale, point, kind, axis))


@pytest.mark.parametrize("kind", ["int16", "uint16"])
def test_sixteen_bits_come_back_as_the_numbers_that_they_stand_for(kind: str) -> None:
    node = helper.make_node("DequantizeLinear", ["x", "s", "p"], ["y"])
    constants = {"s": np.float32(0.03), "p": np.array(17, kind)}
    model = model_of(node, (ELEMENTS[kind], TensorProto.FLOAT), (7,), {k: np.asarray(v) for k, v in constants.items()})
    bounds = np.iinfo(kind)
    x = np.linspace(bounds.min, bounds.max, 7).astype(kind)

    content = model_bytes(lowered_model(model).net)
    wanted = (x.astype(np.float32) - 17) * np.float32(0.03)
    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_allclose(run_tflite(content, {"x": x}, kernels)["y"], wanted, rtol=1e-6)


def test_scales_in_blocks_of_a_constant_are_its_numbers() -> None:
    integers = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
    scale = np.arange(1, 9, dtype=np.float32).reshape(2, 4) / 8
    node = helper.make_node("DequantizeLinear", ["w", "s"], ["wd"], axis=0, block_size=3)
    product = helper.make_node("MatMul", ["x", "wd"], ["y"])
    graph = helper.make_graph(
        [node, product],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 4))],
        [numpy_helper.from_array(integers, "w"), numpy_helper.from_array(scale, "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x = np.random.default_rng(0).normal(0, 1, (2, 6)).astype(np.float32)

    content = model_bytes(lowered_model(model).net)
    wanted = x @ (integers * np.repeat(scale, 3, axis=0))
    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_allclose(run_tflite(content, {"x": x}, kernels)["y"], wanted, rtol=1e-5, atol=1e-5)


def test_four_bits_between_a_pair_are_rounded_to_and_come_back() -> None:
    model = parsed(
        """
        <ir_version: 10, opset_import: ["" : 21]>
        g (float[6] x) => (float[6] y)
        <float s = {0.5}, int4 p = {1}>
        {
            q = QuantizeLinear(x, s, p)
            y = DequantizeLinear(q, s, p)
        }
        """
    )
    x = np.array([-100, -4.6, -0.25, 0.25, 1.3, 100], np.float32)

    content = model_bytes(lowered_model(model).net)
    wanted = (np.clip(np.rint(x / 0.5) + 1, -8, 7) - 1) * 0.5
    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_allclose(run_tflite(content, {"x": x}, kernels)["y"], wanted)


def test_what_tflite_has_no_output_for_is_refused_with_the_type() -> None:
    model = parsed(
        """
        <ir_version: 10, opset_import: ["" : 21]>
        g (float[6] x) => (int4[6] y)
        <float s = {0.5}, int4 p = {1}>
        {
            y = QuantizeLinear(x, s, p)
        }
        """
    )

    with pytest.raises(Unsupported, match="gives `int4`, which no input or output of TFLite can be"):
        lowered_model(model)


@pytest.mark.parametrize("scale", [1e-30, -0.5])
def test_scales_that_no_kernel_takes_are_computed(scale: float) -> None:
    x = np.array([1.0, 2.0, -3.0], np.float32)
    result = lowered_model(quantize("int8", scale, 0, (3,)))

    assert "QUANTIZE" not in kinds_of(result)
    given_ = run_tflite(model_bytes(result.net), {"x": x}, REFERENCE)["y"]
    np.testing.assert_array_equal(given_, of_onnx(x, scale, 0, "int8", 0))
