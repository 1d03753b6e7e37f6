"""NonZero and Compress: as many elements as the data say, which only an output of the model can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.families.types import bits
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import UNKNOWN, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_TESTED = frozenset({"bool", "float32", "int8", "uint8", "int32", "uint32", "int64"})  # types that WHERE looks at


def non_zero(node: Node, net: Lowering) -> None:
    """NonZero: WHERE, whose rows are ONNX's columns."""
    tensor = net.tensor(node.input(0))
    rank = len(tensor.shape)
    if not rank:
        raise Refused("looks at a single number", rewrite="reshape it to one axis before")
    if tensor.dtype in ("uint64", "float64"):
        tensor = bits(net, tensor, "int64") if tensor.dtype == "uint64" else net.cast(tensor, "bool")
    elif tensor.dtype not in _TESTED:
        tensor = net.cast(tensor, "int32")
    found = net.add("WHERE", (tensor,), (UNKNOWN, rank), dtype="int64")
    order = net.new_constant(np.array([1, 0], np.int32), name="permutation")
    made = net.add("TRANSPOSE", (found, order), (rank, UNKNOWN), options=options("TransposeOptions"))
    net.bind_view(node.output(0), View(tensor=made, axes=(0, 1), dtype="int64"))


def compress(node: Node, net: Lowering) -> None:
    """Compress: GATHER at the places that WHERE finds; with a constant condition the result has a fixed length."""
    view = carried_view(net, node.input(0))
    axis = node.attribute("axis")
    if axis is None:
        view = net.reshaped(view, (view.tensor.elements,))
    place = view.axis_in_memory(int(axis or 0))
    condition = net.constant(node.input(1))
    if condition is not None:
        indices = net.new_constant(np.flatnonzero(condition).astype(np.int32), name="indices")
    else:
        indices = places_where(net, net.tensor(node.input(1)))
    made = taken(net, view.tensor, indices, place)
    net.bind_view(node.output(0), replace(view, tensor=made))


def places_where(net: Lowering, condition: Tensor) -> Tensor:
    """(found) int64: where `condition` of one axis is true."""
    found = net.add("WHERE", (condition,), (UNKNOWN, 1), dtype="int64")
    flat = net.new_constant(np.array([UNKNOWN], np.int32), name="shape")
    return net.add("RESHAPE", (found, flat), (UNKNOWN,), options=options("ReshapeOptions"))


def taken(net: Lowering, tensor: Tensor, indices: Tensor, place: int) -> Tensor:
    """What lies at `indices` (of one axis) of memory axis `place`."""
    shape = (*tensor.shape[:place], *indices.shape, *tensor.shape[place + 1 :])
    return carried(net, "GATHER", (tensor, indices), shape, options=options("GatherOptions", axis=place))
