"""What Resize reads along one axis: a matrix of weights, as the ONNX standard and as TFLite's kernels have it.

Source: https://onnx.ai/onnx/operators/onnx__Resize.html and its reference implementation (`onnx.reference`), which
interpolates one axis after the other; coordinates of nearest neighbours are computed in float32, as ONNX Runtime does,
since a rounding decides there which element is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Coordinates = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How one axis is resized.

    Attributes:
        length: Number of elements before.
        count: Number of elements after.
        scale: Elements after per element before, which need not be `count / length`.
        start: Where the region to resize starts, as a share of the axis (`tf_crop_and_resize`).
        end: Where it ends.
    """

    length: int
    count: int
    scale: float
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How Resize reads between elements, named as in its attributes.

    Attributes:
        mode: `nearest`, `linear` or `cubic`.
        coordinates: `coordinate_transformation_mode`.
        rounding: `nearest_mode`.
        cubic: `cubic_coeff_a`.
        is_antialiased: `antialias`.
        excludes_outside: `exclude_outside`.
    """

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic: float = -0.75
    is_antialiased: bool = False
    excludes_outside: bool = False


def coordinates_of(axis: Axis, how: str, dtype: type[np.float32] | type[np.float64] = np.float64) -> Coordinates:
    """(count) where each element after lies among those before.

    Raises:
        KeyError: There is no such `how`.
    """
    number = dtype
    x: Coordinates = np.arange(axis.count, dtype=dtype)
    scale = number(axis.scale)
    length = number(axis.length)
    width = scale * length
    half, one = number(0.5), number(1)
    if how == "align_corners":
        return x * (length - one) / (width - one) if width != 1 else x * 0
    if how == "asymmetric":
        return x / scale
    if how == "tf_crop_and_resize":
        start, end = number(axis.start), number(axis.end)
        if axis.count == 1:
            return x + half * (start + end) * (length - one)
        return start * (length - one) + x * (end - start) * (length - one) / (number(axis.count) - one)
    if how == "pytorch_half_pixel" and axis.count == 1:
        return x
    offset = {
        "half_pixel": number(0),
        "pytorch_half_pixel": number(0),
        "half_pixel_symmetric": length / 2 * (one - number(axis.count) / width),
    }[how]
    return np.asarray(offset + (x + half) / scale - half)


def matrix_of(axis: Axis, method: Method) -> Matrix:
    """(count, length) weights of the elements before in each element after; zeros where it lies outside of a crop."""
    dtype = np.float32 if method.mode == "nearest" else np.float64
    where = coordinates_of(axis, method.coordinates, dtype)
    matrix = np.zeros((axis.count, axis.length))
    for row, place in enumerate(where):
        if method.mode == "nearest":
            first, weights = _rounded(place, method.rounding), np.ones(1)
        else:
            first, weights = _spread(float(place), axis.scale, method)
        places = np.arange(first, first + len(weights))
        if method.excludes_outside:
            weights = np.where((places >= 0) & (places < axis.length), weights, 0)
            weights = weights / weights.sum()
        np.add.at(matrix[row], np.clip(places, 0, axis.length - 1), weights)
    matrix[outside_of(axis, method)] = 0
    return matrix


def outside_of(axis: Axis, method: Method) -> NDArray[np.bool_]:
    """(count) whether an element after lies outside of all elements before, which only a crop tells apart."""
    if method.coordinates != "tf_crop_and_resize":
        return np.zeros(axis.count, bool)
    where = coordinates_of(axis, method.coordinates, np.float32)
    return np.asarray((where < 0) | (where > axis.length - 1))


def _rounded(place: np.floating, rounding: str) -> int:
    if rounding == "floor":
        return int(np.floor(place))
    if rounding == "ceil":
        return int(np.ceil(place))
    below = np.floor(place)
    fraction = place - below
    takes_above = fraction > 0.5 if rounding == "round_prefer_floor" else fraction >= 0.5
    return int(below) + int(takes_above)


def _spread(place: float, scale: float, method: Method) -> tuple[int, Matrix]:
    """(first element, weights) that are read for a place between elements."""
    reach = 1 if method.mode == "linear" else 2
    stretch = min(scale, 1.0) if method.is_antialiased else 1.0
    below = int(np.floor(place))
    first = int(np.floor(-reach / stretch)) + 1
    places = np.arange(first, 2 - first)
    distances = np.abs((places - (place - below)) * stretch)
    weights = np.clip(1 - distances, 0, 1) if reach == 1 else _cubic(distances, method.cubic)
    return below + first, weights / weights.sum()


def _cubic(distance: Matrix, a: float) -> Matrix:
    """Keys' cubic convolution kernel (https://doi.org/10.1109/TASSP.1981.1163711)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return np.asarray(np.where(distance <= 1, near, np.where(distance < 2, far, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The two flags of TFLite's RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR."""

    aligns_corners: bool
    has_half_pixels: bool


def kernel_flags(axes: list[Axis], method: Method) -> Flags | None:
    """Flags with which TFLite's kernel reads just what `method` does along both axes; None where none do.

    Source: `reference_ops::ResizeBilinear` and `ResizeNearestNeighbor`.
    """
    wanted = [matrix_of(axis, method) for axis in axes]
    for aligns, halves in product((False, True), repeat=2):
        flags = Flags(aligns_corners=aligns, has_half_pixels=halves)
        if aligns and halves:  # both kernels refuse that
            continue
        own = [_of_kernel(axis, method.mode, flags) for axis in axes]
        if all(np.allclose(mine, other, rtol=0, atol=1e-6) for mine, other in zip(own, wanted, strict=True)):
            return flags
    return None


def _of_kernel(axis: Axis, mode: str, flags: Flags) -> Matrix:
    number = np.float32
    scale = number(axis.length) / number(axis.count)
    if flags.aligns_corners and axis.count > 1:
        scale = number(axis.length - 1) / number(axis.count - 1)
    x, half = np.arange(axis.count, dtype=np.float32), number(0.5)
    matrix, rows = np.zeros((axis.count, axis.length)), np.arange(axis.count)
    if mode == "nearest":
        where = (x + half) * scale if flags.has_half_pixels else x * scale
        places = np.floor(where + half) if flags.aligns_corners else np.floor(where)
        matrix[rows, np.clip(places, 0, axis.length - 1).astype(int)] = 1
        return matrix
    where = (x + half) * scale - half if flags.has_half_pixels else x * scale
    below = np.floor(where)
    share = (where - below).astype(np.float64)
    last = axis.length - 1
    np.add.at(matrix, (rows, np.clip(below, 0, last).astype(int)), 1 - share)
    np.add.at(matrix, (rows, np.clip(below + 1, 0, last).astype(int)), share)
    return matrix
