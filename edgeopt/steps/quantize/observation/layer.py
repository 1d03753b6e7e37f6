"""A weighted layer as one matrix product per group: y = W x, for Conv, Gemm and MatMul alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

Matrix = NDArray[Any]


def layer_matrix(node: ir.Node) -> NDArray[np.float32]:
    """(group, output, input) float32: the constant weight of a Conv, Gemm or MatMul, outputs and inputs per group.

    The inputs of a convolution are its columns: the weight's own order, channel by channel, all taps of a channel
    together. Gemm and MatMul have one group.
    """
    return to_layer(node, _constant(node.inputs[1]))


def to_layer(node: ir.Node, weight: Matrix) -> Matrix:
    """(group, output, input): any array of the shape of the node's weight, turned like the weight itself."""
    if node.op_type == "Conv":
        groups = group_count(node)
        return weight.reshape(groups, weight.shape[0] // groups, -1)
    return (weight if _is_turned(node) else weight.T)[np.newaxis]


def from_layer_matrix(node: ir.Node, matrix: Matrix) -> Matrix:
    """The inverse of `to_layer`: an array of the shape of the node's weight."""
    if node.op_type == "Conv":
        return np.ascontiguousarray(matrix.reshape(_shape(node.inputs[1])))
    return np.ascontiguousarray(matrix[0] if _is_turned(node) else matrix[0].T)


def layer_scale(node: ir.Node, scale: Matrix) -> Matrix:
    """(group, output, 1) scales from (channel,), or (1, 1, 1) from one scale for all."""
    if np.ndim(scale) == 0:
        return np.reshape(scale, (1, 1, 1))
    return np.reshape(scale, (group_count(node), -1, 1))


def group_count(node: ir.Node) -> int:
    """Groups of a convolution; 1 for products of matrices."""
    return int(node.attributes["group"].as_int()) if node.op_type == "Conv" and "group" in node.attributes else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where the taps of a convolution lie, per spatial axis.

    Attributes:
        kernel: Taps.
        strides: Steps of the window.
        dilations: Distance of taps.
        pads: Zeros before and behind; None where `auto_pad` derives them from the input's size.
        is_lower: With `auto_pad`: an odd zero stands before the input (SAME_LOWER), not behind it.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...] | None
    is_lower: bool = False

    @property
    def spans(self) -> tuple[int, ...]:
        """Positions from the first tap to the last, both counted."""
        return tuple((taps - 1) * step + 1 for taps, step in zip(self.kernel, self.dilations, strict=True))

    def padding(self, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Zeros before and behind for an input of `sizes`; SAME gives ceil(size / stride) outputs."""
        if self.pads is not None:
            return self.pads
        totals = [
            max(0, (math.ceil(size / stride) - 1) * stride + span - size)
            for size, stride, span in zip(sizes, self.strides, self.spans, strict=True)
        ]
        halves = [(total // 2, total - total // 2) for total in totals]
        return tuple((behind, before) if self.is_lower else (before, behind) for before, behind in halves)


def window_of(node: ir.Node) -> Window:
    """The window of a Conv with a constant weight."""
    kernel = _shape(node.inputs[1])[2:]
    ones = (1,) * len(kernel)
    mode = node.attributes["auto_pad"].as_string() if "auto_pad" in node.attributes else "NOTSET"
    pads = _integers(node, "pads", (0,) * (2 * len(kernel))) if mode == "NOTSET" else (0,) * (2 * len(kernel))
    return Window(
        kernel=kernel,
        strides=_integers(node, "strides", ones),
        dilations=_integers(node, "dilations", ones),
        pads=None if mode.startswith("SAME") else tuple(zip(pads[: len(kernel)], pads[len(kernel) :], strict=True)),
        is_lower=mode == "SAME_LOWER",
    )


def _is_turned(node: ir.Node) -> bool:
    """Whether a Gemm's weight has its outputs on axis 0."""
    return node.op_type == "Gemm" and "transB" in node.attributes and bool(node.attributes["transB"].as_int())


def _integers(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(node.attributes[name].as_ints()) if name in node.attributes else default


def _constant(value: ir.Value | None) -> Matrix:
    assert value is not None
    assert value.const_value is not None
    return np.asarray(value.const_value.numpy(), dtype=np.float32)


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    assert value is not None
    assert value.const_value is not None
    return tuple(int(length) for length in value.const_value.shape.numpy())
