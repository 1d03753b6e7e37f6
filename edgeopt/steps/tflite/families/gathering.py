"""Gather, GatherElements and GatherND."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.families.indices import computed_indices, constant_indices, strides_of
from edgeopt.steps.tflite.families.joining import joined
from edgeopt.steps.tflite.families.slicing import Span, cut, whole
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Shape, View


def gather(node: Node, net: Lowering) -> None:
    """Gather: GATHER along the axis where it lies; SLICE where constant indices follow each other."""
    view = carried_view(net, node.input(0))
    axis = int(node.attribute("axis", 0)) % view.rank
    length = view.shape[axis]
    fixed = constant_indices(net, node.input(1), length)
    rank = len(net.shape(node.input(1)))
    if fixed is not None and fixed.size and (np.diff(fixed.reshape(-1)) == 1).all():
        net.bind_view(node.output(0), _as_slice(net, view, axis, int(fixed.reshape(-1)[0]), fixed.shape))
        return
    indices = computed_indices(net, node.input(1), length) if fixed is None else net.new_constant(fixed, name="indices")
    place = view.axes.index(axis)
    shape = (*view.tensor.shape[:place], *indices.shape, *view.tensor.shape[place + 1 :])
    made = carried(
        net, "GATHER", (view.tensor, indices), shape, options=options("GatherOptions", axis=place, batchDims=0)
    )
    net.bind_view(node.output(0), replace(view, tensor=made, axes=_axes_around(view.axes, axis, rank)))


def _as_slice(net: Lowering, view: View, axis: int, start: int, shape: Shape) -> View:
    """The indices from `start` on, as many as `shape` has, in place of `axis`."""
    spans = [whole(length) for length in view.shape]
    spans[axis] = Span(start=start, step=1, length=int(np.prod(shape, dtype=np.int64)))
    part = cut(net, view, spans)
    return net.reshaped(part, (*part.shape[:axis], *shape, *part.shape[axis + 1 :]))


def _axes_around(axes: Axes, axis: int, count: int) -> Axes:
    """The order `axes` with `count` new axes, in order, in place of `axis`."""
    found: list[int] = []
    for each in axes:
        if each == axis:
            found.extend(range(axis, axis + count))
        else:
            found.append(each if each < axis else each - 1 + count)
    return tuple(found)


def gather_elements(node: Node, net: Lowering) -> None:
    """GatherElements: GATHER from the flat values, at indices times the stride of their axis plus a constant."""
    view, order = carried_view(net, node.input(0)), net.unflattened(net.view(node.input(1))).axes
    axis = int(node.attribute("axis", 0)) % view.rank
    places = flat_places(net, view, node.input(1), axis=axis, order=order)
    flat = net.reshape(view.tensor, (view.tensor.elements,))
    made = carried(net, "GATHER", (flat, places), places.shape, options=options("GatherOptions"))
    net.bind_view(node.output(0), replace(view, tensor=made, axes=order))


def flat_places(net: Lowering, view: View, name: str, *, axis: int, order: Axes) -> Tensor:
    """Where in the flat tensor of `view` each index points, as GatherElements and ScatterElements have them.

    Args:
        net: Where to read and add.
        view: The value that they point into.
        name: Name of the indices.
        axis: The axis that they count.
        order: The order of axes to give the result in.
    """
    shape = net.shape(name)
    strides = dict(zip(view.axes, strides_of(view.tensor.shape), strict=True))
    others = np.zeros(shape, np.int64)
    for each, length in enumerate(shape):
        if each != axis:
            along = [1] * len(shape)
            along[each] = length
            others = others + np.arange(length).reshape(along) * strides[each]
    fixed = constant_indices(net, name, view.shape[axis])
    if fixed is not None:
        places = (fixed * strides[axis] + others).transpose(order)
        return net.new_constant(np.ascontiguousarray(places).astype(np.int32), name="places")
    found = computed_indices(net, name, view.shape[axis], order)
    base = np.ascontiguousarray(others.transpose(order)).astype(found.dtype)
    if strides[axis] != 1:
        stride = net.new_constant(np.array(strides[axis], found.dtype), name="stride")
        found = net.add("MUL", (found, stride), found.shape, options=options("MulOptions"))
    return net.add("ADD", (found, net.new_constant(base, name="places")), found.shape, options=options("AddOptions"))


def gather_nd(node: Node, net: Lowering) -> None:
    """GatherND: GATHER_ND; batch axes become constant coordinates in front of the indices."""
    view = carried_view(net, node.input(0))
    batches = int(node.attribute("batch_dims", 0))
    lead = net.shape(node.input(1))[:-1]
    lengths = view.shape[batches : batches + net.shape(node.input(1))[-1]]
    coordinates = (
        np.stack(np.meshgrid(*(np.arange(each) for each in lead), indexing="ij")[:batches], axis=-1)
        if batches
        else None
    )
    fixed = constant_indices(net, node.input(1), lengths)
    if fixed is not None:
        whole_index = fixed if coordinates is None else np.concatenate([coordinates, fixed], axis=-1)
        indices = net.new_constant(whole_index.astype(np.int32), name="indices")
    else:
        indices = computed_indices(net, node.input(1), lengths)
        if coordinates is not None:
            front = net.new_constant(coordinates.astype(indices.dtype), name="batches")
            indices = joined(net, [front, indices], len(lead), (*lead, batches + len(lengths)))
    shape = (*lead, *view.shape[batches + len(lengths) :])
    made = carried(net, "GATHER_ND", (net.laid(view), indices), shape, options=options("GatherNdOptions"))
    net.bind_view(node.output(0), replace(view, tensor=made, axes=tuple(range(len(shape)))))
