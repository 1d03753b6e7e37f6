"""`--data` finds the reader for what it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.data.read import read_dataset
from edgeopt.errors import InputError

Inputs = tuple[TensorSpec, ...]


@pytest.mark.parametrize("name", ["data.npz", "DATA.NPZ"])
def test_the_ending_chooses_the_reader(tmp_path: Path, features: Inputs, name: str) -> None:
    with (tmp_path / name).open("wb") as stream:
        np.savez(stream, x=np.zeros((2, 3)))

    assert len(read_dataset(str(tmp_path / name), features)) == 2


def test_a_reference_with_a_colon_is_a_function(tmp_path: Path, features: Inputs) -> None:
    (tmp_path / "samples.py").write_text("def batches():\n    yield [[1, 2, 3]]\n")

    assert len(read_dataset(f"{tmp_path / 'samples.py'}:batches", features)) == 1


@pytest.mark.parametrize("name", ["no.npz", "no.csv", "no.parquet", "no"])
def test_what_is_not_there_is_refused(tmp_path: Path, features: Inputs, name: str) -> None:
    with pytest.raises(InputError, match=f"data `.*{name}` does not exist"):
        read_dataset(str(tmp_path / name), features)


@pytest.mark.parametrize("name", ["data.npz", "data.csv", "data.parquet"])
def test_an_empty_file_and_a_folder_are_refused(tmp_path: Path, features: Inputs, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        read_dataset(str(tmp_path / name), features)

    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is not a regular file"):
        read_dataset(str(tmp_path / name), features)


@pytest.mark.parametrize("name", ["data.h5", "data.txt", "a:b"])
def test_a_file_of_another_kind_is_refused_with_those_that_are_read(
    tmp_path: Path, features: Inputs, name: str
) -> None:
    (tmp_path / name).write_text("text")
    with pytest.raises(InputError, match=f"data `.*{name}` is of no known kind") as caught:
        read_dataset(str(tmp_path / name), features)

    assert caught.value.hint == ("give .npz, .csv, .parquet, a folder of images per class, or `module:function`")


@pytest.mark.parametrize("source", ["a" * 5000, "a\0b"])
def test_a_name_that_nothing_can_have_is_refused(features: Inputs, source: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(source, features)


def test_a_model_without_inputs_takes_no_data(digits_data: Path) -> None:
    with pytest.raises(InputError, match="the model takes no inputs") as caught:
        read_dataset(str(digits_data), ())

    assert caught.value.hint == "leave `--data` out"
