"""Convolutions over three spatial axes."""

from __future__ import annotations

from edgeopt.steps.tflite.families.correlation import correlated, correlation_of
from edgeopt.steps.tflite.families.pieces import floats
from edgeopt.steps.tflite.families.windows import padded, window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last


def conv_over_volume(node: Node, net: Lowering) -> None:
    """Conv over three spatial axes, grouped or not, in float."""
    view, weights = floats(net, node.input(0)), floats(net, node.input(1))
    order = channels_last(view.rank)
    window = window_of(node, weights.shape[2:], view.shape[2:])
    image, scheme = padded(net, net.laid(view, order), window)
    ending = net.ending(node.output(0), quantized=False)
    how = correlation_of(window, int(node.attribute("group", 1)), scheme, ending.activation)
    bias = net.tensor(node.input(2)) if node.input(2) else None
    made = correlated(net, image, weights, bias, how)
    net.absorb(ending)
    net.bind_view(node.output(0), View(tensor=made, axes=order, dtype=view.dtype))
