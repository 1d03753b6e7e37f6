"""Signal to quantization noise from sums of squares."""

from __future__ import annotations

import math

# Where both run in float32, other orders of summation differ by about 1e-7 of the signal, 140 dB. What is beyond 120 dB
# is called exact, so that every figure is a finite number.
EXACT_DB = 120.0


def signal_to_noise_db(signal: float, noise: float) -> float:
    """10 log10(signal / noise) in dB, within ±120; 120 is exact to float32, also where there is no signal either.

    Args:
        signal: Sum of squares of the reference.
        noise: Sum of squares of the difference.
    """
    if noise <= 0:
        return EXACT_DB
    if signal <= 0 or math.isinf(noise):
        return -EXACT_DB
    return min(EXACT_DB, max(-EXACT_DB, 10 * math.log10(signal / noise)))
