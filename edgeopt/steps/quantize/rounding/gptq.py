"""Rounding in which each weight makes good the errors of those before it (GPTQ, Frantar et al., arXiv 2210.17323).

The layer's squared error is |dW R|^2 where the second moments are H = R R^T with R upper triangular. Column k of dW R
holds dW of inputs 1..k alone, so rounding in that order the best integer for w_k is the nearest to

    w_k - sum_{j<k} dW_j R_jk / R_kk,

which is GPTQ without an inverse of H (equal by Chee et al., arXiv 2307.13304, theorem 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.moments import Moments
from edgeopt.steps.quantize.rounding.blas import single_threaded
from edgeopt.steps.quantize.rounding.scales import (
    Integers,
    Matrix,
    by_block,
    from_blocks,
    in_units,
    least_of,
    round_nearest,
    scale_by_block,
)

# `falling`: inputs of large moments first, while most others are free to make their errors good. `given`: as they lie.
# With int8 weights now one, now the other is better (docs/results/weight-rounding.md; MobileNetV2 0.5 at 32 x 32: 35.6
# and 37.4 dB), and the best of both, channel by channel, is level with the better one or above it (38.2 dB there). With
# 4 bits no order is better for certain.
Order = Literal["falling", "given"]
ORDERS: tuple[Order, ...] = ("falling", "given")

# Damping per input and column: few columns tell little of most directions, and weights would drift along those. With
# one sample, kws_dscnn of int8 weights reaches 43.4 dB with it, 38.2 without, and 41.9 with the nearest integers,
# the bias corrected in all three.
_SHRINKAGE = 0.3

_STRIDE = 64  # inputs rounded before their errors meet all later ones in one product

Singles = NDArray[np.float32]


@single_threaded()
def round_gptq(
    matrix: Matrix,
    scale: Matrix,
    limit: int,
    moments: Moments,
    *,
    damping: float = 0.01,
    orders: Sequence[Order] = ORDERS,
) -> Integers:
    """(group, output, input) int8 within ±limit; no output channel errs more than with the nearest integers.

    Args:
        matrix: (group, output, input) weights.
        scale: Broadcastable to (group, output, 1).
        limit: Largest integer.
        moments: Of the layer's columns.
        damping: Least share of the mean E[x^2] that is added to each, so that inputs that were never seen stay bounded;
            more is added where there are few columns.
        orders: In which inputs are rounded; each output channel takes the one that errs least.
    """
    second, _ = in_units(moments)
    weights = (by_block(matrix, moments) / scale_by_block(scale, matrix, moments)).astype(np.float32)
    added = max(damping, _SHRINKAGE * second.shape[1] / max(1, moments.columns))
    found = [round_nearest(matrix, scale, limit)]
    for order in orders:
        integers = _in_order(weights, second, order, damping=added, limit=limit)
        found.append(from_blocks(integers, moments))
    return least_of(matrix, scale, moments, *found)


def _in_order(weights: Singles, second: Singles, order: Order, *, damping: float, limit: int) -> Integers:
    """Integers for (part, output, input) weights in units of their scale, rounded in one order."""
    places = _places(second, order)
    feedback = _feedback(_reordered(second, places[:, ::-1]), damping)
    integers = _rounded(_taken(weights, places), feedback, limit)
    return np.asarray(_taken(integers, np.argsort(places, axis=1)))


def _places(second: Singles, order: Order) -> NDArray[np.intp]:
    """(part, input): the inputs as they are rounded."""
    diagonal = np.diagonal(second, axis1=1, axis2=2)
    if order == "falling":
        return np.argsort(-diagonal, axis=1, kind="stable")
    return np.broadcast_to(np.arange(diagonal.shape[1]), diagonal.shape)


def _taken(values: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
    """(part, output, input) `values` with their inputs in the order of (part, input) `places`."""
    return np.take_along_axis(values, places[:, np.newaxis, :], axis=2)


def _reordered(second: Singles, places: NDArray[np.intp]) -> Singles:
    """(part, input, input) `second` with its inputs in the order of (part, input) `places`."""
    if len(second) == 1:  # without the indices of every product, which are larger than the products
        return np.asarray(second[0].take(places[0], axis=0).take(places[0], axis=1)[np.newaxis])
    parts = np.arange(len(second))[:, np.newaxis, np.newaxis]
    return np.asarray(second[parts, places[:, :, np.newaxis], places[:, np.newaxis, :]])


def _feedback(turned: Singles, damping: float) -> Singles:
    """(part, j, k): R_jk / R_kk for j < k; entries of j >= k mean nothing.

    With P the reversal, P H P = L L^T makes R = P L P. Damping is raised while errors of float32 leave the matrix
    indefinite.

    Args:
        turned: P H P; it is damped in place.
        damping: Share of the mean E[x^2] that is added to each.
    """
    places = np.arange(turned.shape[1])
    level = np.trace(turned, axis1=1, axis2=2, dtype=np.float64) / len(places)
    level = np.where(level > 0, level, 1.0)[:, np.newaxis]
    added = 0.0
    for strength in (max(damping, 1e-6), 10 * max(damping, 1e-3), 1.0 + damping):
        turned[:, places, places] += ((strength - added) * level).astype(np.float32)
        added = strength
        try:
            lower = np.linalg.cholesky(turned)
        except np.linalg.LinAlgError:
            continue
        lower /= np.diagonal(lower, axis1=1, axis2=2)[:, np.newaxis, :].copy()
        return np.asarray(lower[:, ::-1, ::-1])
    return np.zeros_like(turned)


def _rounded(weights: Singles, feedback: Singles, limit: int) -> Integers:
    """Integers for (part, output, input) weights in units of their scale, from the first input to the last."""
    integers = np.empty(weights.shape, dtype=np.int8)
    errors = np.zeros_like(weights)
    for start in range(0, weights.shape[2], _STRIDE):
        end = min(start + _STRIDE, weights.shape[2])
        wanted = weights[:, :, start:end] - errors[:, :, :start] @ feedback[:, :start, start:end]
        within = feedback[:, start:end, start:end]
        for column in range(end - start):
            chosen = np.clip(np.rint(wanted[:, :, column]), -limit, limit)
            error = chosen - weights[:, :, start + column]
            integers[:, :, start + column] = chosen
            errors[:, :, start + column] = error
            wanted[:, :, column + 1 :] -= error[:, :, np.newaxis] * within[:, np.newaxis, column, column + 1 :]
    return integers
