"""Packing: buffers that are in use together never overlap, and the block is as small as the rule makes it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edgeopt.graph.tflite.packing import ALIGNMENT, Buffer, aligned, live_bytes, packed_bytes, packed_offsets


@st.composite
def buffers(draw: st.DrawFn) -> list[Buffer]:
    """Up to a dozen buffers over a dozen steps."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        first = draw(st.integers(0, 11))
        found.append(
            Buffer(size_bytes=draw(st.integers(1, 5000)), first=first, last=draw(st.integers(first, 12)), name="b")
        )
    return found


@given(buffers())
def test_two_buffers_in_use_together_never_overlap(found: list[Buffer]) -> None:
    offsets = packed_offsets(found)
    for place, (one, start) in enumerate(zip(found, offsets, strict=True)):
        assert start >= 0
        assert start % ALIGNMENT == 0
        for other, at in list(zip(found, offsets, strict=True))[:place]:
            if one.is_used_with(other):
                assert start + one.size_bytes <= at or at + other.size_bytes <= start


@given(buffers())
def test_the_block_holds_what_is_in_use_at_any_step_and_no_more_than_all(found: list[Buffer]) -> None:
    size = packed_bytes(found, packed_offsets(found))
    assert max(live_bytes(found).values()) <= size <= sum(one.aligned_bytes for one in found)


@given(buffers())
def test_what_is_in_use_at_once_never_shrinks_when_a_buffer_grows_or_lives_longer(found: list[Buffer]) -> None:
    least = max(live_bytes(found).values())
    for place, one in enumerate(found):
        larger = [*found[:place], replace(one, size_bytes=one.size_bytes + 100, last=one.last + 3), *found[place + 1 :]]
        assert max(live_bytes(larger).values()) >= least


@given(buffers(), st.integers(2, 8))
def test_a_block_of_buffers_of_many_times_the_size_is_as_many_times_as_large(found: list[Buffer], factor: int) -> None:
    rounded = [replace(one, size_bytes=one.aligned_bytes) for one in found]
    grown = [replace(one, size_bytes=one.size_bytes * factor) for one in rounded]
    assert packed_bytes(grown, packed_offsets(grown)) == factor * packed_bytes(rounded, packed_offsets(rounded))


def test_buffers_that_follow_one_another_share_a_place() -> None:
    chain = [Buffer(size_bytes=100, first=step, last=step) for step in range(5)]
    assert packed_offsets(chain) == [0] * 5
    assert packed_bytes(chain, [0] * 5) == 112


def test_a_small_buffer_goes_into_the_gap_that_a_large_one_leaves() -> None:
    found = [
        Buffer(size_bytes=64, first=0, last=2),
        Buffer(size_bytes=160, first=0, last=0),
        Buffer(size_bytes=32, first=1, last=1),
    ]
    assert packed_offsets(found) == [160, 0, 0]


def test_of_equal_buffers_the_later_lies_lower() -> None:
    assert packed_offsets([Buffer(size_bytes=16, first=0, last=0)] * 2) == [16, 0]


def test_nothing_takes_nothing() -> None:
    assert packed_offsets([]) == []
    assert packed_bytes([], []) == 0
    assert live_bytes([]) == {}


def test_lengths_are_rounded_up() -> None:
    assert [aligned(size, 16) for size in (0, 1, 16, 17)] == [0, 16, 16, 32]
