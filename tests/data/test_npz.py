"""`.npz` files: inputs by name or as `x`, labels, parts and slice columns, and every way to get one wrong."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.files import sha256_of
from edgeopt.data import npz
from edgeopt.data.npz import read_npz
from edgeopt.data.read import read_dataset
from edgeopt.errors import InputError

Inputs = tuple[TensorSpec, ...]
X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays to `data.npz` and gives its path."""

    def write(**arrays: Any) -> Path:
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return write


def test_the_arrays_of_a_file_become_inputs_labels_and_columns(save: Callable[..., Path], features: Inputs) -> None:
    path = save(features=X, y=[0, 1, 0, 1], speaker=list("abab"), week=[1, 1, 2, 2])
    data = read_npz(path, features)

    assert list(data.inputs) == ["features"]
    np.testing.assert_array_equal(data.inputs["features"], X)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert sorted(data.columns) == ["speaker", "week"]
    assert data.source == str(path)
    assert data.digest == sha256_of(path)
    assert data.indices.tolist() == [0, 1, 2, 3]


def test_x_stands_for_the_only_input(save: Callable[..., Path], features: Inputs) -> None:
    np.testing.assert_array_equal(read_npz(save(x=X), features).inputs["features"], X)


def test_several_inputs_are_found_by_name(save: Callable[..., Path], pair: Inputs) -> None:
    data = read_npz(save(right=X[:, 1:2], left=X[:, :1]), pair)

    assert list(data.inputs) == ["left", "right"]
    assert data.labels is None


def test_an_input_called_y_is_no_label(save: Callable[..., Path]) -> None:
    inputs = tuple(TensorSpec(name=name, shape=("n", 3), dtype="float32") for name in "yx")
    data = read_npz(save(x=X, y=X + 1), inputs)

    np.testing.assert_array_equal(data.inputs["x"], X)
    np.testing.assert_array_equal(data.inputs["y"], X + 1)
    assert data.labels is None


def test_arrays_of_another_length_are_no_columns(save: Callable[..., Path], features: Inputs) -> None:
    data = read_npz(save(x=X, class_names=["cat", "dog"], table=np.zeros((4, 2)), version=3), features)

    assert data.columns == {}


def test_the_part_column_is_no_slice(save: Callable[..., Path], features: Inputs) -> None:
    data = read_npz(save(x=X, part=["calibration", "select", "confirm", "confirm"]), features)

    assert data.part is not None
    assert data.part.tolist() == ["calibration", "select", "confirm", "confirm"]
    assert data.columns == {}


def test_a_part_of_another_name_is_refused(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError, match=r"column `part` of `.*data\.npz` holds `test`") as caught:
        read_npz(save(x=X, part=["calibration", "test", "test", "confirm"]), features)

    assert caught.value.hint == "parts are calibration, select, confirm"


def test_the_shipped_digits_are_read(digits_data: Path) -> None:
    data = read_npz(digits_data, (TensorSpec(name="image", shape=("batch", 1, 32, 32), dtype="float32"),))

    assert len(data) == 1797
    assert data.part is not None


def test_the_only_array_of_samples_is_that_of_the_only_input_whatever_its_name(
    save: Callable[..., Path], features: Inputs
) -> None:
    data = read_npz(save(images=X, y=[0, 1, 0, 1], place=["a", "b", "a", "b"]), features)

    np.testing.assert_array_equal(data.inputs["features"], X)
    assert list(data.columns) == ["place"]


def test_a_wrong_input_name_is_refused_with_what_is_there(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError) as caught:
        read_npz(save(images=X, masks=X, y=[0, 1, 0, 1]), features)

    assert caught.value.message.endswith("has no array for model input `features`; it holds: images, masks, y")
    assert caught.value.hint == "name the array `features`, or `x`"


def test_a_file_without_arrays_is_refused(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError, match="has no array for model input `features`; it holds: nothing"):
        read_npz(save(), features)


