"""Rows that stay in their file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.core import stored_rows
from edgeopt.core.stored_rows import FileArray, StoredRows, blocks
from edgeopt.errors import InputError

ARRAY = np.arange(60, dtype=">i2").reshape(20, 3)
POSITIONS = st.lists(st.integers(-20, 19), max_size=30)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "data.bin"
    path.write_bytes(b"header!" + ARRAY.tobytes())
    return path


@pytest.fixture(scope="module")
def rows(path: Path) -> StoredRows:
    status = path.stat()
    stamp = status.st_size, status.st_mtime_ns
    return StoredRows.of(FileArray(path=path, offset=7, dtype=ARRAY.dtype, shape=ARRAY.shape, stamp=stamp))


@given(positions=POSITIONS)
def test_rows_at_positions_are_those_of_the_array(rows: StoredRows, positions: list[int]) -> None:
    chosen = np.array(positions, dtype=np.int64)

    np.testing.assert_array_equal(rows[chosen], ARRAY[chosen])


@given(start=st.integers(-25, 25), stop=st.integers(-25, 25), step=st.sampled_from([1, 2, -1]))
def test_slices_are_those_of_the_array(rows: StoredRows, start: int, stop: int, step: int) -> None:
    np.testing.assert_array_equal(rows[start:stop:step], ARRAY[start:stop:step])


def test_one_row_and_all_rows_are_those_of_the_array(rows: StoredRows) -> None:
    assert rows[-2].tolist() == ARRAY[-2].tolist()
    assert np.asarray(rows, dtype=np.float32).tolist() == ARRAY.tolist()
    assert (len(rows), rows.ndim, rows.shape, rows.nbytes) == (20, 2, (20, 3), ARRAY.nbytes)


@given(first=POSITIONS, second=st.lists(st.integers(0, 29), max_size=10))
def test_choices_of_choices_are_those_of_the_array(rows: StoredRows, first: list[int], second: list[int]) -> None:
    chosen = np.array(first, dtype=np.int64)
    again = np.array([index for index in second if index < len(first)], dtype=np.int64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_rows, "WHOLE_BYTES", 0)
        taken = rows.at(chosen)
        assert isinstance(taken, StoredRows)
        np.testing.assert_array_equal(np.asarray(taken.at(again)), ARRAY[chosen][again])


def test_few_rows_are_read_at_once(rows: StoredRows) -> None:
    taken = rows.at(np.array([3, 1]))

    assert isinstance(taken, np.ndarray)
    assert taken.tolist() == ARRAY[[3, 1]].tolist()


def test_steps_are_taken_when_rows_are_read(rows: StoredRows) -> None:
    prepared = rows.prepared(lambda block: block.astype(np.float32) / 2).prepared(lambda block: block[:, None, :2])

    assert (prepared.shape, prepared.dtype) == ((20, 1, 2), np.float32)
    assert prepared[4:6].tolist() == (ARRAY[4:6, None, :2] / 2).tolist()


def test_blocks_are_all_rows_in_order(rows: StoredRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_rows, "_BLOCK_BYTES", 3 * ARRAY[0].nbytes + 1)

    assert [len(block) for block in blocks(rows)] == [3] * 6 + [2]
    np.testing.assert_array_equal(np.concatenate(list(blocks(rows))), ARRAY)
    assert [block is ARRAY for block in blocks(ARRAY)] == [True]


def test_a_file_that_changes_under_way_is_refused(rows: StoredRows, path: Path) -> None:
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(InputError, match="was changed while it was in use"):
        rows[:1]

    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert rows[:1].tolist() == ARRAY[:1].tolist()


def test_a_file_that_is_gone_is_said_so(tmp_path: Path) -> None:
    file = FileArray(path=tmp_path / "x", offset=0, dtype=ARRAY.dtype, shape=ARRAY.shape, stamp=(0, 0))

    with pytest.raises(InputError, match="cannot be read any more"):
        StoredRows.of(file)[:1]


def test_rows_cannot_be_had_without_a_copy(rows: StoredRows) -> None:
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(rows, copy=False)
