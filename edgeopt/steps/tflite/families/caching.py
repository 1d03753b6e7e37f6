"""TensorScatter: a cache of keys or values with the newest ones written into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried
from edgeopt.steps.tflite.families.scattering import of_one_type
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node


def tensor_scatter(node: Node, net: Lowering) -> None:
    """TensorScatter: each place of the cache asks which update reaches it, and takes that where there is one."""
    view, updates = of_one_type(net, node.input(0), node.input(1))
    axis = int(node.attribute("axis", -2)) % view.rank
    order = (0, axis, *(each for each in range(1, view.rank) if each != axis))
    cache, given = net.laid(view, order), net.laid(updates, order)
    (batch, places), count = cache.shape[:2], given.shape[1]
    distance = _distances(node, net, batch, places)
    is_reached = _between(net, distance, count)
    last = net.new_constant(np.array(count - 1, np.int32), name="last")
    first = net.new_constant(np.array(0, np.int32), name="first")
    kept = net.add("MINIMUM", (distance, last), distance.shape, options=options("MaximumMinimumOptions"))
    kept = net.add("MAXIMUM", (kept, first), distance.shape, options=options("MaximumMinimumOptions"))
    taken = carried(net, "GATHER", (given, kept), cache.shape, options=options("GatherOptions", axis=1, batchDims=1))
    mask = net.reshape(is_reached, (batch, places, *[1] * (view.rank - 2)))
    made = carried(
        net, "SELECT_V2", (mask, taken, cache), cache.shape, values=(1, 2), options=options("SelectV2Options")
    )
    net.bind_view(node.output(0), replace(view, tensor=made, axes=order))


def _distances(node: Node, net: Lowering, batch: int, places: int) -> Tensor:
    """(batch, place) int32: how far each place lies behind the first one that is written, around the end or not."""
    own = net.new_constant(np.arange(places, dtype=np.int32).reshape(1, -1), name="places")
    if not node.input(2):
        return net.new_constant(np.broadcast_to(np.arange(places, dtype=np.int32), (batch, places)), name="places")
    starts = net.reshape(net.cast(net.tensor(node.input(2)), "int32"), (batch, 1))
    distance = net.add("SUB", (own, starts), (batch, places), options=options("SubOptions"))
    if node.attribute("mode", "linear") != "circular":
        return distance
    length = net.new_constant(np.array(places, np.int32), name="length")
    return net.add("FLOOR_MOD", (distance, length), distance.shape, options=options("FloorModOptions"))


def _between(net: Lowering, distance: Tensor, count: int) -> Tensor:
    """Whether each distance is one of `count` updates."""
    zero = net.new_constant(np.array(0, np.int32), name="first")
    limit = net.new_constant(np.array(count, np.int32), name="count")
    inside = net.add(
        "GREATER_EQUAL", (distance, zero), distance.shape, dtype="bool", options=options("GreaterEqualOptions")
    )
    before = net.add("LESS", (distance, limit), distance.shape, dtype="bool", options=options("LessOptions"))
    return net.add("LOGICAL_AND", (inside, before), distance.shape, options=options("LogicalAndOptions"))
