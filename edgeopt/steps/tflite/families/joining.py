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
    views = [carried_view(net, name) for name in node.inputs]
    axis = int(node.attribute("axis", 0)) % views[0].rank
    net.bind_view(node.output(0), joined_views(net, views, axis, net.wanted(node.output(0))))


def joined_views(net: Lowering, views: list[View], axis: int, wanted: Quantization | None) -> View:
    """`views` one behind the other along axis `axis`, in the steps `wanted` where all of them are integers."""
    views = _of_one_scale(net, views, wanted)
    length = sum(view.shape[axis] for view in views)
    views = [view for view in views if view.tensor.elements] or views[:1]
    if len(views) == 1:
        return views[0]
    axes = order_of_most(views)
    tensors = [net.laid(view, axes) for view in views]
    shape = permuted((*views[0].shape[:axis], length, *views[0].shape[axis + 1 :]), axes)
    return replace(views[0], tensor=joined(net, tensors, axes.index(axis), shape), axes=axes)


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
    """Tile: TILE, or BROADCAST_TO of axes of 1 beside those that repeat for int8, which TILE's oldest kernels lack."""
    view = carried_view(net, node.input(0))
    repeats = [int(each) for each in net.required_constant(1, "repeats")]
    placed = [repeats[axis] for axis in view.axes]
    tensor = view.tensor
    shape = tuple(length * times for length, times in zip(tensor.shape, placed, strict=True))
    if shape == tensor.shape:
        net.bind_view(node.output(0), view)
    elif 0 in shape:
        net.bind_view(node.output(0), replace(view, tensor=net.new_constant(np.zeros(shape, tensor.dtype))))
    elif tensor.dtype == "int8":
        net.bind_view(node.output(0), replace(view, tensor=_repeated(net, tensor, placed)))
    else:
        inputs = (tensor, net.new_constant(np.array(placed, np.int32), name="repeats"))
        made = carried(net, "TILE", inputs, shape, options=options("TileOptions"))
        net.bind_view(node.output(0), replace(view, tensor=made))


def _repeated(net: Lowering, tensor: Tensor, repeats: list[int]) -> Tensor:
    """`tensor` repeated along its axes, by an axis of 1 in front of each that grows."""
    before: list[int] = []
    after: list[int] = []
    for length, times in zip(tensor.shape, repeats, strict=True):
        if times > 1 and length > 1:
            before.append(1)
            after.append(times)
        before.append(length)
        after.append(length if length > 1 else times)
    grown = broadcast(net, net.reshape(tensor, tuple(before)), tuple(after))
    return net.reshape(grown, tuple(length * times for length, times in zip(tensor.shape, repeats, strict=True)))


def expand(node: Node, net: Lowering) -> None:
    """Expand: BROADCAST_TO, or nothing where no axis grows."""
    net.bind_view(node.output(0), expanded_view(net, carried_view(net, node.input(0)), net.shape(node.output(0))))


def expanded_view(net: Lowering, view: View, shape: Shape) -> View:
    """`view` repeated along its axes of length 1 to `shape`."""
    if view.rank < len(shape):
        view = net.reshaped(view, (*[1] * (len(shape) - view.rank), *view.shape))
    return replace(view, tensor=broadcast(net, view.tensor, permuted(shape, view.axes)))


def broadcast(net: Lowering, tensor: Tensor, shape: Shape) -> Tensor:
    """`tensor` repeated along its axes of length 1 to `shape`, in memory order."""
    if tensor.shape == shape:
        return tensor
    lengths = net.new_constant(np.array(shape, np.int32), name="shape")
    return carried(net, "BROADCAST_TO", (tensor, lengths), shape, options=options("BroadcastToOptions"))
