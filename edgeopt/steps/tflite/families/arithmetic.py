"""Arithmetic, element by element."""

from __future__ import annotations

from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import options
from edgeopt.steps.tflite.source import Node


def add(node: Node, net: Lowering) -> None:
    """Add: ADD, in int8 where both sides are and the sum is quantized."""
    views = [net.view(name) for name in node.inputs]
    is_integer = all(view.is_quantized for view in views)
    ending = net.ending(node.output(0), quantized=is_integer)
    if ending.quantization is None:
        views = [net.numbers(view) for view in views]
        ending = net.ending(node.output(0), quantized=False)
    tensors, axes, shape = aligned(net, views)
    made = net.add(
        "ADD",
        tensors,
        shape,
        quantization=ending.quantization,
        options=options("AddOptions", fusedActivationFunction=ending.activation),
    )
    net.absorb(ending)
    net.bind(node.output(0), made, axes, is_quantized=ending.quantization is not None)
