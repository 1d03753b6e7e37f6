"""What is known of the rates before any row is read: relative costs, in nanoseconds per unit on a core of 1 GHz.

Written by hand from how the kernels work, in round numbers, with the published latencies in sight; only their ratios
count. A product of matrices does its multiply-accumulates many to an instruction; a depthwise convolution has no
operand to use twice and pays two to three times as much for each; weights come from memory once per inference;
Winograd's algorithm (arXiv 1509.09308), which ncnn has and TFLite has not, needs 2.25 to 4 times fewer products for a
3x3 window at stride 1, and moves its tiles instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.predict.features import FEATURES

_COMMON = {
    "pointwise_macs": 0.1,
    "fast_window_macs": 0.1,
    "window_macs": 0.12,
    "depthwise_macs": 0.2,
    "strided_depthwise_macs": 0.3,
    "grouped_taps": 1.0,
    "gemm_macs": 0.1,
    "attention_macs": 0.1,
    "pointwise_read": 0.5,
    "written": 0.5,
    "gathered": 1.0,
    "fast_window_traffic": 0.5,
    "depthwise_read": 0.5,
    "depthwise_written": 0.5,
    "weights": 0.5,
    "pool_read": 1.0,
    "elementwise_traffic": 0.5,
    "transcendental_written": 3.0,
    "moved": 0.5,
    "kernels": 5_000.0,
    "base": 10_000.0,
}
_WINOGRAD = {
    "transcendental_written": 1.0,
    "fast_window_macs": 0.035,
    "fast_window_traffic": 1.5,
    "gemm_macs": 0.2,
    "attention_macs": 0.25,
}
# A microcontroller: one or two products a cycle, no cache to miss, and a row of a dense layer used once.
_MICRO = {
    **dict.fromkeys(_COMMON, 2.0),
    "pointwise_macs": 1.0,
    "fast_window_macs": 0.9,
    "window_macs": 0.9,
    "depthwise_macs": 2.5,
    "strided_depthwise_macs": 2.5,
    "gemm_macs": 1.3,
    "attention_macs": 1.3,
    "gathered": 1.0,
    "weights": 0.2,
    "transcendental_written": 20.0,
    "kernels": 2_000.0,
    "base": 2_000.0,
}
_TABLES = {
    "tflite": _COMMON,
    "armnn": _COMMON,
    "ncnn": {**_COMMON, **_WINOGRAD},
    "micro": _MICRO,
}
# How strongly the rows are held to it. ncnn's rows span 22 families, those of MLPerf three.
STRENGTHS = {
    "tflite": (0.01, 0.03, 0.1, 0.2),
    "armnn": (0.01, 0.03, 0.1, 0.2),
    "ncnn": (0.003, 0.01, 0.03, 0.1),
    "micro": (0.03, 0.1, 0.2),
}


def prior(engine: str) -> NDArray[np.float64]:
    """(feature,) float64: seconds per unit."""
    table = _TABLES[engine]
    return np.array([table[name] for name in FEATURES]) * 1e-9
