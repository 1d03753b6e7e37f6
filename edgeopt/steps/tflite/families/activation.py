"""Activations."""

from __future__ import annotations

from dataclasses import replace

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node

# The one output scale that int8 kernels of softmax and logistic know: 256 steps over 0 to 1 (TFLite's specification).
_PROBABILITY = Quantization(scales=(1 / 256,), zero_points=(-128,))


def relu(node: Node, net: Lowering) -> None:
    """Relu that no operation before it does."""
    view = net.numbers(net.view(node.input(0)))
    made = net.add("RELU", (view.tensor,), view.tensor.shape)
    net.bind_view(node.output(0), replace(view, tensor=made))


def clip(node: Node, net: Lowering) -> None:
    """Clip that no operation before it does."""
    raise Refused("not yet")


def softmax(node: Node, net: Lowering) -> None:
    """Softmax over the last axis in memory."""
    view = net.view(node.input(0))
    axis = int(node.attribute("axis", -1)) % view.rank
    view = net.unflattened(view)
    order = (*(each for each in view.axes if each != axis), axis)
    tensor = net.laid(view, order) if view.is_quantized else net.tensor(view, order)
    quantization = _PROBABILITY if view.is_quantized else None
    made = net.add(
        "SOFTMAX", (tensor,), tensor.shape, quantization=quantization, options=options("SoftmaxOptions", beta=1.0)
    )
    net.bind(node.output(0), made, order, is_quantized=quantization is not None)
