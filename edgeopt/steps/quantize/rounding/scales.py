"""What a rounding of weights costs at a layer's output, and scales that clip where it pays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.affine import Floats, weight_scale
from edgeopt.steps.quantize.observation.moments import Moments

Matrix = NDArray[Any]
Integers = NDArray[np.int8]

# Factors of the largest magnitude that a scale is tried with. Bell-shaped weights want 0.5 to 0.7 of it at 4 bits, and
# nearly all of it at 8, where the grid mostly finds the luckiest of nearly equal scales.
_FACTORS = np.linspace(1.0, 0.4, 25)
_ORDINARY = 1e12  # mean squares up to this, and down to its inverse, are far from the ends of float32
_CHUNK = 1 << 16  # weights at a time, so that a trial stays in the processor's cache


def round_nearest(matrix: Matrix, scale: Matrix, limit: int) -> Integers:
    """(group, output, input) integers nearest to `matrix / scale`, ties to even, within ±limit."""
    return np.clip(np.rint(matrix / scale), -limit, limit).astype(np.int8)


def layer_error(matrix: Matrix, integers: Integers, scale: Matrix, moments: Moments) -> float:
    """E|dW x|^2 = tr(dW E[x x^T] dW^T): squared error of a layer's output per position, summed over its channels.

    Args:
        matrix: (group, output, input) weights.
        integers: Their rounding, of the same shape.
        scale: Broadcastable to (group, output, 1).
        moments: Of the layer's columns. Blocks count as uncorrelated with each other.
    """
    return float(channel_errors(matrix, integers, scale, moments).sum())


def channel_errors(matrix: Matrix, integers: Integers, scale: Matrix, moments: Moments) -> NDArray[np.float64]:
    """(group, output) `layer_error` of each output channel."""
    error = by_block((integers * scale.astype(np.float32) - matrix).astype(np.float32), moments)
    groups, blocks = moments.second.shape[:2]
    second, unit = in_units(moments)
    squares = ((error @ second) * error).sum(axis=2, dtype=np.float64) * unit[:, np.newaxis]
    return np.asarray(np.maximum(squares, 0.0).reshape(groups, blocks, -1).sum(axis=1))


def in_units(moments: Moments) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(group * block, input, input) moments in a unit each in which sums of them stay finite; and the units.

    They are the moments themselves, in units of 1, but for extreme ones: these in units of their mean E[x^2].
    """
    second = moments.second.reshape(-1, *moments.second.shape[2:])
    level = np.trace(second, axis1=1, axis2=2, dtype=np.float64) / second.shape[1]
    is_extreme = (level > 0) & ((level < 1 / _ORDINARY) | (level > _ORDINARY))
    unit = np.where(is_extreme, level, 1.0)
    if not is_extreme.any():
        return second, unit
    return np.asarray(second / unit[:, np.newaxis, np.newaxis].astype(np.float32), dtype=np.float32), unit


def least_of(matrix: Matrix, scale: Matrix, moments: Moments, *choices: Integers) -> Integers:
    """Of several roundings, for each output channel the one whose error is least; the first where they are equal."""
    errors = np.stack([channel_errors(matrix, integers, scale, moments) for integers in choices])
    chosen = errors.argmin(axis=0)[np.newaxis, :, :, np.newaxis]
    return np.asarray(np.take_along_axis(np.stack(choices), chosen, axis=0)[0])


def by_block(matrix: Matrix, moments: Moments) -> Matrix:
    """(group * block, output, input of a block): a (group, output, input) array cut like the moments."""
    groups, blocks, width, _ = moments.second.shape
    cut = matrix.reshape(groups, matrix.shape[1], blocks, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(cut).reshape(groups * blocks, -1, width)


def from_blocks(parts: Matrix, moments: Moments) -> Matrix:
    """The inverse of `by_block`."""
    groups, blocks, width, _ = moments.second.shape
    return np.ascontiguousarray(
        parts.reshape(groups, blocks, -1, width).transpose(0, 2, 1, 3).reshape(groups, -1, blocks * width)
    )


def scale_by_block(scale: Matrix, matrix: Matrix, moments: Moments) -> Matrix:
    """(group * block, output, 1) scales from those that broadcast to (group, output, 1)."""
    full = np.broadcast_to(scale, (*matrix.shape[:2], 1))
    return np.repeat(full, moments.second.shape[1], axis=0)


def weight_scale_mse(weight: Floats, *, axis: int | None, limit: int, importance: NDArray[Any] | None = None) -> Floats:
    """Symmetric scales that make the squared error of rounding least, over a grid of clipped largest magnitudes.

    The largest magnitude itself is on the grid, so the error is never above that of `weight_scale`.

    Args:
        weight: Any shape.
        axis: Of output channels; None for one scale in all.
        limit: Largest integer.
        importance: Weight of each squared error, broadcastable to `weight`: E[x^2] of the input that it meets.

    Returns:
        (channel,) float32, or a scalar where `axis` is None.
    """
    largest = weight_scale(weight, axis=axis, limit=limit)
    rows = _channels(weight, axis)
    counts = None if importance is None else _channels(np.broadcast_to(importance, weight.shape), axis)
    step = max(1, _CHUNK // max(1, rows.shape[1]))
    chosen = [
        _best_scale(rows[at : at + step], np.atleast_1d(largest)[at : at + step], limit, counts, at)
        for at in range(0, len(rows), step)
    ]
    return np.concatenate(chosen).reshape(largest.shape)


def _best_scale(rows: Matrix, largest: Floats, limit: int, importance: Matrix | None, start: int) -> Floats:
    """(channel,) the scale of each row of (channel, weight) that makes its error least."""
    best, least = largest, np.full(len(rows), np.inf)
    for factor in _FACTORS:
        scale = (largest * factor).astype(np.float32)
        column = scale[:, np.newaxis]
        error = np.square(np.clip(np.rint(rows / column), -limit, limit) * column - rows)
        if importance is not None:
            error *= importance[start : start + len(rows)]
        total = error.sum(axis=1, dtype=np.float64)
        is_less = total < least
        best, least = np.where(is_less, scale, best), np.where(is_less, total, least)
    return best


def _channels(weight: Matrix, axis: int | None) -> Matrix:
    """(channel, weight) rows."""
    if axis is None:
        return weight.reshape(1, -1)
    return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
