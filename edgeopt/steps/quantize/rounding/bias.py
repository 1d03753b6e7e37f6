"""Bias correction: the mean error that rounded weights make (Nagel et al., arXiv 1906.04721, section 4.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.moments import Moments
from edgeopt.steps.quantize.rounding.scales import Integers, Matrix


def bias_shift(matrix: Matrix, integers: Integers, scale: Matrix, moments: Moments) -> NDArray[np.float64]:
    """(channel,) E[(Wq - W) x] of each output channel: what correction subtracts from the float bias.

    Args:
        matrix: (group, output, input) weights.
        integers: Their rounding, of the same shape.
        scale: Broadcastable to (group, output, 1).
        moments: Of the layer's columns; only the mean counts.
    """
    error = integers * scale.astype(np.float64) - matrix
    return np.asarray(np.einsum("goi,gi->go", error, moments.mean).reshape(-1))
