"""One float convolution of TFLite over an image with any number of axes: what other operators are put together from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeopt.steps.tflite.families.pieces import joined, sliced
from edgeopt.steps.tflite.families.windows import Window
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """How filters slide over an image.

    Attributes:
        strides: Step per spatial axis.
        dilations: Distance of neighbouring taps per spatial axis.
        outputs: Number of windows per spatial axis.
        groups: Number of groups of channels that are convolved apart.
        scheme: `VALID` or `SAME`.
        activation: What comes behind it.
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    outputs: tuple[int, ...]
    groups: int = 1
    scheme: str = "VALID"
    activation: str = "NONE"


def correlation_of(window: Window, groups: int, scheme: str, activation: str = "NONE") -> Correlation:
    """How the filters of a Conv slide over its image, padded as `scheme` says."""
    return Correlation(
        strides=window.strides,
        dilations=window.dilations,
        outputs=window.outputs,
        groups=groups,
        scheme=scheme,
        activation=activation,
    )


def correlated(net: Lowering, image: Tensor, filters: View, bias: Tensor | None, how: Correlation) -> Tensor:
    """(batch, windows..., output channel) what filters give over an image.

    Args:
        net: Where to add it.
        image: (batch, spatial axes..., channel) float32.
        filters: (output channel, channel of its group, spatial axes...), constant or not.
        bias: (output channel), or None.
        how: How they slide.

    Raises:
        Refused: It has more axes than TFLite's kernels.
    """
    axes = len(how.outputs)
    if axes > 3:
        raise Refused(f"has {axes} spatial axes; TFLite's convolutions have at most 3")
    return _over_volume(net, image, filters, bias, how) if axes == 3 else _over_image(net, image, filters, bias, how)


def _over_image(net: Lowering, image: Tensor, filters: View, bias: Tensor | None, how: Correlation) -> Tensor:
    """CONV_2D or DEPTHWISE_CONV_2D; a row is an image of height 1."""
    count = filters.shape[0]
    missing = (1,) * (2 - len(how.outputs))
    filters = net.reshaped(filters, (*filters.shape[:2], *missing, *filters.shape[2:]))
    batch, *lengths, channels = image.shape
    (stride_height, stride_width), (step_height, step_width) = (*missing, *how.strides), (*missing, *how.dilations)
    is_depthwise = how.groups > 1 and how.groups == channels
    values = {
        "padding": how.scheme,
        "strideH": stride_height,
        "strideW": stride_width,
        "dilationHFactor": step_height,
        "dilationWFactor": step_width,
        "fusedActivationFunction": how.activation,
    }
    table = options("Conv2DOptions", **values)
    if is_depthwise:
        table = options("DepthwiseConv2DOptions", **values, depthMultiplier=count // channels)
    made = net.add(
        "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D",
        (
            net.reshape(image, (batch, *missing, *lengths, channels)),
            net.tensor(filters, (1, 2, 3, 0) if is_depthwise else (0, 2, 3, 1)),
            bias or net.new_constant(np.zeros(count, np.float32), name="bias"),
        ),
        (batch, *missing, *how.outputs, count),
        options=table,
    )
    return net.reshape(made, (batch, *how.outputs, count))


def _over_volume(net: Lowering, image: Tensor, filters: View, bias: Tensor | None, how: Correlation) -> Tensor:
    """CONV_3D, one per group."""
    weights = net.tensor(filters, (2, 3, 4, 1, 0))  # (depth, height, width, input, output)
    count, channels = weights.shape[4] // how.groups, weights.shape[3]
    names = ("D", "H", "W")
    values = {f"stride{name}": step for name, step in zip(names, how.strides, strict=True)}
    values |= {f"dilation{name}Factor": step for name, step in zip(names, how.dilations, strict=True)}
    table = options("Conv3DOptions", **values, padding=how.scheme, fusedActivationFunction=how.activation)
    made = []
    for group in range(how.groups):
        box = (*image.shape[:4], channels)
        part = sliced(net, image, (0, 0, 0, 0, group * channels), box)
        own = sliced(net, weights, (0, 0, 0, 0, group * count), (*weights.shape[:4], count))
        inputs = [part, own]
        if bias is not None:
            inputs.append(sliced(net, bias, (group * count,), (count,)))
        made.append(net.add("CONV_3D", inputs, (image.shape[0], *how.outputs, count), options=table))
    return joined(net, made, 4)
