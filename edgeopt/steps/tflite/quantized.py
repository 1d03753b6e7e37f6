"""What the integers of quantized tensors stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.net import Quantization, Tensor
from edgeopt.steps.tflite.view import Shape, View, axis_after

_INT8 = np.iinfo(np.int8)


def real_numbers(tensor: Tensor) -> NDArray[np.float32]:
    """(shape) float32 numbers that the integers of a constant tensor stand for."""
    assert tensor.data is not None
    assert tensor.quantization is not None
    along = [1] * len(tensor.shape)
    if not tensor.quantization.is_per_tensor:
        along[tensor.quantization.axis] = -1
    scales = np.array(tensor.quantization.scales, np.float32).reshape(along)
    zero_points = np.array(tensor.quantization.zero_points, np.int32).reshape(along)
    return ((tensor.data.astype(np.int32) - zero_points) * scales).astype(np.float32)


def constant_value(view: View) -> NDArray[Any]:
    """The value of a constant view as ONNX has it."""
    assert view.tensor.data is not None
    data = real_numbers(view.tensor) if view.is_quantized else view.tensor.data
    logical = data.transpose([view.axes.index(axis) for axis in range(len(view.axes))])
    return logical.reshape(view.shape)


def quantized_as(tensor: Tensor, shape: Shape) -> Quantization | None:
    """What the integers of `tensor` stand for in another shape; None where that cannot be said, or nothing."""
    quantization = tensor.quantization
    if quantization is None or quantization.is_per_tensor:
        return quantization
    axis = axis_after(tensor.shape, quantization.axis, shape)
    return None if axis is None else replace(quantization, axis=axis)


def does_clamp(quantization: Quantization, limits: tuple[float | None, float | None]) -> bool:
    """Whether integers end within half a step of both limits, so that a value beyond ends as its limit does."""
    step, point = quantization.scale, quantization.zero_point
    lowest, highest = limits
    ends_low = lowest is None or (_INT8.min - point) * step >= lowest - step / 2
    return ends_low and (highest is None or (_INT8.max - point) * step <= highest + step / 2)


def spanning(low: float, high: float) -> Quantization:
    """Steps of int8 that span [low, high], widened to hold zero exactly.

    scale = (high - low) / 255; zero point = round(-128 - low / scale), as `edgeopt quantize` has it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < float(np.finfo(np.float32).tiny):
        return Quantization(scales=(1.0,), zero_points=(-128,))
    return Quantization(scales=(scale,), zero_points=(int(np.clip(round(-128 - low / scale), -128, 127)),))
