"""Fused kernels: the pieces of work that a runtime runs one after another, with what each has to do.

A convolution runs together with its bias, its norm and its activation; a reshape runs not at all. The counts below are
those of one inference at batch 1, in elements and multiply-accumulates, so that a runtime's data type is a matter of
the fitted rates and not of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a kernel does, as far as its speed is concerned."""

    POINTWISE = "pointwise"  # a 1x1 convolution: a product of matrices without gathering
    WINDOW = "window"  # a convolution over a window, all channels in, all channels out
    GROUPED = "grouped"  # a convolution in groups of more than one channel
    DEPTHWISE = "depthwise"  # a convolution of each channel by itself
    GEMM = "gemm"  # a product with a matrix of weights: a dense layer
    ATTENTION = "attention"  # a product of two activations
    POOL = "pool"  # a sum or a maximum over windows
    ELEMENTWISE = "elementwise"  # one result per element: an addition, an activation that is not fused
    TRANSCENDENTAL = "transcendental"  # one result per element that needs an exponential, a root or a division
    MOVE = "move"  # elements change their place: a concatenation, a transposition, a resize


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One fused kernel.

    Attributes:
        name: What the graph calls it.
        kind: What it does.
        macs: Multiply-accumulates.
        read: Elements of activations that it reads.
        written: Elements of activations that it writes.
        weights: Elements of constants that it reads.
        window: Taps of its window: 9 for 3x3, 1 where there is none.
        stride: Step of the window along one axis.
        is_known: False where the operator has no rule, and the work is its traffic alone.
        operator: What the graph calls its operation.
    """

    name: str
    kind: Kind
    macs: int = 0
    read: int = 0
    written: int = 0
    weights: int = 0
    window: int = 1
    stride: int = 1
    is_known: bool = True
    operator: str = ""

    def __post_init__(self) -> None:
        counts = (self.macs, self.read, self.written, self.weights)
        assert min(counts) >= 0, counts
        assert min(self.window, self.stride) >= 1, (self.window, self.stride)
