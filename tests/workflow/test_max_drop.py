"""`quantize --max-drop`: as few layers float as the budget needs, and the best model where none meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeopt
from edgeopt.errors import InputError

# One scale per weight and no equalization: channel 0 of `second` drowns the others.
HARMED: dict[str, Any] = {"target": "rpi4", "per_channel": False, "equalize": False, "measure": False}


@pytest.fixture
def harmed(small_models: Any, outputs_of: Any, tmp_path: Path) -> Path:
    """`model.onnx`, whose layer `second` does not survive one scale per weight, and `data.npz`, which it gets right."""
    model = small_models.dense(channel=2000.0)
    samples = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    labels = outputs_of(model, {"x": samples})["scores"].argmax(axis=1)
    np.savez(tmp_path / "data.npz", x=samples, y=labels)
    return tmp_path


def test_the_most_harmful_layer_stays_float_and_the_budget_is_met(harmed: Path) -> None:
    found = edgeopt.quantize(harmed / "model.onnx", data=harmed / "data.npz", max_drop=2.0, **HARMED)

    assert found.budget is not None
    assert found.budget.search.evaluations[0].drop > 10
    assert found.budget.is_met
    assert found.exit_code == 0
    record = found.as_json()
    assert record["max_drop"]["met"]
    assert record["max_drop"]["drop_pt"] <= 2.0
    assert "second" in record["max_drop"]["kept_float"]
    assert set(record["max_drop"]["kept_float"]) <= {entry["node"] for entry in record["kept_float"]}
    assert len(record["max_drop"]["kept_float"]) < 3


def test_the_search_judges_on_other_samples_than_the_figures(harmed: Path) -> None:
    found = edgeopt.quantize(
        harmed / "model.onnx", data=harmed / "data.npz", max_drop=2.0, **{**HARMED, "measure": True}
    )

    assert found.budget is not None
    assert found.accuracy is not None
    assert found.budget.selected_on + found.accuracy.n == 600 - 200
    assert found.accuracy.n == 200


def test_a_budget_that_no_layer_can_keep_ends_with_the_best_model_and_exit_code_3(
    small_models: Any, outputs_of: Any, tmp_path: Path
) -> None:
    model = small_models.dense()
    samples = np.random.default_rng(0).standard_normal((40_000, 8)).astype(np.float32)
    scores = outputs_of(model, {"x": samples})["scores"]
    margins = np.diff(np.sort(scores, axis=1)[:, -2:], axis=1)[:, 0]
    close = np.argsort(margins)[:600]  # so close that every rounding turns some of them
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(tmp_path / "data.npz", x=samples[close], y=scores[close].argmax(axis=1))

    found = edgeopt.quantize(
        tmp_path / "model.onnx", data=tmp_path / "data.npz", max_drop=0.0, target="rpi4", measure=False
    )

    assert found.budget is not None
    assert not found.budget.is_met
    assert found.exit_code == 3
    assert (tmp_path / "model.int8.onnx").exists()
    assert found.budget.search.best.drop == min(one.drop for one in found.budget.search.evaluations) > 0
    assert any("BUDGET NOT MET" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"y": None}, {}, "`--max-drop` needs labels of classes"),
        ({}, {"max_drop": -1.0}, "`--max-drop -1` is not a drop in points"),
        ({}, {"max_drop": float("nan")}, "`--max-drop nan` is not a drop in points"),
        ({}, {"scheme": "fp16"}, "`--max-drop` does not go with `--scheme fp16`"),
        ({}, {"samples": 890}, "`--max-drop` has"),
    ],
)
def test_a_budget_without_what_it_needs_is_refused_before_anything_is_made(
    task: Any, change: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    data = task.with_arrays("few.npz", **change) if change else task.data
    if "samples" in options:
        with np.load(task.data) as archive:
            np.savez(task.folder / "few.npz", **{name: array[:30] for name, array in archive.items()})
        data = task.folder / "few.npz"

    with pytest.raises(InputError) as caught:
        edgeopt.quantize(task.model, data=data, **{"max_drop": 1.0, "measure": False, **options})

    assert caught.value.message.startswith(message)
    assert not list(task.folder.glob("*.int8.onnx"))


def test_parts_that_the_data_names_are_taken_at_their_word(task: Any) -> None:
    part = np.array(["calibration", "select", "confirm"])[np.arange(900) % 3]
    data = task.with_arrays("parts.npz", part=part)

    found = edgeopt.quantize(task.model, data=data, max_drop=5.0, measure=False)

    assert found.budget is not None
    assert found.budget.selected_on == 300


def test_without_a_part_to_select_on_the_search_takes_what_calibration_left_of_its_own(task: Any) -> None:
    part = np.array(["calibration", "confirm"])[np.arange(900) % 2]
    data = task.with_arrays("parts.npz", part=part)

    found = edgeopt.quantize(task.model, data=data, max_drop=5.0, samples=100, measure=False)

    assert found.budget is not None
    assert found.budget.selected_on == 450 - 100


def test_a_dry_run_searches_and_writes_nothing(task: Any) -> None:
    found = edgeopt.quantize(task.model, data=task.data, max_drop=5.0, dry_run=True)

    assert found.budget is not None
    assert found.budget.is_met
    assert not list(task.folder.glob("*.int8.onnx"))
