"""Affine quantization: real = (integer - zero_point) * scale (Jacob et al. 2018, arXiv 1712.05877)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.types import Int8Types

# The smallest normal float32: a scale below it is flushed to zero by kernels that treat denormals as zero.
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
_INT32_LIMIT = 2**31 - 1

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationParameters:
    """Scale and zero point of one tensor of activations."""

    scale: float
    zero_point: int

    def represented(self, types: Int8Types) -> tuple[float, float]:
        """The smallest and the largest real value that the integers stand for."""
        low, high = types.activation_range
        return (low - self.zero_point) * self.scale, (high - self.zero_point) * self.scale


def activation_parameters(low: float, high: float, types: Int8Types) -> ActivationParameters:
    """Parameters whose integers span [low, high], widened to hold zero exactly.

    scale = (high - low) / (qmax - qmin); zero_point = round(qmin - low / scale).

    Args:
        low: Smallest value seen.
        high: Largest value seen.
        types: Integer type of activations.
    """
    qmin, qmax = types.activation_range
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / (qmax - qmin)))
    if scale < _SMALLEST_SCALE:
        return ActivationParameters(scale=1.0, zero_point=qmin)
    zero_point = int(np.clip(round(qmin - low / scale), qmin, qmax))
    return ActivationParameters(scale=scale, zero_point=zero_point)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedWeight:
    """A weight in integers.

    Attributes:
        values: int8, of the weight's shape.
        scale: float32, (channel,) along `axis`, or a scalar where `axis` is None.
        axis: Axis of output channels; None for one scale in all.
    """

    values: NDArray[np.int8]
    scale: Floats
    axis: int | None


def weight_scale(weight: Floats, *, axis: int | None, limit: int) -> Floats:
    """Symmetric scales: the largest magnitude per channel over `limit`.

    A channel of zeros takes the largest scale of the others, or 1: it is a factor of the scale of the channel's bias,
    which is all that the channel gives, so it must be as fine as theirs.
    """
    axes = None if axis is None else _other_axes(weight, axis)
    largest = np.maximum(weight.max(axis=axes), -weight.min(axis=axes))  # without a copy of a weight of gigabytes
    scale = np.asarray(largest.astype(np.float64) / limit)
    is_zero = scale < _SMALLEST_SCALE
    return np.where(is_zero, 1.0 if is_zero.all() else scale.max(), scale).astype(np.float32)


def scale_for_bias(scale: Floats, bias: Floats, input_scale: float) -> Floats:
    """Weight scales widened where the int32 bias, of scale `input_scale * scale`, would overflow.

    ONNX Runtime clips such biases and loses the accuracy (microsoft/onnxruntime issue 21000).
    """
    needed = np.abs(bias.astype(np.float64)) / (_INT32_LIMIT * input_scale)
    floor = needed.max() if scale.ndim == 0 else needed
    widened = np.maximum(scale, (floor * (1 + 1e-6)).astype(np.float32))
    return np.asarray(widened, dtype=np.float32)


def quantize_weight(weight: Floats, scale: Floats, *, axis: int | None, limit: int) -> QuantizedWeight:
    """`weight` rounded to the nearest multiple of its scale, ties to even, within ±limit."""
    integers = np.asarray(weight / _along(scale, weight.ndim, axis))
    np.rint(integers, out=integers)
    np.clip(integers, -limit, limit, out=integers)
    return QuantizedWeight(values=integers.astype(np.int8), scale=scale, axis=axis)


def requantize_weight(ready: QuantizedWeight, weight: Floats, scale: Floats, *, limit: int) -> QuantizedWeight:
    """`ready` where its scale is `scale`; elsewhere `weight` rounded to the nearest multiple of `scale`."""
    is_kept = ready.scale == scale
    if is_kept.all():
        return ready
    nearest = quantize_weight(weight, scale, axis=ready.axis, limit=limit)
    values = np.where(_along(is_kept, weight.ndim, ready.axis), ready.values, nearest.values)
    return QuantizedWeight(values=values, scale=scale, axis=ready.axis)


def quantize_bias(bias: Floats, scale: NDArray[Any]) -> NDArray[np.int32]:
    """(channel,) int32 biases of scale `scale` = input scale * weight scale, zero point 0."""
    integers = np.rint(bias.astype(np.float64) / scale.astype(np.float64))
    return np.clip(integers, -_INT32_LIMIT, _INT32_LIMIT).astype(np.int32)


def _other_axes(weight: Floats, axis: int) -> tuple[int, ...]:
    return tuple(index for index in range(weight.ndim) if index != axis % weight.ndim)


def _along(scale: NDArray[Any], rank: int, axis: int | None) -> NDArray[Any]:
    return scale if axis is None else scale.reshape([-1 if index == axis % rank else 1 for index in range(rank)])
