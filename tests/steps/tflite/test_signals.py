"""Fourier transforms converted, held to NumPy and ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, kinds_of, lowered_model, run_tflite

SETTINGS = settings(max_examples=15, deadline=None)


def transform(shape: tuple[int, ...], *, axis: int, length: int | None = None, **attributes: Any) -> onnx.ModelProto:
    """A model of one DFT of `x` to `y`."""
    constants = [onnx.numpy_helper.from_array(np.array(axis, np.int64), "axis")]
    if length is not None:
        constants.append(onnx.numpy_helper.from_array(np.array(length, np.int64), "length"))
    node = onnx.helper.make_node("DFT", ["x", "" if length is None else "length", "axis"], ["y"], **attributes)
    graph = onnx.helper.make_graph(
        [node],
        "transform",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        constants,
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)


def both(model: onnx.ModelProto, x: Any) -> list[Any]:
    """Outputs of the two sets of kernels."""
    result = lowered_model(model)
    assert kinds_of(result).count("FULLY_CONNECTED") == 1
    content = model_bytes(result.net)
    return [run_tflite(content, {"x": x}, kernels)["y"] for kernels in (XNNPACK, REFERENCE)]


def as_parts(values: Any) -> Any:
    return np.stack((values.real, values.imag), axis=-1)


@SETTINGS
@given(
    count=st.integers(1, 12),
    length=st.none() | st.integers(1, 14),
    axis=st.integers(0, 2),
    ways=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 99),
)
def test_a_transform_is_that_of_numpy(
    count: int, length: int | None, axis: int, ways: tuple[bool, bool], seed: int
) -> None:
    is_complex, is_inverse = ways
    shape = [2, 3, 4]
    shape[axis] = count
    x = np.random.default_rng(seed).normal(size=(*shape, 2 if is_complex else 1)).astype(np.float32)
    values = x[..., 0] + 1j * x[..., 1] if is_complex else x[..., 0]
    wanted = as_parts((np.fft.ifft if is_inverse else np.fft.fft)(values, n=length, axis=axis))
    for given_ in both(transform(x.shape, axis=axis, length=length, inverse=int(is_inverse)), x):
        np.testing.assert_allclose(given_, wanted, rtol=0, atol=2e-5)


@SETTINGS
@given(count=st.integers(2, 12), length=st.none() | st.integers(2, 14), axis=st.integers(0, 2), seed=st.integers(0, 99))
def test_one_side_of_a_real_signal_goes_and_comes_back(count: int, length: int | None, axis: int, seed: int) -> None:
    shape = [2, 3, 4]
    shape[axis] = count
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(*shape, 1)).astype(np.float32)
    for given_ in both(transform(x.shape, axis=axis, length=length, onesided=1), x):
        wanted = as_parts(np.fft.rfft(x[..., 0], n=length, axis=axis))
        np.testing.assert_allclose(given_, wanted, rtol=0, atol=2e-5)
    half = rng.normal(size=(*shape, 2)).astype(np.float32)
    for given_ in both(transform(half.shape, axis=axis, length=length, onesided=1, inverse=1), half):
        wanted = np.fft.irfft(half[..., 0] + 1j * half[..., 1], n=length, axis=axis)[..., None]
        np.testing.assert_allclose(given_, wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize("is_onesided", [0, 1])
@pytest.mark.parametrize("window", ["none", "constant", "computed"])
def test_frames_are_those_of_onnx_runtime(is_onesided: int, window: str) -> None:
    rng = np.random.default_rng(3)
    shape = np.abs(rng.normal(size=16)).astype(np.float32)
    constants = {"step": np.array(8, np.int64), "length": np.array(16, np.int64)}
    constants |= {"window": shape} if window == "constant" else {}
    inputs = {"signal": (2, 64, 1)} | ({"window": (16,)} if window == "computed" else {})
    names = ["signal", "step", "" if window == "none" else "window", "length"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("STFT", names, ["y"], onesided=is_onesided)],
        "frames",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes) for name, axes in inputs.items()],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    feeds = {name: rng.normal(size=axes).astype(np.float32) for name, axes in inputs.items()}
    result = assert_same(model, feeds)
    assert ("CONV_2D" in kinds_of(result)) == (window != "computed")


def test_a_transform_of_a_long_signal_is_refused_with_a_way_out() -> None:
    with pytest.raises(Unsupported, match="needs a matrix of 67,108,864 numbers"):
        lowered_model(transform((1, 4096, 2), axis=1))
