"""MaxUnpool: values put back where a MaxPool took them from."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.families.pieces import bordered, combined, floats
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node


def max_unpool(node: Node, net: Lowering) -> None:
    """MaxUnpool: SCATTER_ND, which adds up what falls on one place; equal values of overlapping windows are shared."""
    shape = net.shape(node.input(0))
    kernel = tuple(node.attribute("kernel_shape"))
    strides = tuple(node.attribute("strides") or (1,) * len(kernel))
    pads = tuple(node.attribute("pads") or (0,) * 2 * len(kernel))
    steps = zip(shape[2:], strides, kernel, pads[: len(kernel)], pads[len(kernel) :], strict=True)
    lengths = [(length - 1) * stride + size - before - after for length, stride, size, before, after in steps]
    natural = (*shape[:2], *lengths)
    size = int(np.prod(natural, dtype=np.int64))
    values = net.laid(floats(net, node.input(0)))
    count = values.elements
    places = net.reshape(net.cast(net.tensor(node.input(1)), "int32"), (count, 1))
    made = _scattered(net, places, net.reshape(values, (count,)), size)
    if any(stride < extent for stride, extent in zip(strides, kernel, strict=True)):
        ones = net.new_constant(np.ones(count, np.float32), name="ones")
        made = combined(net, "DIV", made, combined(net, "MAXIMUM", _scattered(net, places, ones, size), 1.0))
    whole = net.reshape(made, natural)
    given = net.optional_constant(2, "shape")
    if given is not None:
        missing = [(0, max(int(length) - own, 0)) for length, own in zip(given, natural, strict=True)]
        whole = bordered(net, whole, missing)
    net.bind(node.output(0), whole)


def _scattered(net: Lowering, places: Tensor, values: Tensor, size: int) -> Tensor:
    shape = net.new_constant(np.array([size], np.int32), name="shape")
    return net.add(
        "SCATTER_ND", (places, values, shape), (size,), dtype=values.dtype, options=options("ScatterNdOptions")
    )
