"""Rounding in which each weight makes good the errors of those before it (GPTQ, Frantar et al., arXiv 2210.17323).

The layer's squared error is |dW R|^2 where the second moments are H = R R^T with R upper triangular. Column k of dW R
holds dW of inputs 1..k alone, so rounding in that order the best integer for w_k is the nearest to

    w_k - sum_{j<k} dW_j R_jk / R_kk,

which is GPTQ without an inverse of H (equal by Chee et al., arXiv 2307.13304, theorem 6). Inputs of the largest
moments come first, when most others are free to make their errors good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.moments import Moments
from edgeopt.steps.quantize.rounding import (
    Integers,
    Matrix,
    by_block,
    channel_errors,
    from_blocks,
    round_nearest,
    scale_by_block,
)

_STRIDE = 64  # inputs rounded before their errors meet all later ones in one product


def round_gptq(
    matrix: Matrix, scale: Matrix, limit: int, moments: Moments, *, damping: float = 0.01, is_ordered: bool = True
) -> Integers:
    """(group, output, input) int8 within ±limit; no output channel errs more than with the nearest integers.

    Args:
        matrix: (group, output, input) weights.
        scale: Broadcastable to (group, output, 1).
        limit: Largest integer.
        moments: Of the layer's columns.
        damping: Share of the mean E[x^2] that is added to each: inputs that were never seen stay bounded.
        is_ordered: Round inputs of large moments first; else in their order.
    """
    weights, scales = by_block(matrix, moments).astype(np.float64), scale_by_block(scale, matrix, moments)
    second = moments.second.reshape(len(weights), *moments.second.shape[2:]).astype(np.float64)
    order = _order(second, is_ordered)
    backwards = np.argsort(order, axis=1)
    second = np.take_along_axis(np.take_along_axis(second, order[:, :, np.newaxis], 1), order[:, np.newaxis, :], 2)
    feedback = _feedback(second, damping)
    rounded = _rounded(np.take_along_axis(weights / scales, order[:, np.newaxis, :], 2), feedback, limit)
    integers = from_blocks(np.take_along_axis(rounded, backwards[:, np.newaxis, :], 2), moments).astype(np.int8)
    return least_of(matrix, scale, moments, round_nearest(matrix, scale, limit), integers)


def least_of(matrix: Matrix, scale: Matrix, moments: Moments, *choices: Integers) -> Integers:
    """Of several roundings, for each output channel the one whose error is least; the first where they are equal."""
    errors = np.stack([channel_errors(matrix, integers, scale, moments) for integers in choices])
    chosen = errors.argmin(axis=0)[np.newaxis, :, :, np.newaxis]
    return np.asarray(np.take_along_axis(np.stack(choices), chosen, axis=0)[0])


def _order(second: NDArray[np.float64], is_ordered: bool) -> NDArray[np.intp]:
    """(part, input): the inputs as they are rounded."""
    diagonal = np.diagonal(second, axis1=1, axis2=2)
    if is_ordered:
        return np.argsort(-diagonal, axis=1, kind="stable")
    return np.broadcast_to(np.arange(diagonal.shape[1]), diagonal.shape)


def _feedback(second: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
    """(part, j, k): R_jk / R_kk for j < k, zeros elsewhere.

    With P the reversal, P H P = L L^T makes R = P L P. Damping is raised tenfold while rounding errors leave the matrix
    indefinite; all zeros (no input was ever seen) give the identity.
    """
    width = second.shape[1]
    level = np.trace(second, axis1=1, axis2=2) / width
    unit = np.where(level > 0, level, 1.0)[:, np.newaxis, np.newaxis]
    reversed_ = second[:, ::-1, ::-1] / unit
    for strength in (damping, 10 * damping, 1.0, float(width)):
        try:
            lower = np.linalg.cholesky(reversed_ + max(strength, 1e-7) * np.eye(width))
        except np.linalg.LinAlgError:
            continue
        upper = lower[:, ::-1, ::-1]
        return np.triu(upper / np.diagonal(upper, axis1=1, axis2=2)[:, np.newaxis, :], 1)
    return np.zeros_like(second)


def _rounded(weights: NDArray[np.float64], feedback: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Integers for (part, output, input) weights in units of their scale, from the first input to the last."""
    integers = np.empty_like(weights)
    errors = np.zeros_like(weights)
    for start in range(0, weights.shape[2], _STRIDE):
        end = min(start + _STRIDE, weights.shape[2])
        wanted = weights[:, :, start:end] - errors[:, :, :start] @ feedback[:, :start, start:end]
        within = feedback[:, start:end, start:end]
        block = np.zeros_like(wanted)
        for column in range(end - start):
            target = wanted[:, :, column] - (block[:, :, :column] @ within[:, :column, column, np.newaxis])[:, :, 0]
            chosen = np.clip(np.rint(target), -limit, limit)
            integers[:, :, start + column] = chosen
            block[:, :, column] = chosen - weights[:, :, start + column]
        errors[:, :, start:end] = block
    return integers
