"""Where buffers lie in one block of memory, so that those in use at the same time never overlap.

The rule is that of TFLite Micro's GreedyMemoryPlanner: the largest first, each at the lowest place that is free for as
long as it is used, after Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference"
(https://arxiv.org/abs/2001.03288), "greedy by size for offset calculation".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

ALIGNMENT = 16  # bytes; `MicroArenaBufferAlignment` of TFLite Micro


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A block of memory that is in use for a while.

    Attributes:
        size_bytes: Its length, above 0.
        first: The step at which it is first used.
        last: The step at which it is last used, `first` or later.
        name: What lies in it, for people.
    """

    size_bytes: int
    first: int
    last: int
    name: str = ""

    @property
    def aligned_bytes(self) -> int:
        """Bytes that it takes in the block."""
        return aligned(self.size_bytes, ALIGNMENT)

    def is_used_with(self, other: Buffer) -> bool:
        """Whether both are in use at some step."""
        return self.first <= other.last and other.first <= self.last


def aligned(size_bytes: int, alignment: int) -> int:
    """The least multiple of `alignment` that holds `size_bytes`."""
    return -(-size_bytes // alignment) * alignment


def packed_offsets(buffers: Sequence[Buffer]) -> list[int]:
    """Offset in bytes of each buffer, in their order; all are multiples of `ALIGNMENT`.

    Of buffers of one size the later is placed first, as TFLite Micro does it.
    """
    order = sorted(range(len(buffers)), key=lambda place: (-buffers[place].aligned_bytes, -place))
    offsets = [0] * len(buffers)
    placed = _Placed()
    for place in order:
        offsets[place] = placed.put(buffers[place])
    return offsets


def packed_bytes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Length in bytes of the block that holds all buffers at their offsets; 0 where there are none."""
    return max(
        (offset + buffer.aligned_bytes for buffer, offset in zip(buffers, offsets, strict=True)),
        default=0,
    )


def live_bytes(buffers: Sequence[Buffer]) -> dict[int, int]:
    """Bytes in use at each step at which a buffer is first used: no packing takes less than the most of them."""
    changes: Counter[int] = Counter()
    for one in buffers:
        changes[one.first] += one.aligned_bytes
        changes[one.last + 1] -= one.aligned_bytes
    begun = {one.first for one in buffers}
    steps = sorted(changes)
    totals = accumulate(changes[step] for step in steps)
    return {step: total for step, total in zip(steps, totals, strict=True) if step in begun}


class _Placed:
    """Buffers that have their places, by offset."""

    def __init__(self) -> None:
        self._rows = np.zeros((4, 0), np.int64)  # (first step, last step, offset, bytes; buffer)

    def put(self, buffer: Buffer) -> int:
        """Place a buffer as low as those that are in use with it let it; gives its offset."""
        first, last, offsets, sizes = self._rows
        beside = (first <= buffer.last) & (buffer.first <= last)
        offset = _first_gap(zip(offsets[beside].tolist(), sizes[beside].tolist(), strict=True), buffer.aligned_bytes)
        row = (buffer.first, buffer.last, offset, buffer.aligned_bytes)
        self._rows = np.insert(self._rows, int(np.searchsorted(offsets, offset, side="right")), row, axis=1)
        return offset


def _first_gap(taken: Iterable[tuple[int, int]], wanted_bytes: int) -> int:
    """The lowest offset with `wanted_bytes` free, among (offset, bytes) in the order of their offsets."""
    candidate = 0
    for offset, size in taken:
        if offset - candidate >= wanted_bytes:
            break
        candidate = max(candidate, offset + size)
    return candidate
