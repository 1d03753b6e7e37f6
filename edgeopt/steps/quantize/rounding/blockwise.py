"""Weights in blocks of 4-bit integers: real = (integer - zero_point) * scale, one scale and zero point per block.

Blocks run along the rows of a (row, column) matrix, the axis that a product sums over. The packing is that of
`com.microsoft.MatMulNBits` (onnxruntime/docs/ContribOperators.md): two integers per byte, the first in the low half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 15  # integers are 0 to 15
# The range of a block, in parts of the distance between its extremes. On normal weights in blocks of 32 the best of
# these, its scale then fitted by least squares, gives 22.3 dB; the extremes alone 21.9 dB, a finer list 22.3 dB.
_SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8)
_CHUNK_ELEMENTS = 1 << 20  # temporaries of a few MB, whatever the size of the weight

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A (row, column) matrix in integers.

    Attributes:
        integers: (column, block, position) uint8, 0 to 15; positions beyond the last row hold the zero point.
        scale: (column, block) float32.
        zero_point: (column, block) uint8, 0 to 15: the integer that stands for 0.
        rows: Rows of the matrix.
    """

    integers: NDArray[np.uint8]
    scale: Floats
    zero_point: NDArray[np.uint8]
    rows: int

    @property
    def block_size(self) -> int:
        """Rows per block."""
        return int(self.integers.shape[2])

    def dequantized(self) -> Floats:
        """(row, column) float32, what the integers stand for."""
        steps = self.integers.astype(np.float32) - self.zero_point[..., None]
        values = (steps * self.scale[..., None]).reshape(len(self.integers), -1)
        return np.ascontiguousarray(values[:, : self.rows].T)

    def packed(self) -> NDArray[np.uint8]:
        """(column, block, byte) uint8: two integers per byte."""
        return packed_pairs(self.integers)

    def packed_zero_points(self) -> NDArray[np.uint8]:
        """(column, byte) uint8; behind an odd number of blocks half a byte says 8, as ONNX Runtime writes it."""
        points = self.zero_point
        return packed_pairs(np.pad(points, ((0, 0), (0, points.shape[1] % 2)), constant_values=8))


def packed_pairs(integers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pairs along the last axis, which is even, in one byte each: the first in the low half."""
    low, high = integers[..., ::2], integers[..., 1::2]
    return np.asarray(low | (high << np.uint8(4)), dtype=np.uint8)


def quantize_blocks(weight: Floats, block_size: int) -> Blocks:
    """`weight` rounded to the nearest, each block over the range that leaves the smallest squared error.

    Args:
        weight: (row, column) finite float32.
        block_size: Rows per block, even.
    """
    blocks = in_blocks(weight, block_size)
    count = max(1, _CHUNK_ELEMENTS // blocks[0].size)
    parts = [_best_of(blocks[start : start + count]) for start in range(0, len(blocks), count)]
    integers, scale, zero_point = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Blocks(integers=integers, scale=scale, zero_point=zero_point, rows=len(weight))


def in_blocks(weight: Floats, block_size: int) -> Floats:
    """(column, block, position) float32 of a (row, column) matrix; zeros fill the last block."""
    rows, columns = weight.shape
    padded: Floats = np.pad(weight.T.astype(np.float32), ((0, 0), (0, -rows % block_size)))
    return padded.reshape(columns, -1, block_size)


def range_parameters(blocks: Floats, shrink: float = 1.0) -> tuple[Floats, NDArray[np.uint8]]:
    """Scale and zero point of blocks (..., position) over their extremes, zero among them, times `shrink`.

    scale = (high - low) / 15; zero_point = round(-low / scale), ties to even. A block of zeros has scale 1.
    """
    low = np.minimum(blocks.min(axis=-1), 0) * np.float32(shrink)
    high = np.maximum(blocks.max(axis=-1), 0) * np.float32(shrink)
    scale = np.asarray((high - low) / np.float32(LEVELS), dtype=np.float32)
    scale[scale < np.finfo(np.float32).tiny] = 1
    point = np.clip(np.rint(-low / scale), 0, LEVELS)
    return scale, point.astype(np.uint8)


def nearest(blocks: Floats, scale: Floats, zero_point: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The integers next to blocks (..., position), ties to even."""
    steps = np.rint(blocks / scale[..., None]) + zero_point[..., None]
    return np.asarray(np.clip(steps, 0, LEVELS), dtype=np.uint8)


def _best_of(blocks: Floats) -> tuple[Any, Any, Any]:
    """Integers, scale and zero point of the shrink that leaves the smallest squared error in each block."""
    best: list[NDArray[Any]] = [np.zeros(blocks.shape, np.uint8), *range_parameters(blocks)]
    least = np.full(blocks.shape[:-1], np.inf, np.float32)
    for shrink in _SHRINKS:
        scale, point = range_parameters(blocks, shrink)
        integers = nearest(blocks, scale, point)
        steps = integers.astype(np.float32) - point[..., None]
        scale = fitted_scale(blocks, steps, scale)
        error = np.square(steps * scale[..., None] - blocks).sum(axis=-1)
        is_better = error < least
        for kept, found in zip(best, (integers, scale, point), strict=True):
            kept[is_better] = np.asarray(found)[is_better]
        least = np.minimum(least, error)
    _, scale, point = best
    return nearest(blocks, scale, point), scale, point


def fitted_scale(blocks: Floats, steps: Floats, scale: Floats) -> Floats:
    """The scale by which integers `steps` come closest to `blocks`: sum(steps * block) / sum(steps^2).

    Where all steps are zero, or the fit is none, it stays as it was.
    """
    weights = np.square(steps).sum(axis=-1)
    fitted = (steps * blocks).sum(axis=-1) / np.where(weights > 0, weights, 1)
    is_usable = (weights > 0) & (fitted >= np.finfo(np.float32).tiny)
    return np.where(is_usable, fitted, scale).astype(np.float32)
