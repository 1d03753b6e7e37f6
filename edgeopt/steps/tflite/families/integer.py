"""Integer weights and biases as TFLite's int8 kernels want them.

Source: "TensorFlow Lite 8-bit quantization specification": weights are symmetric int8 in -127 to 127, biases int32 with
the scale of the input times that of the weight and zero point 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering, constant_value
from edgeopt.steps.tflite.net import Quantization, Tensor, channels
from edgeopt.steps.tflite.view import Axes, View

_INT32 = np.iinfo(np.int32)


def are_integer_weights(view: View) -> bool:
    """Whether a constant can be the weights of an int8 kernel: int8 and symmetric."""
    tensor = view.tensor
    return (
        view.is_quantized
        and tensor.data is not None
        and tensor.dtype in ("int8", "int4")
        and tensor.quantization is not None
        and not any(tensor.quantization.zero_points)
    )


def integer_weights(net: Lowering, view: View, axes: Axes) -> Tensor:
    """Weights (see `are_integer_weights`) with their axes in the order `axes`."""
    return net.laid(view, axes)


def integer_bias(net: Lowering, name: str, *, image: Tensor, weights: Tensor, count: int) -> Tensor | None:
    """(output channel) int32 bias in steps of input scale times weight scale; None where that overflows.

    Args:
        net: Where to read it.
        name: Name of the bias; empty where there is none.
        image: The quantized input.
        weights: The quantized weights, per tensor or per output channel.
        count: Number of output channels.
    """
    assert image.quantization is not None
    assert weights.quantization is not None
    steps = np.array(channels(count, weights.quantization)[0], np.float64) * image.quantization.scale
    values = _bias_values(net, name, steps, count)
    if values is None or values.min(initial=0) < _INT32.min or values.max(initial=0) > _INT32.max:
        return None
    quantization = Quantization(
        scales=tuple(
            float(np.float32(step)) for step in (steps if not weights.quantization.is_per_tensor else steps[:1])
        ),
        zero_points=(0,) * (1 if weights.quantization.is_per_tensor else count),
    )
    return net.new_constant(values.astype(np.int32), name=name or "bias", quantization=quantization)


def _bias_values(net: Lowering, name: str, steps: NDArray[np.float64], count: int) -> NDArray[np.float64] | None:
    if not name:
        return np.zeros(count)
    view = net.view(name)
    own = view.tensor.quantization
    if view.is_quantized and view.tensor.data is not None and own is not None and view.tensor.dtype == "int32":
        scales = np.array(channels(count, own)[0], np.float64)
        if not any(own.zero_points) and np.allclose(scales, steps, rtol=1e-5, atol=0):
            return view.tensor.data.reshape(-1).astype(np.float64)
    value = net.constant(name)
    return None if value is None else np.rint(value.astype(np.float64).reshape(-1) / steps)


def requantized(net: Lowering, view: View, quantization: Quantization) -> View:
    """A quantized view in other steps, in the same order; itself where they are its own."""
    if view.tensor.quantization == quantization:
        return view
    if view.tensor.data is not None:
        value = constant_value(replace(view, axes=tuple(range(len(view.axes)))))
        integers = np.clip(np.rint(value / np.float32(quantization.scale)) + quantization.zero_point, -128, 127)
        made = net.new_constant(integers.astype(np.int8), name=view.tensor.name, quantization=quantization)
    else:
        from edgeopt.steps.tflite.net import options

        made = net.add(
            "QUANTIZE",
            (view.tensor,),
            view.tensor.shape,
            dtype="int8",
            quantization=quantization,
            options=options("QuantizeOptions"),
            name=view.tensor.name,
        )
    return replace(view, tensor=made)
