"""Integer weights and biases as TFLite's int8 kernels want them.

Source: "TensorFlow Lite 8-bit quantization specification": weights are symmetric int8 in -127 to 127, biases int32 with
the scale of the input times that of the weight and zero point 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, channels, options
from edgeopt.steps.tflite.quantized import constant_value
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, View

# Attribute of a MatMul or Conv whose activations get a range anew in each inference (dynamic.py).
DYNAMIC = "edgeopt_dynamic"
_LARGEST = 127
_INT32 = np.iinfo(np.int32)


def is_int8(view: View) -> bool:
    """Whether a value is real numbers that int8 integers stand for, with one scale."""
    quantization = view.tensor.quantization
    return view.is_quantized and view.tensor.dtype == "int8" and quantization is not None and quantization.is_per_tensor


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


def wants_dynamic(node: Node, weights: View) -> bool:
    """Whether a product is one whose activations are rounded to int8 while the model runs, by a hybrid kernel."""
    return bool(node.attribute(DYNAMIC, 0)) and are_integer_weights(weights)


def dynamic_weights(net: Lowering, view: View, axes: Axes, channel: int) -> Tensor:
    """Integer weights of a hybrid convolution with their axes in the order `axes`, with a scale per channel.

    LiteRT 2.1's hybrid DEPTHWISE_CONV_2D reads as many scales as it has channels, and finds only one where one holds
    for all.

    Args:
        net: Where they are read.
        view: The weights, see `are_integer_weights`.
        axes: The order wanted.
        channel: Axis of the output channels in the result.
    """
    tensor = net.laid(view, axes)
    assert tensor.quantization is not None
    assert tensor.data is not None
    count = tensor.shape[channel]
    scales, points = channels(count, tensor.quantization)
    quantization = Quantization(scales=tuple(scales), zero_points=tuple(points), axis=channel)
    return net.new_constant(tensor.data, name=tensor.name, quantization=quantization)


def kernel_weights(net: Lowering, view: View) -> View:
    """Constant integers as int8 kernels want weights: with zero points of 0, in -127 to 127.

    Zero points are taken off where the integers then still fit. -128 becomes -127: kernels of ARM sum two products of
    bytes in 16 bits, which (-128) * (-128) twice overflows. What fits in no such way is given back as it is.
    """
    tensor, quantization = view.tensor, view.tensor.quantization
    if not view.is_quantized or tensor.data is None or quantization is None or tensor.dtype != "int8":
        return view
    along = [1] * tensor.data.ndim
    if not quantization.is_per_tensor:
        along[quantization.axis] = -1
    integers = tensor.data.astype(np.int16) - np.array(quantization.zero_points, np.int16).reshape(along)
    if integers.max(initial=0) > _LARGEST or integers.min(initial=0) < -_LARGEST - 1:
        net.warn(
            "weights are quantized around a zero point, and int8 kernels take symmetric ones, so that their nodes are "
            "computed in float (quantize weights symmetrically)",
            f"`{tensor.name}` of node `{net.node.name}`",
        )
        return view
    lowest = int(np.count_nonzero(integers == -_LARGEST - 1))
    if lowest:
        net.warn(
            "weights of -128 became -127, the lowest that int8 kernels take (quantize weights to -127..127)",
            f"{lowest} of `{tensor.name}`",
        )
    if not lowest and not any(quantization.zero_points):
        return view
    symmetric = replace(quantization, zero_points=(0,) * len(quantization.zero_points))
    data = np.maximum(integers, -_LARGEST).astype(np.int8)
    return replace(view, tensor=net.new_constant(data, name=tensor.name, quantization=symmetric))


def stored_weights(net: Lowering, view: View, axes: Axes) -> Tensor:
    """The numbers of weights with their axes in the order `axes`; integers stay such in the file.

    A runtime makes them float once, when it loads the model.
    """
    quantization = view.tensor.quantization
    if not view.is_quantized or view.tensor.data is None or quantization is None or view.tensor.dtype != "int8":
        return net.tensor(view, axes)
    if not quantization.is_per_tensor and any(quantization.zero_points):
        return net.tensor(view, axes)
    integers = net.laid(view, axes)
    return net.add(
        "DEQUANTIZE",
        (integers,),
        integers.shape,
        dtype="float32",
        options=options("DequantizeOptions"),
        name=f"{integers.name}/numbers",
    )


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
