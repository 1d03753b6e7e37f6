"""Quantization computed step by step, where TFLite's own cannot say it.

q = saturate(round half to even(x / scale) + zero point), x = (q - zero point) * scale, in float32
(https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html). Scales run along an axis, in blocks along it, or are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

# dtype -> (smallest, largest, what holds it)
_INTEGERS: Mapping[str, tuple[int, int, str]] = {
    "int2": (-2, 1, "int8"),
    "uint2": (0, 3, "int8"),
    "int4": (-8, 7, "int8"),
    "uint4": (0, 15, "int8"),
    "int8": (-(1 << 7), (1 << 7) - 1, "int8"),
    "uint8": (0, (1 << 8) - 1, "uint8"),
    "int16": (-(1 << 15), (1 << 15) - 1, "int16"),
    "uint16": (0, (1 << 16) - 1, "uint16"),
}

_SHIFT = 1.5 * 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """What a node quantizes with, spread so that it meets its input element by element.

    Attributes:
        scale: float32, of the input's rank in the input's order in memory, or of no axes.
        zero_point: The same, as float32; None where it is zero throughout.
    """

    scale: Tensor
    zero_point: Tensor | None


def quantized(node: Node, net: Lowering, dtype: str) -> None:
    """QuantizeLinear to `dtype` as divisions, roundings and a cast.

    Raises:
        Refused: `dtype` is none that TFLite can hold.
    """
    if dtype not in _INTEGERS:
        raise Refused(f"quantizes to `{dtype}`, which TFLite has no numbers for")
    lowest, highest, holder = _INTEGERS[dtype]
    if holder != dtype and node.output(0) in net.source.outputs:
        raise Refused(f"gives `{dtype}`, which no input or output of TFLite can be")
    view = _ready(node, net)
    grid = _grid(node, net, view)
    shape = view.tensor.shape
    made = net.add("DIV", (view.tensor, grid.scale), shape, options=options("DivOptions"))
    for kind, bound in (("MAXIMUM", lowest), ("MINIMUM", highest)):
        limit = _less(net, bound, grid.zero_point)
        made = net.add(kind, (made, limit), shape, options=options("MaximumMinimumOptions"))
    made = _rounded(net, made)
    if grid.zero_point is not None:
        made = net.add("ADD", (made, grid.zero_point), shape, options=options("AddOptions"))
    net.bind_view(node.output(0), replace(view, tensor=net.cast(made, holder), dtype=dtype))


def _less(net: Lowering, bound: int, zero_point: Tensor | None) -> Tensor:
    """`bound` less a zero point."""
    if zero_point is None:
        return net.scalar(bound)
    if zero_point.data is not None:
        return net.new_constant((bound - zero_point.data).astype(np.float32), name="bound")
    return net.add("SUB", (net.scalar(bound), zero_point), zero_point.shape, options=options("SubOptions"))


def _rounded(net: Lowering, tensor: Tensor) -> Tensor:
    """Numbers of a magnitude below 2^22 rounded half to even; the reference kernels have no ROUND.

    A float32 between 2^23 and 2^24 has no fraction, and an addition that leads there rounds half to even.
    """
    shifted = net.add("ADD", (tensor, net.scalar(_SHIFT)), tensor.shape, options=options("AddOptions"))
    return net.add("SUB", (shifted, net.scalar(_SHIFT)), tensor.shape, options=options("SubOptions"))


def dequantized(node: Node, net: Lowering) -> None:
    """DequantizeLinear as a cast, a difference and a product.

    Raises:
        Refused: Its input is of a type that float32 has not all values of.
    """
    view = _ready(node, net)
    if view.tensor.dtype not in ("int8", "uint8", "int16", "uint16", "int32"):
        raise Refused(f"dequantizes `{view.dtype}`, which TFLite has no numbers for")
    numbers = replace(view, tensor=net.cast(view.tensor, "float32"))
    grid = _grid(node, net, numbers)
    made = numbers.tensor
    if grid.zero_point is not None:
        if view.tensor.dtype == "int32":
            raise Refused("dequantizes int32 with a zero point")
        made = net.add("SUB", (made, grid.zero_point), made.shape, options=options("SubOptions"))
    made = net.add("MUL", (made, grid.scale), made.shape, options=options("MulOptions"))
    dtype = net.source.types[node.output(0)].dtype if node.output(0) in net.source.types else "float32"
    net.bind_view(node.output(0), replace(numbers, tensor=made, dtype=dtype))


def constant_numbers(node: Node, net: Lowering) -> NDArray[np.float32]:
    """The float32 numbers that a DequantizeLinear makes of constants.

    Raises:
        Refused: One of its inputs is computed.
    """
    integers = net.source.constants[node.input(0)]
    scale, point = net.constant(node.input(1)), net.constant(node.input(2)) if node.input(2) else None
    if scale is None or (node.input(2) and point is None):
        raise Refused("dequantizes a constant with scales that are computed while the model runs")
    values = _wide(integers)
    if point is not None:
        values = values - _along(_wide(point), node, integers.shape)
    numbers: NDArray[np.float32] = values.astype(np.float32) * _along(scale.astype(np.float32), node, integers.shape)
    return numbers


def _wide(integers: NDArray[Any]) -> NDArray[Any]:
    """Integers as int64, which holds their differences; floats of 8 or 4 bits as float32."""
    is_float = "float" in str(integers.dtype)
    return integers.astype(np.float32 if is_float else np.int64)


def _along(values: NDArray[Any], node: Node, shape: tuple[int, ...]) -> NDArray[Any]:
    """Scales or zero points spread over an array of `shape`: one, one per index of an axis, or one per block of it."""
    if values.size == 1:
        return values.reshape(())
    axis = int(node.attribute("axis", 1)) % len(shape)
    if values.ndim == 1 and not node.attribute("block_size", 0):
        return values.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    block = int(node.attribute("block_size", 0)) or -(-shape[axis] // values.shape[axis])
    return np.repeat(values, block, axis=axis).take(np.arange(shape[axis]), axis=axis)


def _ready(node: Node, net: Lowering) -> View:
    """The input as numbers, not waiting for anything."""
    return net.unflattened(net.numbers(net.view(node.input(0))))


def _grid(node: Node, net: Lowering, view: View) -> _Grid:
    scale = _spread(node, net, view, 1)
    if not node.input(2):
        return _Grid(scale=scale, zero_point=None)
    point = net.constant(node.input(2))
    if point is not None and not np.any(_wide(point)):
        return _Grid(scale=scale, zero_point=None)
    return _Grid(scale=scale, zero_point=_spread(node, net, view, 2))


def _spread(node: Node, net: Lowering, view: View, place: int) -> Tensor:
    """Input `place` of a node as float32 in the order in which `view` lies."""
    value = net.constant(node.input(place))
    if value is not None:
        spread = _along(_wide(value).astype(np.float32) if place == 2 else value.astype(np.float32), node, view.shape)
        if spread.ndim:
            spread = np.ascontiguousarray(spread.transpose(view.axes))
        return net.new_constant(spread, name=node.input(place))
    tensor = net.cast(net.tensor(node.input(place)), "float32")
    if tensor.elements == 1:
        return net.reshape(tensor, ())
    if len(tensor.shape) != 1 or node.attribute("block_size", 0):
        raise Refused("its scales run in blocks and are computed while the model runs")
    along = view.axis_in_memory(int(node.attribute("axis", 1)))
    return net.reshape(tensor, tuple(tensor.elements if axis == along else 1 for axis in range(view.rank)))
