"""An image read at places that the model computes: neighbours gathered, weighed and summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.families.pieces import combined, gathered_by, mapped, reduced, sliced
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.view import View, channels_last

_WHOLE = 1.5 * (1 << 23)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where the elements of one axis lie, and what is read outside of them.

    Attributes:
        length: Number of elements, at 0 to `length - 1`.
        padding: `zeros`, `border` or `reflection`.
        lowest: The place that a reflection turns at in front.
        highest: The place that it turns at behind.
    """

    length: int
    padding: str
    lowest: float = 0.0
    highest: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """Elements that are read along one or more axes.

    Attributes:
        places: (group, tap, point) int32.
        weights: (group, tap, point) float32; None where each is 1.
    """

    places: Tensor
    weights: Tensor | None


def taps_of(net: Lowering, where: Tensor, along: Range, mode: str, *, cubic: float = -0.75) -> Taps:
    """What an interpolation reads along one axis.

    Args:
        net: Where to add it.
        where: (group, point) float32 places in units of elements.
        along: The axis.
        mode: `nearest`, `linear` or `cubic`.
        cubic: The parameter of the cubic kernel.
    """
    where = net.reshape(where, (where.shape[0], 1, where.shape[1]))
    if mode == "nearest":
        return _read(net, _rounded(net, where), None, along)
    if mode == "linear" and along.padding != "zeros":
        where = _into(net, where, along)
    below = mapped(net, "FLOOR", where)
    share = combined(net, "SUB", where, below)
    reach = 1 if mode == "linear" else 2
    steps = np.arange(1 - reach, reach + 1, dtype=np.float32).reshape(1, -1, 1)
    distance = mapped(net, "ABS", combined(net, "SUB", share, net.new_constant(steps, name="steps")))
    weights = combined(net, "SUB", 1.0, distance) if mode == "linear" else _cubic(net, distance, steps, cubic)
    return _read(net, combined(net, "ADD", below, net.new_constant(steps, name="steps")), weights, along)


def _rounded(net: Lowering, where: Tensor) -> Tensor:
    """The nearest whole numbers, the even one of two: LiteRT's reference kernels have no ROUND.

    A float32 from 2^23 on is whole, so that adding 1.5 * 2^23 rounds away what is not.
    """
    return combined(net, "SUB", combined(net, "ADD", where, _WHOLE), _WHOLE)


def _cubic(net: Lowering, distance: Tensor, steps: NDArray[np.float32], a: float) -> Tensor:
    """Keys' kernel: its inner part at the two taps in the middle, its outer part at the others."""
    is_near = (steps >= 0) & (steps <= 1)
    factors = (
        np.where(is_near, a + 2, a),
        np.where(is_near, -(a + 3), -5 * a),
        np.where(is_near, 0, 8 * a),
        np.where(is_near, 1, -4 * a),
    )
    result: Tensor | None = None
    for factor in factors:  # Horner's rule
        constant = net.new_constant(factor.astype(np.float32), name="cubic")
        result = constant if result is None else combined(net, "ADD", combined(net, "MUL", result, distance), constant)
    assert result is not None
    return result


def _into(net: Lowering, where: Tensor, along: Range) -> Tensor:
    """Places brought into the axis: to its border, or mirrored there."""
    if along.padding == "reflection":
        where = _mirrored(net, where, along)
    return combined(net, "MINIMUM", combined(net, "MAXIMUM", where, 0.0), float(along.length - 1))


def _mirrored(net: Lowering, where: Tensor, along: Range) -> Tensor:
    """A wave of triangles: `lowest + span - |(|x - lowest| mod 2 span) - span|`."""
    span = along.highest - along.lowest
    if span == 0:
        return combined(net, "ADD", combined(net, "MUL", where, 0.0), along.lowest)
    away = mapped(net, "ABS", combined(net, "SUB", where, along.lowest))
    turned = combined(net, "SUB", combined(net, "FLOOR_MOD", away, 2 * span), span)
    return combined(net, "SUB", along.lowest + span, mapped(net, "ABS", turned))


def _read(net: Lowering, taps: Tensor, weights: Tensor | None, along: Range) -> Taps:
    """Taps at whole places, those outside of the axis read as its padding says."""
    inside = _into(net, taps, along)
    if along.padding == "zeros":
        counts = net.cast(combined(net, "EQUAL", taps, inside), "float32")
        weights = counts if weights is None else combined(net, "MUL", weights, counts)
    return Taps(places=net.cast(inside, "int32"), weights=weights)


def crossed(net: Lowering, axes: Sequence[Taps], lengths: Sequence[int]) -> Taps:
    """Each tap of the first axis with each of the next ones, as places in an image whose spatial axes are one."""
    found = axes[0]
    for taps, length in zip(axes[1:], lengths[1:], strict=True):
        groups, first, points = found.places.shape
        second = taps.places.shape[1]
        shape = (groups, first * second, points)
        rows = combined(net, "MUL", _outer(net, found.places), length)
        places = net.reshape(combined(net, "ADD", rows, _inner(net, taps.places)), shape)
        weights = None
        if found.weights is not None and taps.weights is not None:
            product = combined(net, "MUL", _outer(net, found.weights), _inner(net, taps.weights))
            weights = net.reshape(product, shape)
        found = Taps(places=places, weights=weights)
    return found


def _outer(net: Lowering, tensor: Tensor) -> Tensor:
    groups, count, points = tensor.shape
    return net.reshape(tensor, (groups, count, 1, points))


def _inner(net: Lowering, tensor: Tensor) -> Tensor:
    groups, count, points = tensor.shape
    return net.reshape(tensor, (groups, 1, count, points))


def weighed(net: Lowering, rows: Tensor, taps: Taps) -> Tensor:
    """(group, tap, point, channel) what taps read of (place, channel), times their weights."""
    read = gathered_by(net, rows, taps.places, 0)
    if taps.weights is None:
        return read
    return combined(net, "MUL", read, net.reshape(taps.weights, (*taps.weights.shape, 1)))


def summed(net: Lowering, values: Tensor) -> Tensor:
    """(group, point, channel) the sum over taps."""
    if values.shape[1] == 1:
        return net.reshape(values, (values.shape[0], *values.shape[2:]))
    return reduced(net, "SUM", values, (1,), keeps=False)


def of_image(net: Lowering, taps: Taps, size: int) -> Taps:
    """Taps whose group is an image of `size` places, as places in all images one behind the other."""
    groups = taps.places.shape[0]
    if groups == 1:
        return taps
    starts = (np.arange(groups, dtype=np.int32) * size).reshape(-1, 1, 1)
    places = combined(net, "ADD", taps.places, net.new_constant(starts, name="first_place"))
    return Taps(places=places, weights=taps.weights)


def component(net: Lowering, tensor: Tensor, index: int) -> Tensor:
    """(group, point) component `index` of points (group, ..., component)."""
    groups, last = tensor.shape[0], len(tensor.shape) - 1
    part = sliced(net, tensor, (*[0] * last, index), (*tensor.shape[:-1], 1))
    return net.reshape(part, (groups, int(np.prod(tensor.shape[1:-1], dtype=np.int64))))


def image_rows(net: Lowering, view: View) -> tuple[Tensor, int]:
    """((image and place, channel) of all images, places of one)."""
    image = net.laid(view, channels_last(view.rank))
    size = int(np.prod(image.shape[1:-1], dtype=np.int64))
    return net.reshape(image, (image.shape[0] * size, image.shape[-1])), size
