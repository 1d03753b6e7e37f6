"""How the values of an ONNX tensor lie in a tensor of a TFLite file: another order of axes, integers with a scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import Unsupported

Array = NDArray[Any]
_MOST_PERMUTED = 4
# Orders that converters choose besides keeping the axes: channels last or first, of images, series and volumes.
_USUAL = ((0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1), (0, 2, 3, 4, 1), (0, 4, 1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An ONNX tensor and the TFLite tensor that stands for it.

    Attributes:
        name: Of the ONNX tensor.
        spec: The TFLite tensor.
        axes: Axis k of the TFLite tensor holds axis `axes[k]` of the ONNX tensor.
        has_integers: Whether the ONNX tensor holds the integers themselves, and not what they stand for.
    """

    name: str
    spec: TensorSpec
    axes: tuple[int, ...]
    has_integers: bool = False

    def shape(self) -> tuple[int, ...]:
        """The lengths at which the TFLite tensor was written, in the order of the ONNX axes."""
        lengths = self.spec.concrete_shape()
        return tuple(lengths[self.axes.index(axis)] for axis in range(len(lengths)))

    def given(self, array: Array) -> Array:
        """What the TFLite model is fed in the place of an ONNX input."""
        moved = np.transpose(array, self.axes)
        quantization = self.spec.quantization
        if quantization is not None and array.dtype.kind == "f":
            moved = quantization.quantized(moved, self.spec.dtype)
        return np.asarray(moved, dtype=self.spec.dtype, order="C")  # `ascontiguousarray` gives a scalar an axis

    def meant(self, array: Array) -> Array:
        """The values, in the order of the ONNX axes, that an array of the TFLite model means."""
        quantization = self.spec.quantization if not self.has_integers else None
        values: Array = quantization.dequantized(array) if quantization is not None else array
        return np.transpose(values, np.argsort(self.axes)) if self.axes else values


def ports_of(
    wanted: Sequence[TensorSpec], found: Sequence[TensorSpec], axes: Mapping[str, Sequence[int]], *, what: str
) -> Iterator[tuple[Port, ...]]:
    """Every way in which the tensors `found` in a TFLite file may stand for those `wanted`, the likeliest first.

    Tensors of the same name belong together, the others by their place. The order of axes that `axes` tells comes
    first, then the model's own, then all others that the lengths allow.

    Args:
        wanted: Inputs, or outputs, of the ONNX model.
        found: Those of the TFLite file.
        axes: Order of axes by name of the ONNX tensor, where the converter tells it.
        what: `input` or `output`, for errors.

    Raises:
        Unsupported: Their number or the lengths of their axes do not fit.
    """
    if len(wanted) != len(found):
        raise Unsupported(
            f"the converted model has {len(found)} {what}s, the original {len(wanted)}", hint="convert another way"
        )
    pairs = list(zip(wanted, _paired(wanted, found), strict=True))
    orders = [_orders(one, other, axes.get(one.name), what) for one, other in pairs]
    for choice in _choices(orders):
        yield tuple(
            Port(name=one.name, spec=other, axes=order, has_integers="int" in one.dtype)
            for (one, other), order in zip(pairs, choice, strict=True)
        )


def _choices(orders: list[list[tuple[int, ...]]]) -> Iterator[list[tuple[int, ...]]]:
    """Every tensor in its first order, in its second, and so on: a converter treats all alike."""
    for place in range(max((len(each) for each in orders), default=1)):
        yield [each[min(place, len(each) - 1)] for each in orders]


def _paired(wanted: Sequence[TensorSpec], found: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Of `found`, the tensor for each of `wanted`: by name where all names are there, else by place."""
    named = {spec.name: spec for spec in found}
    if all(spec.name in named for spec in wanted):
        return [named[spec.name] for spec in wanted]
    return list(found)


def _orders(wanted: TensorSpec, found: TensorSpec, told: Sequence[int] | None, what: str) -> list[tuple[int, ...]]:
    """Orders of axes in which the lengths fit, the one that is told first, then the one that changes nothing."""
    rank = len(found.shape)
    known = [tuple(told)] if told is not None and sorted(told) == list(range(rank)) else []
    orders = dict.fromkeys([*known, *_candidates(rank)])
    fits = [order for order in orders if len(wanted.shape) == rank and _fits(wanted, found, order)]
    if not fits:
        raise Unsupported(
            f"{what} `{wanted.name}` of shape {list(wanted.shape)} became `{found.name}` of shape {list(found.shape)}",
            hint="convert another way",
        )
    return fits


def _candidates(rank: int) -> list[tuple[int, ...]]:
    own = tuple(range(rank))
    usual = [order for order in _USUAL if len(order) == rank]
    others = [order for order in permutations(own) if order[0] == 0] if 0 < rank <= _MOST_PERMUTED else []
    return list(dict.fromkeys([own, *usual, *others]))


def _fits(wanted: TensorSpec, found: TensorSpec, order: tuple[int, ...]) -> bool:
    return all(
        wanted.shape[axis] == length or not isinstance(wanted.shape[axis], int) or not isinstance(length, int)
        for axis, length in zip(order, found.shape, strict=True)
    )
