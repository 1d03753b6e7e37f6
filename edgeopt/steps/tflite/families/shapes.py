"""Values that shapes alone tell: they are constants, for shapes are fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.source import Node


def shape_of(node: Node, net: Lowering) -> None:
    """Shape."""
    lengths = net.shape(node.input(0))[slice(node.attribute("start", 0), node.attribute("end"))]
    _bind_constant(node, net, np.array(lengths, np.int64))


def size(node: Node, net: Lowering) -> None:
    """Size."""
    _bind_constant(node, net, np.array(np.prod(net.shape(node.input(0)), dtype=np.int64), np.int64))


def constant_of_shape(node: Node, net: Lowering) -> None:
    """ConstantOfShape."""
    lengths = net.required_constant(0, "shape")
    value = np.asarray(node.attribute("value", np.zeros(1, np.float32)))
    _bind_constant(node, net, np.full([int(each) for each in lengths], value.reshape(-1)[0], value.dtype))


def eye_like(node: Node, net: Lowering) -> None:
    """EyeLike."""
    rows, columns = net.shape(node.input(0))
    _bind_constant(node, net, np.eye(rows, columns, int(node.attribute("k", 0)), dtype=_dtype(node, net)))


def range_(node: Node, net: Lowering) -> None:
    """Range between constants; computed as the standard says: start + index * delta."""
    start, limit, delta = (net.required_constant(place, what) for place, what in enumerate(("start", "limit", "delta")))
    count = max(int(np.ceil((float(limit) - float(start)) / float(delta))), 0)
    steps = np.arange(count).astype(start.dtype) * delta.reshape(()) + start.reshape(())
    _bind_constant(node, net, steps.astype(start.dtype))


def _dtype(node: Node, net: Lowering) -> str:
    return net.source.types[node.output(0)].dtype if node.output(0) in net.source.types else net.dtype(node.input(0))


def _bind_constant(node: Node, net: Lowering, value: NDArray[Any]) -> None:
    net.bind(node.output(0), net.new_constant(value, name=node.output(0)))
