"""Integers of a graph as the real values that they stand for: DequantizeLinear in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedConstant:
    """A weight or bias in integers, as the node that reads it sees it.

    Attributes:
        integers: Of the constant's shape, int16; int32 for wider types.
        values: The real values, of the same shape.
        scale: float32: one, (channel,) along `axis`, or of one entry per block.
        zero_point: Of the scale's shape, of the same type as `integers`.
        axis: Axis of the scales; None for one scale in all.
        block: Values along `axis` that share a scale; 0 where a whole channel does.
        dtype: ONNX's name of the integer type, in lower case: `int8`, `int4`, ...
    """

    integers: NDArray[Any]
    values: Floats
    scale: Floats
    zero_point: NDArray[Any]
    axis: int | None
    block: int
    dtype: str

    @property
    def steps(self) -> Floats:
        """The scale of every value, of the constant's shape."""
        return _spread(self.scale, self.integers.shape, self.axis, self.block)

    @property
    def centred(self) -> NDArray[Any]:
        """Integers less their zero points, which is what multiplies the scale."""
        centred: NDArray[Any] = self.integers - _spread(self.zero_point, self.integers.shape, self.axis, self.block)
        return centred

    @property
    def bits(self) -> int:
        """Bits that the centred integers use: 7 where none exceeds 64, as on processors that saturate at 8."""
        largest = int(np.abs(self.centred).max(initial=0))
        return next(
            (bits for bits in (2, 3, 4, 5, 6, 7) if largest <= 2 ** (bits - 1)), max(8, largest.bit_length() + 1)
        )

    def transposed(self, order: tuple[int, ...]) -> QuantizedConstant:
        """The same behind a Transpose of `order`."""
        moved = self.axis is not None and self.scale.ndim == self.integers.ndim
        return replace(
            self,
            integers=self.integers.transpose(order),
            values=self.values.transpose(order),
            scale=self.scale.transpose(order) if moved else self.scale,
            zero_point=self.zero_point.transpose(order) if moved else self.zero_point,
            axis=None if self.axis is None else order.index(self.axis),
        )


def dequantized_constant(
    node: onnx.NodeProto,
    constants: dict[str, NDArray[Any]],
    dtypes: dict[str, str],
    integers: NDArray[Any] | None = None,
) -> QuantizedConstant | None:
    """What a DequantizeLinear of constants gives; None where its scale is computed.

    Args:
        node: The DequantizeLinear.
        constants: Array per constant of the graph.
        dtypes: ONNX's name of the element type per constant, in lower case.
        integers: What it reads, where a QuantizeLinear in front of it makes that from a float constant.
    """
    scale = constants.get(node.input[1])
    point = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if scale is None or (len(node.input) > 2 and node.input[2] and point is None):
        return None
    found = constants[node.input[0]] if integers is None else integers
    scale = np.asarray(scale, dtype=np.float32)
    entries = {entry.name: entry.i for entry in node.attribute}
    axis = entries.get("axis", 1) % max(found.ndim, 1) if scale.size > 1 else None
    named = node.input[0] if integers is None else node.input[2] if point is not None else ""
    dtype = dtypes.get(named, "uint8")
    kind = np.int16 if dtype.endswith(("int4", "int8")) else np.int32
    shape, block = scale.shape if axis is not None else (), entries.get("block_size", 0) if axis is not None else 0
    scale = scale.reshape(shape)
    points = (np.zeros(shape) if point is None else np.asarray(point)).astype(kind).reshape(shape)
    held = np.asarray(found).astype(kind)
    steps = _spread(scale, held.shape, axis, block)
    return QuantizedConstant(
        integers=held,
        values=((held - _spread(points, held.shape, axis, block)) * steps).astype(np.float32),
        scale=scale,
        zero_point=points,
        axis=axis,
        block=block,
        dtype=dtype,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The integers that a QuantizeLinear rounds to, and what they stand for.

    Attributes:
        scale: float32, one or (channel,) along `axis`.
        zero_point: int64, of the scale's shape.
        axis: Axis of the scales; None for one scale in all.
        low: Smallest integer.
        high: Largest integer.
    """

    scale: Floats
    zero_point: NDArray[np.int64]
    axis: int | None
    low: int
    high: int

    @property
    def represented(self) -> tuple[Floats, Floats]:
        """The smallest and the largest real value that the integers stand for, of the scale's shape."""
        low, high = (((end - self.zero_point) * self.scale).astype(np.float32) for end in (self.low, self.high))
        return low, high

    def integers_of(self, values: Floats) -> NDArray[np.int64]:
        """QuantizeLinear in NumPy: rounded half to even, within the range."""
        steps, points = (_spread(entries, values.shape, self.axis, 0) for entries in (self.scale, self.zero_point))
        rounded: NDArray[np.int64] = np.clip(np.rint(values / steps) + points, self.low, self.high).astype(np.int64)
        return rounded


_RANGES = {
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
}


def grid_of(quantize: onnx.NodeProto, constants: dict[str, NDArray[Any]], dtypes: dict[str, str]) -> Grid | None:
    """The grid of a QuantizeLinear; None where it is not constant, or has a scale per block.

    Args:
        quantize: The QuantizeLinear.
        constants: Array per constant of the graph.
        dtypes: ONNX's name of the element type per constant, in lower case.
    """
    named = quantize.input[2] if len(quantize.input) > 2 else ""
    dtype = dtypes.get(named, "") if named else "uint8"  # the standard's default
    if quantize.input[1] not in constants or dtype not in _RANGES or (named and named not in constants):
        return None
    scale = np.asarray(constants[quantize.input[1]], dtype=np.float32)
    if scale.ndim > 1:
        return None
    is_one = scale.size == 1
    point = np.asarray(constants[named]).astype(np.int64) if named else np.zeros(scale.shape, np.int64)
    low, high = _RANGES[dtype]
    return Grid(
        scale=scale.reshape(()) if is_one else scale,
        zero_point=point.reshape(()) if is_one else point,
        axis=None if is_one else next((entry.i for entry in quantize.attribute if entry.name == "axis"), 1),
        low=low,
        high=high,
    )


def _spread(entries: NDArray[Any], shape: tuple[int, ...], axis: int | None, block: int) -> NDArray[Any]:
    """Scales or zero points, one per value."""
    if axis is None or entries.size == 1:
        return np.broadcast_to(entries.reshape(()), shape)
    if entries.ndim == len(shape):  # one per block along the axis
        length = block or -(-shape[axis] // entries.shape[axis])
        repeated = np.repeat(entries, length, axis=axis)
        return repeated[tuple(slice(0, side) for side in shape)]
    return np.broadcast_to(entries.reshape([-1 if index == axis else 1 for index in range(len(shape))]), shape)
