"""`simplify` writes the simpler model beside the source, with a record of what went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.workflow.simplify import simplify

SaveModel = Callable[..., Path]


@pytest.fixture
def source(small_models: Any, save_model: SaveModel) -> Path:
    return save_model(small_models.padded())


def test_the_result_lies_beside_the_source(source: Path) -> None:
    result = simplify(source)

    record = result.as_json()
    assert record["output"]["path"] == str(source.with_suffix(".simple.onnx"))
    assert record["nodes"] == {"before": 4, "after": 2}
    assert record["constants"]["before"] >= record["constants"]["after"]
    assert {entry["role"] for entry in record["artifacts"]} == {"baseline", "candidate"}
    sizes = [entry["samples"] for entry in record["measurements"] if entry["metric"] == "size"]
    assert len(sizes) == 2
    assert record["output"]["lineage"]["parent"] == onnx_artifact(source).sha256


def test_it_is_taken_from_the_record_the_second_time(source: Path, tmp_path: Path) -> None:
    first = simplify(source, cache=tmp_path / "record")
    again = simplify(source, cache=tmp_path / "record", force=True)

    assert [bool(result.applied.date) for result in (first, again)] == [False, True]
    assert first.artifact is not None
    assert again.artifact is not None
    assert first.artifact.sha256 == again.artifact.sha256


def test_samples_prove_it_too(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=np.random.default_rng(0).standard_normal((9, 3, 8, 8)).astype(np.float32))

    result = simplify(source, data=data)

    assert result.as_json()["samples"] == {"samples": 9, "source": str(data)}
    assert len(load_onnx(source.with_suffix(".simple.onnx")).graph.node) == 2


def test_a_dry_run_writes_nothing(source: Path) -> None:
    result = simplify(source, dry_run=True)

    assert result.as_json()["output"] is None
    assert result.as_json()["nodes"]["after"] == 2
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("model.onnx", "is the model itself"),
        ("out.tflite", "does not end in `.onnx`"),
        ("nowhere/out.onnx", "the folder of output"),
    ],
)
def test_an_output_that_cannot_be_is_refused(source: Path, output: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simplify(source, output=source.parent / output)


def test_a_model_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="is a tflite file, this needs an ONNX model"):
        simplify(tmp_path / "m.tflite")
