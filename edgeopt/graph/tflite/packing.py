"""Where buffers lie in one block of memory, so that those in use at the same time never overlap.

The rule is that of TFLite Micro's GreedyMemoryPlanner: the largest first, each at the lowest place that is free for as
long as it is used, after Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference"
(https://arxiv.org/abs/2001.03288), "greedy by size for offset calculation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    placed: list[int] = []  # by offset
    for place in order:
        wanted = buffers[place]
        offsets[place] = _first_gap(
            [(offsets[other], buffers[other].aligned_bytes) for other in placed if wanted.is_used_with(buffers[other])],
            wanted.aligned_bytes,
        )
        placed.append(place)
        placed.sort(key=offsets.__getitem__)
    return offsets


def packed_bytes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Length in bytes of the block that holds all buffers at their offsets; 0 where there are none."""
    return max(
        (offset + buffer.aligned_bytes for buffer, offset in zip(buffers, offsets, strict=True)),
        default=0,
    )


def live_bytes(buffers: Sequence[Buffer]) -> dict[int, int]:
    """Bytes in use at each step at which a buffer is first used: no packing takes less than the most of them."""
    return {
        step: sum(one.aligned_bytes for one in buffers if one.first <= step <= one.last)
        for step in sorted({one.first for one in buffers})
    }


def _first_gap(taken: Sequence[tuple[int, int]], wanted_bytes: int) -> int:
    """The lowest offset with `wanted_bytes` free, among (offset, bytes) in the order of their offsets."""
    candidate = 0
    for offset, size in taken:
        if offset - candidate >= wanted_bytes:
            break
        candidate = max(candidate, offset + size)
    return candidate
