"""A TFLite file says which samples it was calibrated on, as an ONNX file does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.dataset import Dataset
from edgeopt.graph.calibration_rows import (
    KEY,
    calibration_note,
    calibration_rows_in,
    note_in,
    without_calibration,
    write_calibration_rows,
)
from tests.small_tflite import SmallTflite

Save = Callable[..., Path]


def dataset(*rows: int, digest: str = "d" * 64) -> Dataset:
    indices = np.array(rows, np.int64)
    return Dataset(inputs={"x": np.zeros((len(rows), 3), np.float32)}, source="d.npz", digest=digest, indices=indices)


def noted(save: Save, metadata: dict[str, bytes]) -> Path:
    small = SmallTflite.mlp()
    small.metadata = metadata
    return save(small)


def test_the_rows_that_were_calibrated_on_do_not_count(save: Save) -> None:
    path = noted(save, calibration_note(dataset(1, 4, 9)))
    found = calibration_rows_in(path)

    assert found is not None
    assert np.flatnonzero(found.is_used).tolist() == [1, 4, 9]
    assert without_calibration(dataset(*range(12)), [path]).indices.tolist() == [0, 2, 3, 5, 6, 7, 8, 10, 11]
    assert len(without_calibration(dataset(*range(12), digest="e" * 64), [path])) == 12


def test_the_note_of_an_onnx_model_goes_on_into_the_file_made_from_it(
    save: Save, small_models: Any, save_model: Callable[..., Path]
) -> None:
    model = small_models.mlp()
    write_calibration_rows(model, dataset(0, 2))
    source = save_model(model)
    made = noted(save, note_in(source))

    assert note_in(made) == note_in(source) == calibration_note(dataset(0, 2))


def test_a_file_without_a_note_says_nothing(save: Save, small_models: Any, save_model: Callable[..., Path]) -> None:
    assert calibration_note(dataset(0, digest="")) == {}
    for path in (save(SmallTflite.mlp()), save_model(small_models.mlp())):
        assert note_in(path) == {}
        assert calibration_rows_in(path) is None


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"[]", b'{"data": 1}', b'{"data": "d", "rows": 9, "bits": "?"}'])
def test_a_note_that_cannot_be_read_says_nothing(save: Save, note: bytes) -> None:
    assert calibration_rows_in(noted(save, {KEY: note})) is None
