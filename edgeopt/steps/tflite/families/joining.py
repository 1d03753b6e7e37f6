"""Concat, Tile and Expand: values put together, or repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.families.integer import requantized
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Shape, View, is_same_order, permuted

_MOST_AXES = 5  # of CONCATENATION: XNNPACK takes over up to 6 and fails at more, TFLite Micro has 5


def concat(node: Node, net: Lowering) -> None:
    """Concat: CONCATENATION, in the order in which most of its inputs lie; in int8 with one scale for all."""
    views = _of_one_scale(net, [carried_view(net, name) for name in node.inputs], net.wanted(node.output(0)))
    axis = int(node.attribute("axis", 0)) % views[0].rank
    length = sum(view.shape[axis] for view in views)
    views = [view for view in views if view.tensor.elements] or views[:1]
    if len(views) == 1:
        net.bind_view(node.output(0), views[0])
        return
    axes = order_of_most(views)
    tensors = [net.laid(view, axes) for view in views]
    shape = permuted((*views[0].shape[:axis], length, *views[0].shape[axis + 1 :]), axes)
    made = joined(net, tensors, axes.index(axis), shape)
    net.bind_view(node.output(0), replace(views[0], tensor=made, axes=axes))


def joined(net: Lowering, tensors: list[Tensor], place: int, shape: Shape) -> Tensor:
    """`tensors` one behind the other along memory axis `place`, which makes `shape`."""
    if len(shape) > _MOST_AXES:
        tensors = [net.reshape(each, _folded(each.shape, place)) for each in tensors]
        whole = _folded(shape, place)
        return net.reshape(joined(net, tensors, 1, whole), shape)
    return carried(
        net,
        "CONCATENATION",
        tensors,
        shape,
        values=range(len(tensors)),
        options=options("ConcatenationOptions", axis=place),
    )


def _folded(shape: Shape, place: int) -> Shape:
    """(all in front, the axis, all behind)."""
    return (
        int(np.prod(shape[:place], dtype=np.int64)),
        shape[place],
        int(np.prod(shape[place + 1 :], dtype=np.int64)),
    )


def _of_one_scale(net: Lowering, views: list[View], wanted: Quantization | None) -> list[View]:
    """Views that hold integers of one scale, or numbers all of them."""
    if all(view.is_quantized for view in views):
        scales = {view.tensor.quantization for view in views}
        target = wanted or (scales.pop() if len(scales) == 1 else None)
        if target is not None:
            return [requantized(net, view, target) for view in views]
    return [net.numbers(view) for view in views]


def order_of_most(views: list[View]) -> Axes:
    """The order of axes that moves the fewest elements when `views` are brought to it; constants cost nothing."""

    def cost(axes: Axes) -> int:
        return sum(
            view.tensor.elements
            for view in views
            if view.tensor.data is None and not is_same_order(view.axes, axes, view.shape)
        )

    return min(dict.fromkeys(view.axes for view in views), key=cost)


def tile(node: Node, net: Lowering) -> None:
    """Tile: TILE."""
    view = carried_view(net, node.input(0))
    repeats = [int(each) for each in net.required_constant(1, "repeats")]
    placed = np.array([repeats[axis] for axis in view.axes], np.int32)
    if (placed == 1).all():
        net.bind_view(node.output(0), view)
        return
    shape = tuple(int(each) for each in np.array(view.tensor.shape) * placed)
    if 0 in shape:
        net.bind_view(node.output(0), replace(view, tensor=net.new_constant(np.zeros(shape, view.tensor.dtype))))
        return
    inputs = (view.tensor, net.new_constant(placed, name="repeats"))
    net.bind_view(
        node.output(0), replace(view, tensor=carried(net, "TILE", inputs, shape, options=options("TileOptions")))
    )


def expand(node: Node, net: Lowering) -> None:
    """Expand: BROADCAST_TO, or nothing where no axis grows."""
    net.bind_view(node.output(0), expanded_view(net, carried_view(net, node.input(0)), net.shape(node.output(0))))


def expanded_view(net: Lowering, view: View, shape: Shape) -> View:
    """`view` repeated along its axes of length 1 to `shape`."""
    if view.rank < len(shape):
        view = net.reshaped(view, (*[1] * (len(shape) - view.rank), *view.shape))
    wanted = permuted(shape, view.axes)
    if wanted == view.tensor.shape:
        return view
    lengths = net.new_constant(np.array(wanted, np.int32), name="shape")
    made = carried(net, "BROADCAST_TO", (view.tensor, lengths), wanted, options=options("BroadcastToOptions"))
    return replace(view, tensor=made)
