"""Convolutions."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.ending import Ending
from edgeopt.steps.tflite.families.integer import (
    are_integer_weights,
    dynamic_weights,
    integer_bias,
    kernel_weights,
    stored_weights,
    wants_dynamic,
)
from edgeopt.steps.tflite.families.volumes import conv_over_volume
from edgeopt.steps.tflite.families.windows import Window, padded, window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import NHWC, NWC, Axes, View

_OHWI: Axes = (0, 2, 3, 1)  # ONNX has weights as (output, input, height, width)
_IHWO: Axes = (1, 2, 3, 0)  # depthwise: (1, height, width, output)


def conv(node: Node, net: Lowering) -> None:
    """Conv over one to three spatial axes, grouped or not, in float, or in int8 over one or two."""
    view, weights = net.view(node.input(0)), net.view(node.input(1))
    if view.rank == 5:
        conv_over_volume(node, net)
        return
    if view.rank not in (3, 4):
        raise Refused(f"has {view.rank - 2} spatial axes; TFLite's convolutions have 1, 2 or 3")
    window = window_of(node, weights.shape[2:], view.shape[2:])
    if view.rank == 3:  # a row is an image of height 1
        # Channels last before it is an image, so that `--layout nhwc` finds the transposition at the boundary.
        series = View(tensor=net.laid(view, NWC), axes=NWC, dtype=view.dtype, is_quantized=view.is_quantized)
        view, weights = _as_image(net, series), _as_image(net, weights)
        window = _of_height_one(window)
    made = _conv2d(node, net, view, weights, window)
    if net.view(node.input(0)).rank == 3:
        shape = made.shape
        made = net.reshaped(made, (*shape[:2], shape[3]))
    net.bind_view(node.output(0), made)


def _conv2d(node: Node, net: Lowering, view: View, weights: View, window: Window) -> View:
    """What a convolution gives, as a view of (batch, channel, height, width)."""
    weights = kernel_weights(net, weights)
    groups, count = int(node.attribute("group", 1)), weights.shape[0]
    is_depthwise = groups > 1 and groups == view.shape[1]
    order = _IHWO if is_depthwise else _OHWI
    shape = (view.shape[0], *window.outputs, count)
    parts = _integer_parts(node, net, view, weights, order)
    if parts is None:
        ending = net.ending(node.output(0), quantized=False)
        if wants_dynamic(node, weights):
            filters = dynamic_weights(net, weights, order, 3 if is_depthwise else 0)
        else:
            filters = stored_weights(net, weights, order)
        parts = ending, net.tensor(view, NHWC), filters, _float_bias(node, net, count)
    ending, image, filters, bias = parts
    image, scheme = padded(net, image, window)
    multiplier = count // groups if is_depthwise else 0
    made = net.add(
        "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D",
        (image, filters, bias),
        shape,
        quantization=ending.quantization,
        options=_conv_options(window, scheme, ending.activation, multiplier),
    )
    net.absorb(ending)
    return View(tensor=made, axes=NHWC, dtype="float32", is_quantized=ending.quantization is not None)


def _integer_parts(
    node: Node, net: Lowering, view: View, weights: View, order: Axes
) -> tuple[Ending, Tensor, Tensor, Tensor] | None:
    """(what comes behind, image, weights, bias) of an int8 convolution; None where it is not one."""
    if not view.is_quantized or not are_integer_weights(weights):
        return None
    ending = net.ending(node.output(0))
    if ending.quantization is None:
        return None
    image, filters = net.laid(view, NHWC), net.laid(weights, order)
    bias = integer_bias(net, node.input(2), image=image, weights=filters, count=weights.shape[0])
    return None if bias is None else (ending, image, filters, bias)


def _float_bias(node: Node, net: Lowering, count: int) -> Tensor:
    if node.input(2):
        return net.tensor(node.input(2))
    return net.new_constant(np.zeros(count, np.float32), name="bias")


def _conv_options(window: Window, scheme: str, activation: str, multiplier: int) -> Options:
    (stride_height, stride_width), (step_height, step_width) = window.strides, window.dilations
    common = {
        "padding": scheme,
        "strideH": stride_height,
        "strideW": stride_width,
        "dilationHFactor": step_height,
        "dilationWFactor": step_width,
        "fusedActivationFunction": activation,
    }
    if multiplier:
        return options("DepthwiseConv2DOptions", **common, depthMultiplier=multiplier)
    return options("Conv2DOptions", **common)


def _as_image(net: Lowering, view: View) -> View:
    """(a, b, length) as (a, b, 1, length)."""
    return net.reshaped(view, (*view.shape[:2], 1, view.shape[2]))


def _of_height_one(window: Window) -> Window:
    return Window(
        kernel=(1, *window.kernel),
        strides=(1, *window.strides),
        dilations=(1, *window.dilations),
        before=(0, *window.before),
        after=(0, *window.after),
        lengths=(1, *window.lengths),
        is_ceiling=window.is_ceiling,
    )
