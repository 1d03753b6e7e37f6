"""Which elements of an image each window reads, as tables of indices: for windows that no kernel of TFLite slides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import bordered, gathered
from edgeopt.steps.tflite.families.windows import Window
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.refusal import Refused

Indices = NDArray[np.int64]
OUTSIDE = -1


def taps_along(window: Window, axis: int) -> Indices:
    """(window, tap) places along a spatial axis; those below 0 or behind its length lie in the padding."""
    starts = np.arange(window.outputs[axis]) * window.strides[axis] - window.before[axis]
    return np.asarray(starts[:, None] + np.arange(window.kernel[axis]) * window.dilations[axis], np.int64)


def counts_along(window: Window, axis: int, *, with_padding: bool) -> Indices:
    """(window) number of taps along an axis that lie in the image, or in it and its padding.

    What a last window of `ceil_mode` reads behind the padding never counts.
    """
    taps = taps_along(window, axis)
    lowest, highest = 0, window.lengths[axis]
    if with_padding:
        lowest, highest = -window.before[axis], highest + window.after[axis]
    return np.asarray(((taps >= lowest) & (taps < highest)).sum(axis=1), np.int64)


def counts_of(window: Window, *, with_padding: bool) -> Indices:
    """(window per spatial axis...) number of taps that count: the product of those along each axis."""
    counts = np.ones((), np.int64)
    for axis in range(len(window.kernel)):
        counts = np.multiply.outer(counts, counts_along(window, axis, with_padding=with_padding))
    return counts


def flat_taps(window: Window, *, clamped: bool = False) -> Indices:
    """(window, tap) places in an image with its spatial axes as one, `OUTSIDE` where a tap lies in the padding.

    Args:
        window: The window, over any number of axes.
        clamped: Whether a tap in the padding reads the tap of its window nearest to it that lies in the image, which
            changes no maximum.

    Raises:
        Refused: A window lies in the padding altogether, and `clamped` is set.
    """
    flat = np.zeros((1, 1), np.int64)
    is_inside = np.ones((1, 1), bool)
    for axis, length in enumerate(window.lengths):
        taps = taps_along(window, axis)
        inside = (taps >= 0) & (taps < length)
        if clamped:
            taps, inside = _clamped(taps, inside), np.ones_like(inside)
        flat = _crossed(flat * length, taps, np.add)
        is_inside = _crossed(is_inside, inside, np.logical_and)
    return np.where(is_inside, flat, OUTSIDE)


def _clamped(taps: Indices, inside: NDArray[np.bool_]) -> Indices:
    if not inside.any(axis=1).all():
        raise Refused("has a window that lies in the padding altogether")
    rows = np.arange(len(taps))
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    return np.clip(taps, taps[rows, first][:, None], taps[rows, last][:, None])


def _crossed(left: NDArray[Any], right: NDArray[Any], how: np.ufunc) -> NDArray[Any]:
    """(a * c, b * d) pairs of the windows and taps of (a, b) and (c, d), combined."""
    made = how(left[:, None, :, None], right[None, :, None, :])
    return np.asarray(made.reshape(left.shape[0] * right.shape[0], left.shape[1] * right.shape[1]))


def read_taps(net: Lowering, rows: Tensor, taps: Indices) -> Tensor:
    """(batch, window, tap, channel) what `taps` reads of (batch, place, channel); zero where it is `OUTSIDE`."""
    if (taps == OUTSIDE).any():
        taps = np.where(taps == OUTSIDE, rows.shape[1], taps)
        rows = bordered(net, rows, [(0, 0), (0, 1), (0, 0)])
    return gathered(net, rows, taps, 1)


def as_rows(net: Lowering, image: Tensor) -> Tensor:
    """(batch, place, channel) of an image (batch, spatial axes..., channel)."""
    places = int(np.prod(image.shape[1:-1], dtype=np.int64))
    return net.reshape(image, (image.shape[0], places, image.shape[-1]))
