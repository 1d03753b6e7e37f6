"""Operands of one element-wise operation brought to one order of axes."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.view import Axes, Shape, View, permuted


def aligned(net: Lowering, views: list[View]) -> tuple[list[Tensor], Axes, Shape]:
    """(tensors of `views` in one order of axes, that order, shape of the result in memory).

    The order is that of the largest operand that is computed and has all axes of the result; constants and smaller ones
    are brought to it. Integers stay integers.
    """
    shape = np.broadcast_shapes(*(view.shape for view in views))
    rank = len(shape)
    full = [view for view in views if view.rank == rank and not view.flattened]
    leader = max(full, key=lambda view: (view.tensor.data is None, view.tensor.elements), default=None)
    axes = leader.axes if leader is not None else tuple(range(rank))
    tensors = []
    for view in views:
        is_plain = axes[rank - view.rank :] == tuple(range(rank - view.rank, rank)) and view.is_plain
        if view.rank < rank and is_plain:
            tensors.append(net.laid(view))  # an axis of length 1 may still lie elsewhere
            continue
        if view.rank < rank and view.rank > 0:
            view = net.reshaped(view, (*[1] * (rank - view.rank), *view.shape))  # noqa: PLW2901
        tensors.append(net.laid(view, axes) if view.rank else view.tensor)
    return tensors, axes, permuted(shape, axes)
