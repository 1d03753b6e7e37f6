"""Flatbuffers read with every offset checked: a damaged or hostile file ends in `Damaged`, never elsewhere.

The flatbuffers package for Python reads whatever an offset points at, or raises what struct raises. Layout, all little
endian: a table begins with a signed offset back to its vtable; the vtable holds its own size, the table's size and one
16-bit place per field, 0 where the field has its default; vectors and strings begin with their length
(https://flatbuffers.dev/internals).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SCALARS = {
    "bool": struct.Struct("<?"),
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "int32": _I32,
    "uint32": _U32,
    "uint64": _U64,
}
# Tables and vectors may be shared, so that a small file can claim to hold any amount. What writers share are short
# strings and scales; four times the file is more than any of them does. The smallest table, an empty buffer in its
# list, takes 12 bytes.
_MOST_READ_PER_BYTE = 4
_MOST_READ_FREE = 1 << 20
_TABLE_COST = 32
_LONGEST_NAME = 1 << 16


class Damaged(Exception):
    """The content is no whole flatbuffer; the text says what is wrong with it."""


class Buffer:
    """The content of a file, and how much may still be read of it.

    Args:
        content: All bytes.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._left = _MOST_READ_PER_BYTE * len(content) + _MOST_READ_FREE

    def number(self, kind: struct.Struct, place: int) -> Any:
        """The number of `kind` at byte `place`."""
        if not 0 <= place <= len(self.content) - kind.size:
            raise Damaged(f"an offset points to byte {place} of {len(self.content)}")
        return kind.unpack_from(self.content, place)[0]

    def target(self, place: int) -> int:
        """Where the offset at byte `place` points to; offsets point forwards."""
        return int(place + self.number(_U32, place))

    def spend(self, count: int) -> None:
        """Note that `count` bytes are read."""
        self._left -= count
        if self._left < 0:
            raise Damaged("its tables are shared so often that it claims to hold far more than fits in it")

    def span(self, place: int, item_bytes: int) -> tuple[int, int]:
        """(first byte, items) of the vector at `place`."""
        count = int(self.number(_U32, place))
        if place + 4 + count * item_bytes > len(self.content):
            raise Damaged(f"a list at byte {place} claims {count} items, which run out of the file")
        return place + 4, count

    def root(self) -> Table:
        """The table that the file begins with."""
        return Table(self, self.target(0))


class Table:
    """A table of a flatbuffer, its fields by number.

    Args:
        buffer: Where it lies.
        place: Its first byte.
    """

    def __init__(self, buffer: Buffer, place: int) -> None:
        buffer.spend(_TABLE_COST)
        self._buffer, self._place = buffer, place
        self._vtable = place - buffer.number(_I32, place)
        self._vtable_bytes = buffer.number(_U16, self._vtable)

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self._buffer.content)

    def scalar(self, field: int, kind: str, default: Any = 0) -> Any:
        """A number; `default` where the table leaves it out."""
        place = self._field(field)
        return self._buffer.number(_SCALARS[kind], place) if place else default

    def text(self, field: int) -> str:
        """A string, with what is no UTF-8 replaced; empty where there is none."""
        place = self._field(field)
        if not place:
            return ""
        start, count = self._buffer.span(self._buffer.target(place), 1)
        self._buffer.spend(count)
        return self._buffer.content[start : start + min(count, _LONGEST_NAME)].decode("utf-8", errors="replace")

    def numbers(self, field: int, dtype: str) -> NDArray[Any]:
        """A vector of numbers; empty where there is none."""
        place, kind = self._field(field), np.dtype(dtype).newbyteorder("<")
        if not place:
            return np.zeros(0, kind)
        start, count = self._buffer.span(self._buffer.target(place), kind.itemsize)
        self._buffer.spend(count * kind.itemsize)
        return np.frombuffer(self._buffer.content, kind, count, start)

    def span(self, field: int) -> tuple[int, int]:
        """(first byte, bytes) of a vector of bytes, which is not read; (0, 0) where there is none."""
        place = self._field(field)
        return self._buffer.span(self._buffer.target(place), 1) if place else (0, 0)

    def table(self, field: int) -> Table | None:
        """A table; None where there is none."""
        place = self._field(field)
        return Table(self._buffer, self._buffer.target(place)) if place else None

    def places(self, field: int) -> list[int]:
        """Where the tables of a vector lie, for `at`; empty where there is none."""
        place = self._field(field)
        start, count = self._buffer.span(self._buffer.target(place), 4) if place else (0, 0)
        self._buffer.spend(4 * count)
        return [self._buffer.target(start + 4 * index) for index in range(count)]

    def at(self, place: int) -> Table:
        """The table at a place that `places` gave."""
        return Table(self._buffer, place)

    def tables(self, field: int) -> Iterator[Table]:
        """A vector of tables; empty where there is none."""
        return map(self.at, self.places(field))

    def _field(self, field: int) -> int:
        """Where a field lies; 0 where the table has its default."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return 0
        offset = self._buffer.number(_U16, self._vtable + entry)
        return self._place + offset if offset else 0
