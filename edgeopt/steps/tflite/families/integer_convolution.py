"""ConvInteger: exact sums of integers by float kernels, each over so few products that none is rounded."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.families.correlation import correlated, correlation_of
from edgeopt.steps.tflite.families.pieces import combined, sliced
from edgeopt.steps.tflite.families.windows import padded, window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last

_EXACT = 1 << 24  # float32 holds every integer up to it
_LARGEST = 255 * 255  # of a product of two bytes less their zero points


def conv_integer(node: Node, net: Lowering) -> None:
    """ConvInteger with constant zero points: blocks of channels in float, their sums added as int32."""
    view, weights = net.numbers(net.unflattened(net.view(node.input(0)))), net.numbers(net.view(node.input(1)))
    order, groups = channels_last(view.rank), int(node.attribute("group", 1))
    window = window_of(node, weights.shape[2:], view.shape[2:])
    image = _centred(net, view, _zero_point(net, 2), order)
    image, scheme = padded(net, image, window)
    filters = _centred(net, weights, _zero_point(net, 3), tuple(range(weights.rank)))
    products = int(np.prod(weights.shape[2:], dtype=np.int64))
    most = _EXACT // (products * _LARGEST)  # channels whose products can be summed
    if not most or (groups > 1 and most < weights.shape[1]):
        raise Refused("sums more products of integers than float kernels add up exactly")
    total: Tensor | None = None
    for start in range(0, weights.shape[1], most):
        count = min(most, weights.shape[1] - start)
        part, own = image, filters
        if groups == 1:
            part = sliced(net, image, (0,) * (view.rank - 1) + (start,), (*image.shape[:-1], count))
            own = sliced(
                net,
                filters,
                (0, start, *[0] * (weights.rank - 2)),
                (weights.shape[0], count, *weights.shape[2:]),
            )
        seen = View(tensor=own, axes=tuple(range(weights.rank)), dtype="float32")
        made = net.cast(correlated(net, part, seen, None, correlation_of(window, groups, scheme)), "int32")
        total = made if total is None else combined(net, "ADD", total, made)
    assert total is not None
    net.bind(node.output(0), total, order)


def _zero_point(net: Lowering, position: int) -> np.ndarray:
    value = net.optional_constant(position, "zero point")
    return np.zeros((), np.float32) if value is None else value.astype(np.float32)


def _centred(net: Lowering, view: View, zero_point: np.ndarray, order: tuple[int, ...]) -> Tensor:
    """Integers less their zero point, one or one per first axis, as float32."""
    numbers = net.cast(net.tensor(view, order), "float32")
    if not zero_point.any():
        return numbers
    along = zero_point.reshape(()) if zero_point.size == 1 else zero_point.reshape(-1, *[1] * (view.rank - 1))
    if numbers.data is not None:
        return net.new_constant(numbers.data - along, name=numbers.name)
    return combined(net, "SUB", numbers, net.new_constant(along.astype(np.float32), name="zero_point"))
