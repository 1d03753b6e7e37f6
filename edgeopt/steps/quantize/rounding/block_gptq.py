"""Rounding of 4-bit blocks in which each weight makes good the errors of those before it (GPTQ, arXiv 2210.17323).

The squared error of a column's output is dw H dw^T, with H the second moments of the inputs. With H = R R^T, R upper
triangular, it is |dw R|^2; rounding from the first input to the last, the best integer for w_k is the nearest to

    w_k - sum_{j<k} dw_j R_jk / R_kk

(equal to GPTQ by Chee et al., arXiv 2307.13304, theorem 6). Scales and zero points are taken from the weights before,
so that inputs may be rounded in any order: those of large moments come first, while most others are free to make their
errors good.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.moments import Moments
from edgeopt.steps.quantize.rounding.blas import single_threaded
from edgeopt.steps.quantize.rounding.blockwise import LEVELS, Blocks, Floats

_STRIDE = 64  # inputs rounded before their errors meet all later ones in one product
_DAMPING = 0.01  # share of the mean moment added to each: inputs that were never seen stay bounded

Doubles = NDArray[np.float64]


def round_blocks(weight: Floats, blocks: Blocks, moments: Moments) -> Blocks:
    """`blocks` of (row, column) `weight` with other integers: no column's output errs more than before.

    Args:
        weight: (row, column) float32.
        blocks: The same rounded to the nearest.
        moments: Of the inputs, one per row.
    """
    with single_threaded():
        return _round_blocks(weight, blocks, moments)


def _round_blocks(weight: Floats, blocks: Blocks, moments: Moments) -> Blocks:
    target = np.asarray(weight.T, dtype=np.float64)
    scale, point = _per_row(blocks.scale, blocks), _per_row(blocks.zero_point, blocks)
    nearest = blocks.integers.reshape(len(target), -1)[:, : blocks.rows].astype(np.float64)
    seconds = moments.second[0].astype(np.float64)
    width = seconds.shape[1]
    chosen = nearest.copy()
    before, after = np.zeros(len(target)), np.zeros(len(target))
    for number, second in enumerate(seconds):
        part = slice(number * width, (number + 1) * width)
        chosen[:, part] = _rounded(target[:, part], scale[:, part], point[:, part], second)
        before += _errors((nearest[:, part] - point[:, part]) * scale[:, part] - target[:, part], second)
        after += _errors((chosen[:, part] - point[:, part]) * scale[:, part] - target[:, part], second)
    chosen[after >= before] = nearest[after >= before]
    integers = blocks.integers.reshape(len(target), -1).copy()
    integers[:, : blocks.rows] = chosen.astype(np.uint8)
    return replace(blocks, integers=integers.reshape(blocks.integers.shape))


def _per_row(values: NDArray[np.float32] | NDArray[np.uint8], blocks: Blocks) -> Doubles:
    """(column, row): what a block has for each of its rows."""
    return np.repeat(values, blocks.block_size, axis=1)[:, : blocks.rows].astype(np.float64)


def _errors(steps: Doubles, second: Doubles) -> Doubles:
    """(column,): dw H dw^T of each column."""
    return np.asarray(((steps @ second) * steps).sum(axis=1))


def _rounded(target: Doubles, scale: Doubles, point: Doubles, second: Doubles) -> Doubles:
    """(column, row) integers for the rows of one part."""
    order = np.argsort(-np.diagonal(second), kind="stable")
    target, scale, point = target[:, order], scale[:, order], point[:, order]
    feedback = _feedback(second[np.ix_(order, order)])
    integers, errors = np.empty_like(target), np.zeros_like(target)
    for start in range(0, target.shape[1], _STRIDE):
        end = min(start + _STRIDE, target.shape[1])
        wanted = target[:, start:end] - errors[:, :start] @ feedback[:start, start:end]
        for row in range(start, end):
            column = wanted[:, row - start]
            integers[:, row] = np.clip(np.rint(column / scale[:, row]) + point[:, row], 0, LEVELS)
            errors[:, row] = (integers[:, row] - point[:, row]) * scale[:, row] - target[:, row]
            wanted[:, row - start + 1 :] -= np.outer(errors[:, row], feedback[row, row + 1 : end])
    result = np.empty_like(integers)
    result[:, order] = integers
    return result


def _feedback(second: Doubles) -> Doubles:
    """(j, k): R_jk / R_kk for j < k, zeros elsewhere.

    With P the reversal, P H P = L L^T makes R = P L P. Damping is raised while rounding errors leave the matrix
    indefinite; with no moments at all, inputs that were never seen, there is no feedback.
    """
    width = len(second)
    level = float(np.trace(second)) / width
    if not level > 0:
        return np.zeros_like(second)
    for strength in (_DAMPING, 10 * _DAMPING, 1.0, float(width)):
        try:
            lower = np.linalg.cholesky(second[::-1, ::-1] / level + strength * np.eye(width))
        except np.linalg.LinAlgError:
            continue
        upper = lower[::-1, ::-1]
        return np.asarray(np.triu(upper / np.diagonal(upper), 1))
    return np.zeros_like(second)
