"""DeformConv: each tap of a kernel read where its offset says, then a convolution over the taps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.correlation import Correlation, correlated
from edgeopt.steps.tflite.families.pieces import combined, floats, joined, sliced
from edgeopt.steps.tflite.families.samples import Range, crossed, image_rows, of_image, summed, taps_of, weighed
from edgeopt.steps.tflite.families.taps import taps_along
from edgeopt.steps.tflite.families.windows import Window, window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View, channels_last


def deform_conv(node: Node, net: Lowering) -> None:
    """DeformConv over two axes, in groups of offsets and of channels."""
    view, weights = floats(net, node.input(0)), floats(net, node.input(1))
    if view.rank != 4:
        raise Refused(f"has {view.rank - 2} spatial axes")
    window = window_of(node, weights.shape[2:], view.shape[2:])
    taps, places = int(np.prod(window.kernel)), int(np.prod(window.outputs))
    parts = int(node.attribute("offset_group", 1))
    shape = (view.shape[0], parts, taps, 2, places)
    offsets = _per_place(net, node.input(2), shape)
    mask = _per_place(net, node.input(4), (*shape[:3], 1, places)) if node.input(4) else None
    read = []
    for part, channels in enumerate(_channels(net, view, parts)):
        values = _read(net, channels, window, [_one(net, offsets, part, axis) for axis in (0, 1)])
        if mask is not None:
            share = _one(net, mask, part, 0)
            values = combined(net, "MUL", values, net.reshape(share, (*share.shape, 1)))
        read.append(net.reshape(values, (view.shape[0], places, taps, channels.shape[1])))
    filters = net.reshaped(weights, (*weights.shape[:2], 1, taps))
    groups = int(node.attribute("group", 1))
    how = Correlation(strides=(1, 1), dilations=(1, 1), outputs=(places, 1), groups=groups)
    made = correlated(net, joined(net, read, 3), filters, net.tensor(node.input(3)) if node.input(3) else None, how)
    made = net.reshape(made, (view.shape[0], *window.outputs, weights.shape[0]))
    net.bind_view(node.output(0), View(tensor=made, axes=channels_last(4), dtype=view.dtype))


def _per_place(net: Lowering, name: str, shape: tuple[int, ...]) -> Tensor:
    """(batch, part, component, place, tap) of a value that is (batch, part * tap * component, places...)."""
    return net.tensor(net.reshaped(net.view(name), shape), (0, 1, 3, 4, 2))


def _one(net: Lowering, tensor: Tensor, part: int, index: int) -> Tensor:
    """(batch, place and tap) one component of one part."""
    batch, _, _, places, taps = tensor.shape
    return net.reshape(sliced(net, tensor, (0, part, index, 0, 0), (batch, 1, 1, places, taps)), (batch, places * taps))


def _channels(net: Lowering, view: View, parts: int) -> list[View]:
    """An image cut into `parts` of its channels."""
    whole, count = net.laid(view, channels_last(4)), view.shape[1] // parts
    boxes = (
        sliced(net, whole, (0, 0, 0, part * count), (*whole.shape[:3], count)) if parts > 1 else whole
        for part in range(parts)
    )
    return [View(tensor=box, axes=channels_last(4), dtype=view.dtype) for box in boxes]


def _read(net: Lowering, view: View, window: Window, offsets: list[Tensor]) -> Tensor:
    """(batch, place and tap, channel) an image at the taps of a window, each moved by its offsets."""
    axes = []
    for axis, moved in enumerate(offsets):
        where = combined(net, "ADD", moved, net.new_constant(_regular(window, axis), name="taps"))
        axes.append(taps_of(net, where, Range(length=view.shape[2 + axis], padding="zeros"), "linear"))
    rows, size = image_rows(net, view)
    return summed(net, weighed(net, rows, of_image(net, crossed(net, axes, view.shape[2:]), size)))


def _regular(window: Window, axis: int) -> NDArray[np.float32]:
    """(1, place and tap) where the taps lie along an axis before they are moved."""
    taps = taps_along(window, axis)
    shape = [1, 1, 1, 1]
    shape[axis], shape[2 + axis] = taps.shape
    whole = np.broadcast_to(taps.reshape(shape), (*window.outputs, *window.kernel))
    return np.asarray(whole.reshape(1, -1), np.float32)
