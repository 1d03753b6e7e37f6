"""What stays float by its size, since integers would take longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING

from edgeopt.steps.quantize.placement.kinds import KINDS, Kind, group_of, result_of

if TYPE_CHECKING:
    import onnx_ir as ir

# A convolution over few channels that sums fewer products than this per result is faster in float on x86: over 3
# channels, a small network with a 3x3 or 5x5 stem in int8 runs at 0.5 to 0.9x of what it does with the stem in float,
# with a 7x7 stem at 1.3x and more (docs/results/layers-in-int8.md).
_THIN_TERMS = 128
# The integer AveragePool is slow: a small network with one over 3x3 windows on 28 x 28 x 64 values takes 238 us, and
# 48 us with the pool in float and the rounding around it. To one position it pays (docs/results/layers-in-int8.md).
POOLED_POSITIONS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What stays float since int8 does not pay on the target (`edgeopt.steps.quantize.types.Int8Types` says why).

    Attributes:
        thin_channels: Dense convolutions over at most this many input channels.
        narrow_channels: Depthwise convolutions of at most this many channels whose input is a float convolution's.
        small_products: Products of two activations whose result has fewer rows or columns than this, or an unknown
            number.
        pooled_positions: Averages of windows at more positions than this, or an unknown number.
        is_integer_only: Whether the target runs integers alone: nothing then stays float since it would not pay.
    """

    thin_channels: int = 0
    narrow_channels: int = 0
    small_products: int = 0
    pooled_positions: float = POOLED_POSITIONS
    is_integer_only: bool = False


def thin_reason(node: ir.Node, weight: ir.Value, rules: Rules) -> str:
    """Why a dense convolution over few channels stays float; empty where it does not."""
    if node.op_type != "Conv" or group_of(node) != 1 or weight.const_value is None:
        return ""
    channels, *kernel = (int(length) for length in weight.const_value.shape.numpy()[1:])
    is_thin = channels <= rules.thin_channels and channels * prod(kernel) < _THIN_TERMS
    return f"its {channels} input channel(s) are too few for int8 to pay" if is_thin and not _is_pooled(node) else ""


def narrow_reason(node: ir.Node, rules: Rules, integer_nodes: Collection[ir.Node]) -> str:
    """Why a depthwise convolution of few channels stays float; empty where it does not."""
    channels = group_of(node)
    if node.op_type != "Conv" or not 1 < channels <= rules.narrow_channels:
        return ""
    producer = node.inputs[0].producer() if node.inputs[0] is not None else None
    while producer is not None and KINDS.get(producer.op_type) is Kind.ABSORBED and producer.inputs[0] is not None:
        producer = producer.inputs[0].producer()
    if producer is None or producer.op_type != "Conv" or producer in integer_nodes:
        return ""
    return f"its input is float, and its {channels} channels alone are too few for int8 to pay"


def _is_pooled(node: ir.Node) -> bool:
    """Whether a MaxPool reads the result.

    ONNX Runtime moves the rounding behind a MaxPool before it, and pools bytes that no integer convolution laid out by
    channels last at a sixth of the speed: 4.2 ms after a float convolution, 0.67 ms after an integer one.
    """
    return any(use.node.op_type == "MaxPool" for use in result_of(node).uses())


def product_reason(node: ir.Node, rules: Rules) -> str:
    """Why a product of two activations stays float; empty where it does not."""
    if not rules.small_products:
        return ""
    lengths = [] if node.outputs[0].shape is None else list(node.outputs[0].shape)[-2:]
    known = [length for length in lengths if isinstance(length, int)]
    if len(known) == 2 and min(known) >= rules.small_products:
        return ""
    size = " x ".join(str(length) for length in lengths) or "of unknown size"
    return f"its result ({size}) is too small for a product of activations to pay in int8"


def pooling_reason(node: ir.Node, rules: Rules) -> str:
    """Why an average of windows stays float; empty where it does not."""
    is_slow = node.op_type == "AveragePool" and _positions(node.outputs[0]) > rules.pooled_positions
    return "the integer kernel pools slower than the float one" if is_slow else ""


def _positions(value: ir.Value) -> float:
    """Product of the spatial lengths; infinite where one is not known."""
    shape = [] if value.shape is None else list(value.shape)[2:]
    known = [axis for axis in shape if isinstance(axis, int)]
    return prod(known) if shape and len(known) == len(shape) else inf
