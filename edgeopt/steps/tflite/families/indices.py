"""Indices: ONNX counts negative ones from the end, TFLite refuses them while the model runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.view import Axes

# Operators whose results are indices that count from the start.
_NEVER_NEGATIVE = frozenset({"ArgMax", "ArgMin", "NonZero", "TopK"})


def constant_indices(net: Lowering, name: str, lengths: int | Sequence[int]) -> NDArray[np.int32] | None:
    """The indices called `name`, counted from the start, where they are constant; else None.

    Args:
        net: Where to read them.
        name: Name of the indices.
        lengths: Length of the axis that they count, or of one per index of their last axis.

    Raises:
        Refused: One lies outside its axis.
    """
    value = net.constant(name)
    if value is None:
        return None
    limits = np.asarray(lengths, np.int64)
    counted = value.astype(np.int64)
    counted = np.where(counted < 0, counted + limits, counted)
    if ((counted < 0) | (counted >= limits)).any():
        raise Refused(f"has indices outside an axis of {lengths}")
    return counted.astype(np.int32)


def computed_indices(net: Lowering, name: str, lengths: int | Sequence[int], axes: Axes | None = None) -> Tensor:
    """The indices called `name`, which the model computes, counted from the start.

    An index outside its axis stays outside, so that the runtime says so.

    Args:
        net: Where to read them.
        name: Name of the indices.
        lengths: Length of the axis that they count, or of one per index of their last axis.
        axes: The order of axes to give them in; as ONNX has them by default.
    """
    tensor = net.tensor(name, axes)
    maker = net.source.makers.get(name)
    if maker is not None and maker.operator in _NEVER_NEGATIVE:
        return tensor
    return from_start(net, tensor, np.asarray(lengths, tensor.dtype))


def from_start(net: Lowering, indices: Tensor, lengths: NDArray[Any]) -> Tensor:
    """`indices` with `lengths` added to the negative ones."""
    zero = net.new_constant(np.array(0, indices.dtype), name="zero")
    limits = net.new_constant(lengths.astype(indices.dtype), name="lengths")
    is_negative = net.add("LESS", (indices, zero), indices.shape, dtype="bool", options=options("LessOptions"))
    counted = net.add("ADD", (indices, limits), indices.shape, options=options("AddOptions"))
    return net.add(
        "SELECT_V2",
        (is_negative, counted, indices),
        indices.shape,
        dtype=indices.dtype,
        options=options("SelectV2Options"),
    )


def strides_of(shape: Sequence[int]) -> list[int]:
    """Elements that one step along each axis skips."""
    return [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
