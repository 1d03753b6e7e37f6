"""How an ONNX value lies in a TFLite tensor: in which order its axes are, and what its integers stand for.

TFLite's kernels want channels last, ONNX has them second. A value is not transposed to suit one kernel and back; its
view says in which order its axes lie, operations hand that order on, and only an operation that needs another order
makes a transposition. A transposition in ONNX moves no data at all: it changes the view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edgeopt.steps.tflite.net import Tensor

Axes = tuple[int, ...]
Shape = tuple[int, ...]
NHWC: Axes = (0, 2, 3, 1)  # the logical axes of an ONNX image (batch, channel, height, width) in TFLite's order
NWC: Axes = (0, 2, 1)
NDHWC: Axes = (0, 2, 3, 4, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An ONNX value in a tensor.

    Attributes:
        tensor: Where it lies.
        axes: The tensor's axis k holds axis `axes[k]` of the value.
        dtype: Element type of the value, NumPy's name. The tensor may hold another: float32 for a float16, int8 for a
            uint8 (128 less) or for the real numbers that its quantization says.
        is_quantized: Whether the value is the real numbers that the tensor's integers stand for.
        flattened: Whether the value is (first axis, all others) of what lies in the tensor, whose axes `axes` then
            are: a flattening that waits, for a matrix product takes any order of columns.
    """

    tensor: Tensor
    axes: Axes
    dtype: str
    is_quantized: bool = False
    flattened: bool = False

    @property
    def unflattened_shape(self) -> Shape:
        """Shape of what lies in the tensor, in logical order."""
        return unpermuted(self.tensor.shape, self.axes)

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        shape = self.unflattened_shape
        return (shape[0], int(np.prod(shape[1:], dtype=np.int64))) if self.flattened else shape

    @property
    def rank(self) -> int:
        """Number of axes of the value."""
        return len(self.shape)

    @property
    def is_plain(self) -> bool:
        """Whether the value lies as ONNX has it."""
        return not self.flattened and is_same_order(self.axes, tuple(range(len(self.axes))), self.unflattened_shape)

    def transposed(self, permutation: Axes) -> View:
        """The same tensor as the value whose axis i is axis `permutation[i]` of this one."""
        place = {axis: position for position, axis in enumerate(permutation)}
        return replace(self, axes=tuple(place[axis] for axis in self.axes))

    def axis_in_memory(self, axis: int) -> int:
        """The tensor's axis that holds axis `axis` of the value, which may count from the end."""
        return self.axes.index(axis % len(self.axes))


def permuted(shape: Shape, axes: Axes) -> Shape:
    """Lengths of a logical shape in the order in which its axes lie."""
    return tuple(shape[axis] for axis in axes)


def unpermuted(shape: Shape, axes: Axes) -> Shape:
    """Lengths in memory in logical order: the inverse of `permuted`."""
    lengths = dict(zip(axes, shape, strict=True))
    return tuple(lengths[axis] for axis in range(len(axes)))


def is_same_order(first: Axes, second: Axes, shape: Shape) -> bool:
    """Whether two orders of axes put the elements of `shape` in the same order: axes of length 1 may lie anywhere."""
    return [axis for axis in first if shape[axis] != 1] == [axis for axis in second if shape[axis] != 1]


def channels_last(rank: int) -> Axes:
    """The order of a value (batch, channel, ...) with its channels last."""
    return (0, *range(2, rank), 1)


def collapsed(shape: Shape, order: Axes) -> tuple[Shape, Axes]:
    """(shape, order) of the same transposition over as few axes as can be.

    Axes that stay together become one, and those of length 1 go.

    Args:
        shape: Lengths before it.
        order: The axis that each axis of the result is.
    """
    groups: list[list[int]] = []
    for axis in (each for each in order if shape[each] != 1):
        between = shape[groups[-1][-1] + 1 : axis] if groups else ()
        if groups and groups[-1][-1] < axis and all(length == 1 for length in between):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    in_memory = sorted(groups)
    lengths = tuple(int(np.prod([shape[axis] for axis in group], dtype=np.int64)) for group in in_memory)
    return lengths, tuple(in_memory.index(group) for group in groups)


def axis_after(shape: Shape, axis: int, new: Shape) -> int | None:
    """The axis of `new`, another shape of the same elements, that is axis `axis` of `shape`; None where it has none."""
    front = int(np.prod(shape[:axis], dtype=np.int64))
    for place, length in enumerate(new):
        if length == shape[axis] and int(np.prod(new[:place], dtype=np.int64)) == front:
            return place
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrouping:
    """How a reshape can be done on a tensor whose axes lie in some order.

    Attributes:
        before: The order that the axes must lie in first.
        after: The order in which the new axes then lie.
    """

    before: Axes
    after: Axes


def regrouping(view: View, shape: Shape) -> Regrouping:
    """The orders before and after a reshape of `view` to `shape` that keep as much of its order as can be kept.

    A reshape falls into groups of neighbouring axes whose product stays the same. Each group must lie together and in
    logical order; the groups may lie in any order. Where one has to be brought together, it comes to lie where its
    last axis does, whose elements follow each other.
    """
    old = view.shape
    groups = _groups(old, shape)
    position = {axis: place for place, axis in enumerate(view.axes)}

    def place(group: tuple[Axes, Axes]) -> int:
        real = [position[axis] for axis in group[0] if old[axis] != 1]
        return real[-1] if real else min((position[axis] for axis in group[0]), default=-1)

    ordered = sorted(groups, key=place)
    return Regrouping(
        before=tuple(axis for axes, _ in ordered for axis in axes),
        after=tuple(axis for _, axes in ordered for axis in axes),
    )


def _groups(old: Shape, new: Shape) -> list[tuple[Axes, Axes]]:
    """The finest groups (axes of `old`, axes of `new`) of neighbours with equal products; 0 elements are one group."""
    if 0 in old or not old or not new:
        return [(tuple(range(len(old))), tuple(range(len(new))))]
    cuts = [(0, 0)]
    left, right = np.cumprod(old), np.cumprod(new)
    for place, product in enumerate(left):
        for other in np.flatnonzero(right == product):
            cut = (place + 1, int(other) + 1)
            if cut[0] > cuts[-1][0] and cut[1] > cuts[-1][1]:
                cuts.append(cut)
                break
    cuts[-1] = (len(old), len(new))  # lengths of 1 at the end go with the last group
    return [(tuple(range(a, b)), tuple(range(c, d))) for (a, c), (b, d) in pairwise(cuts)]
