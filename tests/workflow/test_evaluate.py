"""`edgeopt.evaluate`: metrics whole and per slice, of the samples that count."""

import numpy as np
import pytest

import edgeopt
from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError, Unsupported

METRICS = """
import numpy as np

def share_of_ones(scores, labels):
    return np.mean(scores.argmax(axis=1))

def three_numbers(scores, labels):
    return np.zeros(3)

number = 3
"""


def test_the_shipped_model_is_as_good_as_it_is_said(digits_model, digits_data):
    found = edgeopt.evaluate(digits_model, digits_data)

    assert list(found.metrics)[:3] == ["accuracy", "top5", "f1"]
    assert found.metrics["accuracy"].n == 899
    assert found.metrics["accuracy"].value >= 0.98


def test_every_metric_has_value_interval_count_unit_and_origin(task):
    record = edgeopt.evaluate(task.model, task.data).as_json()

    assert {"metrics", "slices", "predictions"} < record.keys()
    for entry in record["metrics"].values():
        assert entry.keys() == {"value", "ci95", "n", "unit", "origin"}
        assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]
        assert (entry["n"], entry["origin"], entry["unit"]) == (900, "host", "1")
    assert 0.85 < record["metrics"]["accuracy"]["value"] < 0.95


def test_slices_are_told_per_value_and_columns_of_many_values_are_none(task):
    data = task.with_arrays("more.npz", number=np.arange(900), constant=np.zeros(900))

    slices = edgeopt.evaluate(task.model, data).as_json()["slices"]

    assert [(entry["column"], entry["value"]) for entry in slices] == [("room", "cellar"), ("room", "hall")]
    assert [entry["metrics"]["accuracy"]["n"] for entry in slices] == [300, 600]


def test_only_the_part_to_confirm_counts(task):
    part = np.array(["calibration", "select", "confirm"])[np.arange(900) % 3]

    found = edgeopt.evaluate(task.model, task.with_arrays("parts.npz", part=part))

    assert found.metrics["accuracy"].n == 300


def test_data_without_a_part_to_confirm_is_refused(task):
    with pytest.raises(InputError, match="has no row of part `confirm`"):
        edgeopt.evaluate(task.model, task.with_arrays("parts.npz", part=np.full(900, "select")))


def test_samples_that_calibrated_a_model_do_not_count_for_it(task):
    made = edgeopt.quantize(task.model, data=task.data, samples=100, measure=False, target="rpi4")

    assert edgeopt.evaluate(made.artifact.path, task.data).metrics["accuracy"].n == 800


def test_a_metric_of_ones_own_is_called_with_scores_and_labels(task, monkeypatch):
    (task.folder / "mine.py").write_text(METRICS)
    monkeypatch.chdir(task.folder)

    found = edgeopt.evaluate(task.model, task.data, metrics=["mine.py:share_of_ones", "accuracy"]).metrics

    assert list(found) == ["accuracy", "mine.py:share_of_ones"]
    own = found["mine.py:share_of_ones"]
    assert 0 < own.low <= own.value <= own.high < 1


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("accuraci", "there is no metric `accuraci`"),
        ("mse", "metric `mse` cannot be computed"),
        ("mine.py:nothing", "has no function `nothing`"),
        ("mine.py:number", "has no function `number`"),
        ("mine.py:three_numbers", "metric `mine.py:three_numbers` failed"),
        ("nowhere.py:f", "does not exist"),
        ("no_such_module:f", "cannot be imported"),
    ],
)
def test_a_metric_that_cannot_be_used_is_refused(task, monkeypatch, metric, message):
    (task.folder / "mine.py").write_text(METRICS)
    monkeypatch.chdir(task.folder)

    with pytest.raises(InputError, match=message):
        edgeopt.evaluate(task.model, task.data, metrics=[metric])


def test_predictions_are_written_with_labels_and_columns(task):
    path = task.folder / "out.npz"

    record = edgeopt.evaluate(task.model, task.data, predictions=path).as_json()

    with np.load(path) as archive:
        assert set(archive.files) == {"scores", "y", "correct", "room", "edgeopt"}
        assert archive["correct"].mean() == record["metrics"]["accuracy"]["value"]
    assert record["predictions"] == {"path": str(path), "sha256": sha256_of(path)}


def test_existing_predictions_stay_unless_forced(task):
    path = task.folder / "out.npz"
    path.write_text("mine")

    with pytest.raises(InputError, match="exists"):
        edgeopt.evaluate(task.model, task.data, predictions=path)
    assert path.read_text() == "mine"

    edgeopt.evaluate(task.model, task.data, predictions=path, force=True)
    assert path.stat().st_size > 100


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": None}, r"has no labels \(`y`\)"),
        ({"y": np.full(900, 2)}, "the model has 2 classes"),
        ({"y": np.full(900, -1)}, "is no class"),
        ({"y": np.full(900, np.nan)}, "NaN"),
        ({"y": np.zeros(800, int)}, "`y` has 800 rows where `x` has 900"),
        ({"x": np.full((900, 3), np.nan, np.float32)}, "holds NaN or infinity in 900 of 900 samples"),
        ({"x": np.zeros((900, 4), np.float32)}, "has samples of shape 4, the model takes 3"),
        ({"x": np.zeros((0, 3), np.float32), "y": np.zeros(0, int), "room": None}, "zero samples"),
        ({"x": None, **dict.fromkeys(("one", "two"), np.zeros((900, 3)))}, "has no array for model input `x`"),
    ],
)
def test_data_that_cannot_be_used_is_refused(task, arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        edgeopt.evaluate(task.model, task.with_arrays("bad.npz", **arrays))

    assert caught.value.hint


def test_another_target_is_unsupported(task):
    with pytest.raises(Unsupported, match="there is no accuracy for `rpi4` yet"):
        edgeopt.evaluate(task.model, task.data, target="rpi4")
