"""Rounding learned by gradient descent on the layer's error (AdaRound, Nagel et al., arXiv 2004.10568).

Each weight lies between two integers; h(V) in [0, 1] says how far up it goes. Adam lowers

    tr(dW H dW^T) + lambda * sum(1 - |2 h(V) - 1|^beta),    dW = scale * (floor(W / scale) + h(V)) - W,

while beta falls, so that every h ends at 0 or 1. The second moments H hold the squared error over all columns exactly,
so the gradient needs no samples.
"""

from __future__ import annotations

from dataclasses import dataclass

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

# Equations 23 and 24 of the paper: a sigmoid stretched beyond [0, 1], so that it reaches both ends.
_TOP, _BOTTOM = 1.1, -0.1
# The schedule of the authors' AIMET: no regulariser for the first fifth, then beta from 20 down to 2.
_FREE_SHARE, _FIRST_BETA, _LAST_BETA = 0.2, 20.0, 2.0
# lambda, where the nearest integers err by 1 per weight: 3 to 10 make no difference, 0.1 leaves about twice the error.
_REGULARISER = 3.0
_STEP, _DECAY_FIRST, _DECAY_SECOND, _TINY = 0.03, 0.9, 0.999, 1e-8  # Adam's; 0.01 in the paper, for ten times the steps

Singles = NDArray[np.float32]


@single_threaded()
def round_adaround(matrix: Matrix, scale: Matrix, limit: int, moments: Moments, *, iterations: int = 1000) -> Integers:
    """(group, output, input) int8 within ±limit, each the integer below or above its weight.

    No output channel errs more than with the nearest integers.

    Args:
        matrix: (group, output, input) weights.
        scale: Broadcastable to (group, output, 1).
        limit: Largest integer.
        moments: Of the layer's columns.
        iterations: Steps of Adam.
    """
    scales = scale_by_block(scale, matrix, moments)
    weights = np.clip(by_block(matrix, moments) / scales, -limit, limit).astype(np.float32)
    second, _ = in_units(moments)
    floor = np.clip(np.floor(weights), -limit, limit - 1)
    problem = _Problem(fraction=weights - floor, second=_per_weight(second, weights))
    upwards = problem.solved(iterations) >= 0.5
    integers = from_blocks(floor + upwards, moments).astype(np.int8)
    return least_of(matrix, scale, moments, round_nearest(matrix, scale, limit), integers)


def _per_weight(second: Singles, weights: Singles) -> Singles:
    """Moments in a unit in which the nearest integers err by 1 per weight, over each part."""
    error = np.rint(weights) - weights
    mean = ((error @ second) * error).mean(axis=(1, 2), dtype=np.float64)
    inverse = np.divide(1.0, mean, out=np.zeros_like(mean), where=mean > 1e-12)
    return np.asarray(second * inverse[:, np.newaxis, np.newaxis], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Fractions (part, output, input) of weights above their floor, and moments (part, input, input)."""

    fraction: Singles
    second: Singles

    def solved(self, iterations: int) -> Singles:
        """h(V) at the end."""
        share = np.clip((self.fraction - _BOTTOM) / (_TOP - _BOTTOM), 1e-3, 1 - 1e-3)
        logits = np.log(share / (1 - share))
        first, second = np.zeros_like(logits), np.zeros_like(logits)
        for step in range(1, iterations + 1):
            slope = self._slope(logits, step / iterations)
            first = _DECAY_FIRST * first + (1 - _DECAY_FIRST) * slope
            second = _DECAY_SECOND * second + (1 - _DECAY_SECOND) * np.square(slope)
            mean, spread = first / (1 - _DECAY_FIRST**step), second / (1 - _DECAY_SECOND**step)
            logits -= np.float32(_STEP) * mean / (np.sqrt(spread) + _TINY)
        return _stretched(logits)[0]

    def _slope(self, logits: Singles, progress: float) -> Singles:
        """The gradient of error and regulariser over V."""
        heights, inner = _stretched(logits)
        slope = 2 * ((heights - self.fraction) @ self.second)
        if progress > _FREE_SHARE:
            done = (progress - _FREE_SHARE) / (1 - _FREE_SHARE)
            beta = _LAST_BETA + (_FIRST_BETA - _LAST_BETA) * (1 + np.cos(np.pi * done)) / 2
            tilt = 2 * heights - 1
            slope -= np.float32(2 * _REGULARISER * beta) * np.sign(tilt) * np.abs(tilt) ** np.float32(beta - 1)
        return np.asarray(slope * inner, dtype=np.float32)


def _stretched(logits: Singles) -> tuple[Singles, Singles]:
    """h(V) = clip(sigmoid(V) * (top - bottom) + bottom, 0, 1), and its slope."""
    sigmoid = 1 / (1 + np.exp(-logits))
    heights = sigmoid * np.float32(_TOP - _BOTTOM) + np.float32(_BOTTOM)
    is_inside = (heights > 0) & (heights < 1)
    return np.clip(heights, 0, 1), np.where(is_inside, sigmoid * (1 - sigmoid) * np.float32(_TOP - _BOTTOM), 0)
