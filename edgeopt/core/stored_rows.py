"""Rows of an array that stay in its file until they are asked for: a data set may be larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgeopt.errors import InputError

Array = NDArray[Any]

# Arrays of less than this are read whole: they are as fast and as small as anything can be.
WHOLE_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileArray:
    """Where in a file an array lies, uncompressed, in C order.

    Attributes:
        path: The file.
        offset: Bytes before the first row.
        dtype: As it is stored.
        shape: (row, ...).
        stamp: Size in bytes and time of change in nanoseconds that the file had when it was opened first.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    stamp: tuple[int, int]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def read(self, positions: NDArray[np.int64]) -> Array:
        """(position, ...) the rows at `positions`; runs of neighbours are read at once.

        Raises:
            InputError: The file has changed since, or cannot be read any more.
        """
        rows = np.empty((len(positions), *self.shape[1:]), dtype=self.dtype)
        target = memoryview(rows.reshape(-1).view(np.uint8))
        ends = [*(np.flatnonzero(np.diff(positions) != 1) + 1).tolist(), len(positions)]
        start = 0
        try:
            with self.path.open("rb", buffering=0) as stream:
                status = os.fstat(stream.fileno())
                is_same = (status.st_size, status.st_mtime_ns) == self.stamp
                for end in ends if is_same and rows.nbytes else ():
                    stream.seek(self.offset + int(positions[start]) * self.row_bytes)
                    _fill(stream, target[start * self.row_bytes : end * self.row_bytes])
                    start = end
        except OSError as error:
            raise InputError(f"data `{self.path}` cannot be read any more: {error}", hint="run it again") from error
        if not is_same:
            raise InputError(
                f"data `{self.path}` was changed while it was in use", hint="run it again when the file is at rest"
            )
        return rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredRows:
    """Rows of a `FileArray`, each prepared when it is read; slices and positions give arrays, as those of one do.

    Attributes:
        file: Where all rows lie.
        positions: (row,) int64 which of them these are, in this order.
        steps: What is done to rows that were read, one after the other; each row on its own.
        dtype: Of prepared rows.
        shape: (row, ...) of prepared rows.
    """

    file: FileArray
    positions: NDArray[np.int64]
    steps: tuple[Callable[[Array], Array], ...] = ()
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, file: FileArray) -> StoredRows:
        """All rows of a file, as they are."""
        return cls(file=file, positions=np.arange(file.shape[0]), dtype=file.dtype, shape=file.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, key: int | slice | NDArray[Any]) -> Array:
        """The rows of a slice, or at positions; one row for an integer."""
        wanted = self.positions[key]
        rows = self.file.read(np.atleast_1d(wanted))
        for step in self.steps:
            rows = step(rows)
        return rows if np.ndim(wanted) else np.asarray(rows[0])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """All rows; they had better fit in memory."""
        if copy is False:
            raise ValueError("rows in a file cannot be had without a copy")
        return np.asarray(self[:], dtype=dtype)

    def at(self, positions: NDArray[np.int64]) -> Array | StoredRows:
        """The rows at `positions`: read where they are few, else left in the file."""
        chosen = self.positions[positions]
        taken = replace(self, positions=chosen, shape=(len(chosen), *self.shape[1:]))
        return taken[:] if taken.nbytes < WHOLE_BYTES else taken

    def prepared(self, step: Callable[[Array], Array]) -> StoredRows:
        """The rows after one more step."""
        first = step(self[:1])
        return replace(self, steps=(*self.steps, step), dtype=first.dtype, shape=(len(self), *first.shape[1:]))


def blocks(rows: Array | StoredRows) -> Iterator[Array]:
    """All rows in order: an array at once, rows in a file a few megabytes at a time."""
    if isinstance(rows, np.ndarray):
        yield rows
        return
    size = max(1, _BLOCK_BYTES // max(1, rows.nbytes // max(1, len(rows)), rows.file.row_bytes))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _fill(stream: Any, target: memoryview) -> None:
    """Read until `target` is full; a single read gives at most 2 GiB."""
    while target:
        count = stream.readinto(target)
        if not count:
            raise OSError("it ends too early")
        target = target[count:]
