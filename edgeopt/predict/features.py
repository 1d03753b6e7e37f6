"""What a kernel costs, as amounts of a few kinds of work that a fitted rate turns into seconds.

Every amount grows with the kernel it belongs to and never shrinks, and all rates are zero or above, so a kernel with
more work never costs less. A convolution is counted three times over, as its hardware sees it: the products, the
operands it gathers, the results it writes. Which class a kernel belongs to depends on its kind, window and stride
alone and not on its size: a doubled kernel stays in its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from edgeopt.predict.kernels import Kernel, Kind

# Amount of work -> what bounds a kernel whose time it dominates.
FEATURES: dict[str, str] = {
    "pointwise_macs": "arithmetic",
    "fast_window_macs": "arithmetic",  # 3x3 at stride 1, where runtimes have Winograd's algorithm
    "window_macs": "arithmetic",
    "depthwise_macs": "arithmetic",
    "strided_depthwise_macs": "arithmetic",
    "grouped_taps": "arithmetic",
    "gemm_macs": "arithmetic",
    "attention_macs": "arithmetic",
    "pointwise_read": "memory",
    "written": "memory",
    "gathered": "memory",
    "fast_window_traffic": "memory",
    "depthwise_read": "memory",
    "depthwise_written": "memory",
    "weights": "memory",
    "pool_read": "memory",
    "elementwise_traffic": "memory",
    "transcendental_written": "arithmetic",
    "moved": "memory",
    "kernels": "overhead",
    "base": "overhead",
}
_PLACES = {name: place for place, name in enumerate(FEATURES)}
_FAST_WINDOW = (9, 1)  # taps, stride


def amounts(kernel: Kernel) -> dict[str, float]:
    """Amounts of work of one kernel by feature; those that are 0 are left out."""
    found: dict[str, float] = {"kernels": 1.0, "weights": float(kernel.weights)}
    found.update(_BY_KIND[kernel.kind](kernel))
    return found


def feature_vector(kernels: Iterable[Kernel]) -> NDArray[np.float64]:
    """(feature,) float64: the amounts of a whole network, and 1 for what every inference costs."""
    total = np.zeros(len(FEATURES))
    for kernel in kernels:
        for name, amount in amounts(kernel).items():
            total[_PLACES[name]] += amount
    total[_PLACES["base"]] = 1.0
    return total


def _pointwise(kernel: Kernel) -> dict[str, float]:
    return {"pointwise_macs": kernel.macs, "pointwise_read": kernel.read, "written": kernel.written}


def _window(kernel: Kernel) -> dict[str, float]:
    if (kernel.window, kernel.stride) == _FAST_WINDOW:
        return {"fast_window_macs": kernel.macs, "fast_window_traffic": kernel.read + kernel.written}
    return {"window_macs": kernel.macs, "gathered": _gathered(kernel), "written": kernel.written}


def _gathered(kernel: Kernel) -> float:
    """Operands that are gathered into rows before they are multiplied: each as often as a window covers it."""
    return kernel.read * kernel.window / kernel.stride**2


def _grouped(kernel: Kernel) -> dict[str, float]:
    """A convolution in groups: its products run as any other's, and each tap of each output is set up anew."""
    taps = {"grouped_taps": float(kernel.written * kernel.window), "written": float(kernel.written)}
    return {"pointwise_macs" if kernel.window == 1 else "window_macs": kernel.macs, **taps}


def _depthwise(kernel: Kernel) -> dict[str, float]:
    macs = "depthwise_macs" if kernel.stride == 1 else "strided_depthwise_macs"
    return {macs: kernel.macs, "depthwise_read": kernel.read, "depthwise_written": kernel.written}


_BY_KIND: dict[Kind, Callable[[Kernel], dict[str, float]]] = {
    Kind.POINTWISE: _pointwise,
    Kind.WINDOW: _window,
    Kind.GROUPED: _grouped,
    Kind.DEPTHWISE: _depthwise,
    Kind.GEMM: lambda kernel: {"gemm_macs": kernel.macs},
    Kind.ATTENTION: lambda kernel: {"attention_macs": kernel.macs},
    Kind.POOL: lambda kernel: {"pool_read": kernel.read},
    Kind.ELEMENTWISE: lambda kernel: {"elementwise_traffic": kernel.read + kernel.written},
    Kind.TRANSCENDENTAL: lambda kernel: {"transcendental_written": kernel.written},
    Kind.MOVE: lambda kernel: {"moved": kernel.read + kernel.written},
}
