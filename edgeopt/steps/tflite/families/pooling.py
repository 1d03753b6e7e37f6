"""Pools."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.families.windows import window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import NHWC, channels_last


def average_pool(node: Node, net: Lowering) -> None:
    """AveragePool over two spatial axes, without padding or with padding that does not count."""
    view = net.view(node.input(0))
    if view.rank != 4:
        raise Refused(f"has {view.rank - 2} spatial axes")
    window = window_of(node, node.attribute("kernel_shape"), view.shape[2:])
    if view.is_quantized and window.kernel == view.shape[2:] and set(window.outputs) == {1} and not any(window.before):
        global_average_pool(node, net)  # an int8 AVERAGE_POOL_2D rounds to the steps of its input, MEAN to its own
        return
    if any(window.before) or any(window.needed_after) or max(window.dilations) > 1:
        raise Refused("pads")
    image = net.laid(view, NHWC)
    made = net.add(
        "AVERAGE_POOL_2D",
        (image,),
        (view.shape[0], *window.outputs, view.shape[1]),
        quantization=image.quantization,
        options=options(
            "Pool2DOptions",
            padding="VALID",
            strideH=window.strides[0],
            strideW=window.strides[1],
            filterHeight=window.kernel[0],
            filterWidth=window.kernel[1],
        ),
    )
    net.bind(node.output(0), made, NHWC, is_quantized=view.is_quantized)


def global_average_pool(node: Node, net: Lowering) -> None:
    """GlobalAveragePool: MEAN over all spatial axes."""
    view = net.unflattened(net.view(node.input(0)))
    order = channels_last(view.rank)
    wanted = net.ending(node.output(0), activations=False).quantization if view.is_quantized else None
    image = net.laid(view, order) if wanted else net.tensor(view, order)
    axes = net.new_constant(np.arange(1, view.rank - 1, dtype=np.int32), name="axes")
    shape = (view.shape[0], *[1] * (view.rank - 2), view.shape[1])
    made = net.add("MEAN", (image, axes), shape, quantization=wanted, options=options("ReducerOptions", keepDims=True))
    net.bind(node.output(0), made, order, is_quantized=wanted is not None)
