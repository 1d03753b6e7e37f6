"""`edgeopt.compare`: two models, or what was predicted with them, on the same samples."""

import json

import numpy as np
import pytest

import edgeopt
from edgeopt.core.run import json_text, run_from_json
from edgeopt.errors import InputError


@pytest.fixture
def made(task):
    return edgeopt.quantize(task.model, data=task.data, samples=100, measure=False, target="rpi4").artifact.path


def test_models_are_compared_on_the_same_samples(task, made):
    found = edgeopt.compare(task.model, made, task.data)

    record = found.as_json()
    assert {"metric", "baseline", "candidate", "difference_pt", "ci95", "flips", "flip_rate"} < record.keys()
    assert {"mcnemar_p", "slices", "calibration", "robustness", "verdict", "origin", "unit"} < record.keys()
    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    assert (record["metric"], record["n"], record["origin"]) == ("accuracy", 800, "host")
    assert found.comparison.sqnr_db > 25


def test_differences_are_recorded_of_the_candidate_with_their_baseline(task, made):
    found = edgeopt.compare(task.model, made, task.data)

    base, candidate = (entry["sha256"] for entry in found.run.artifacts)
    differences = [m for m in found.run.measurements if m.metric in {"flip_rate", "sqnr"}]
    assert len(differences) == 2
    assert {(m.artifact, m.details["baseline"]) for m in differences} == {(candidate, base)}


def test_a_model_against_itself_is_the_same_and_its_record_reads_back(task):
    found = edgeopt.compare(task.model, task.model, task.data)

    assert (found.comparison.verdict, found.comparison.flips) == ("same", 0)
    read = run_from_json(json.loads(json_text(found.as_json())), where="a test")
    assert "flip_rate" in {m.metric for m in read.measurements}
    assert "sqnr" not in {m.metric for m in read.measurements}


def test_prediction_files_say_what_the_models_would(task):
    data = task.with_arrays("half.npz")
    other = task.folder / "other.onnx"
    other.write_bytes(edgeopt.quantize(task.model, measure=False, target="rpi4").artifact.path.read_bytes())
    for model in (task.model, other):
        edgeopt.evaluate(model, data, predictions=model.with_suffix(".npz"))

    files = edgeopt.compare(task.model.with_suffix(".npz"), other.with_suffix(".npz"))
    models = edgeopt.compare(task.model, other, data)
    mixed = edgeopt.compare(task.model.with_suffix(".npz"), other, data)

    assert files.comparison == models.comparison == mixed.comparison
    digests = [[entry["sha256"] for entry in found.run.artifacts] for found in (files, models, mixed)]
    assert digests[0] == digests[1] == digests[2]


def test_models_without_data_are_refused(task):
    with pytest.raises(InputError, match="is a model, so samples are needed") as caught:
        edgeopt.compare(task.model, task.model)

    assert "--data" in caught.value.hint


def test_predictions_on_other_samples_are_refused(task):
    for name, rows in (("all.npz", 900), ("few.npz", 300)):
        with np.load(task.data) as archive:
            np.savez(task.folder / f"data-{name}", **{key: archive[key][:rows] for key in archive})
        edgeopt.evaluate(task.model, task.folder / f"data-{name}", predictions=task.folder / name)

    with pytest.raises(InputError, match="judged on 900 samples and the candidate on 300"):
        edgeopt.compare(task.folder / "all.npz", task.folder / "few.npz")


def test_models_of_other_outputs_are_refused(task, small_models, save_model):
    other = save_model(small_models.two_inputs(), "other.onnx")

    with pytest.raises(InputError):
        edgeopt.compare(task.model, other, task.data)