def test_x_does_not_stand_for_one_of_two_inputs(save: Callable[..., Path], pair: Inputs) -> None:
    with pytest.raises(InputError, match="has no array for model input `right`") as caught:
        read_npz(save(left=X, x=X), pair)

    assert caught.value.hint == "name the array `right`"


def test_zero_samples_are_refused(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError, match="holds zero samples in `features`") as caught:
        read_npz(save(features=X[:0]), features)

    assert caught.value.hint == "give it at least one"


def test_a_single_number_is_no_sample(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError, match="holds zero samples"):
        read_npz(save(x=np.float32(3)), features)


@pytest.mark.parametrize(
    ("name", "array"), [("y", [0, 1, 0]), ("y", [0, 1, 0, 1, 1]), ("part", ["confirm"] * 3), ("y", 3)]
)
def test_unequal_lengths_are_refused(save: Callable[..., Path], features: Inputs, name: str, array: Any) -> None:
    rows = np.size(array) if np.ndim(array) else 0
    with pytest.raises(InputError) as caught:
        read_npz(save(x=X, **{name: array}), features)

    assert caught.value.message.endswith(f"data.npz`: `{name}` has {rows} rows where `x` has 4")
    assert caught.value.hint == "every array needs one row per sample"


def test_two_inputs_of_unequal_lengths_are_refused(save: Callable[..., Path], pair: Inputs) -> None:
    with pytest.raises(InputError, match="`right` has 3 rows where `left` has 4"):
        read_npz(save(left=X, right=X[:3]), pair)


def test_arrays_of_objects_are_refused_and_not_unpickled(save: Callable[..., Path], features: Inputs) -> None:
    with pytest.raises(InputError, match="cannot be read: it holds Python objects") as caught:
        read_npz(save(x=X, y=np.array([{}, [], None, 1], dtype=object)), features)

    assert caught.value.hint == "write it with numpy.savez"


def test_more_than_memory_holds_is_refused_before_it_is_unpacked(
    save: Callable[..., Path], features: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(x=np.zeros((1000, 3), dtype=np.float32))
    monkeypatch.setattr(npz, "_memory_bytes", lambda: 10_000)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"expands to 12,\d{3} bytes, more than this machine's memory") as caught:
        read_npz(path, features)

    assert "numpy.savez, not savez_compressed" in caught.value.hint


def test_a_header_that_promises_more_than_it_holds_is_refused(tmp_path: Path, features: Inputs) -> None:
    for shape in ((2**40, 3), (-4, 3), (2**62, 2**62)):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
            archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(48))
        with pytest.raises(InputError, match="cannot be read"):
            read_npz(tmp_path / "data.npz", features)


def test_a_member_that_is_no_array_is_passed_over(save: Callable[..., Path], features: Inputs) -> None:
    path = save(x=X)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../README.txt", "text")

    assert len(read_npz(path, features)) == 4
    assert not (path.parent.parent.parent / "README.txt").exists()


@pytest.mark.parametrize(
    "content", [b"text", b"PK\x03\x04 and no more", b"\x93NUMPY\x01\x00", b"version https://git-lfs"]
)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, features: Inputs, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data `.*data\.npz` cannot be read: ") as caught:
        read_npz(path, features)

    assert caught.value.hint == "write it with numpy.savez"


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path, features: Inputs) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, features=X, y=[0, 1, 0, 1])
    whole, path, dice = stream.getvalue(), tmp_path / "data.npz", random.Random(0)
    refused = 0
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(3):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        path.write_bytes(broken)
        try:
            read_npz(path, features)
        except InputError:
            refused += 1

    assert refused > 100


def test_a_file_cut_off_anywhere_is_refused(save: Callable[..., Path], features: Inputs) -> None:
    path = save(x=X)
    whole = path.read_bytes()
    for length in range(1, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_npz(path, features)


def test_a_fifo_does_not_block(
    fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None], features: Inputs
) -> None:
    path = fifo("data.npz")
    with pytest.raises(InputError, match=r"data `.*` is not a regular file"):
        ends_soon(lambda: read_dataset(str(path), features))
