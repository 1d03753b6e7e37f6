"""`edgeopt.bench`: what is timed, and the record of it."""

import json
from pathlib import Path

import pytest

import edgeopt
from edgeopt.core.measurement import Origin
from edgeopt.core.run import run_from_json
from edgeopt.errors import InputError, Unsupported


@pytest.fixture
def models(small_models, save_model):
    return [save_model(small_models.mlp(), "base.onnx"), save_model(small_models.conv(), "new.onnx")]


def test_a_row_sums_up_what_was_timed(models, scripted_times):
    scripted_times(base=0.002)

    row = edgeopt.bench(models[0], processes=4, batch=8).rows[0]

    assert row.summary.median == pytest.approx(0.002, rel=0.01)
    assert row.summary.ci95[0] <= row.summary.median <= row.summary.ci95[1] <= row.summary.p90
    assert row.throughput == pytest.approx(8 / 0.002, rel=0.01)
    assert (row.load_seconds, row.memory_bytes, row.model_memory_bytes) == (0.01, 50_000_000, 10_000_000)


def test_the_record_keeps_raw_samples_with_origin_and_unit(models, scripted_times):
    scripted_times()

    record = edgeopt.bench(*models, processes=3).as_json()

    assert {"schema", "environment", "artifacts", "measurements", "runs", "comparison"} <= record.keys()
    for row in record["runs"]:
        assert {"artifact", "target", "runtime", "threads", "origin", "latency", "load", "throughput"} < row.keys()
        assert {"memory", "energy", "instructions"} < row.keys()
        assert {"samples", "median", "p50", "p90", "ci95", "unit"} == row["latency"].keys()
        assert [len(process) for process in row["latency"]["samples"]] == [200] * 3
        assert (row["origin"], row["latency"]["unit"], row["load"]["unit"]) == ("host", "s", "s")
        assert (row["memory"]["unit"], row["throughput"]["unit"]) == ("B", "1/s")
    assert record["comparison"] is None
    assert record["environment"]["threads"] == 1
    run = run_from_json(json.loads(json.dumps(record)), where="a test")
    assert {m.metric for m in run.measurements} == {"latency", "load", "memory", "size"}
    assert {m.origin for m in run.measurements} == {Origin.HOST}


def test_against_a_base_the_ratio_is_told(models, scripted_times):
    scripted_times(base=0.002, new=0.001)

    result = edgeopt.bench(models[1], against=models[0])

    record = result.as_json()
    assert [row.artifact.path.name for row in result.rows] == ["base.onnx", "new.onnx"]
    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    assert {"ratio", "ci95", "verdict", "origin", "unit"} < record["comparison"].keys()
    assert record["comparison"]["ratio"] == pytest.approx(2, rel=0.01)
    assert record["comparison"]["verdict"] == "faster"


def test_samples_taken_by_turns_are_marked_as_such(models, scripted_times):
    scripted_times()

    measurements = edgeopt.bench(models[1], against=models[0], processes=2).run.measurements

    sessions = {m.details["session"] for m in measurements if m.metric == "latency"}
    assert len(sessions) == 1
    assert sessions != {""}


def test_without_a_model_it_is_that_of_the_configuration_else_the_bundled_one(task, scripted_times, monkeypatch):
    scripted_times()
    monkeypatch.chdir(task.folder)

    bundled = edgeopt.bench(processes=2)
    task.configured("size <= 1 MB")
    configured = edgeopt.bench(processes=2)

    assert bundled.rows[0].artifact.path.name == "digits_resnet8.onnx"
    assert configured.rows[0].artifact.path == Path("model.onnx")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "rpi4", "metric": "memory"}, Unsupported, "there is no memory for `rpi4`"),
        ({"target": ["host", "rpi4"], "metric": "memory"}, Unsupported, "there is no memory for `rpi4`"),
        ({"target": ["host", "rpi4"], "threads": 2}, Unsupported, "no measurements of `rpi4` with any runtime"),
        ({"explain": True}, InputError, "`--explain` is of estimates, `host` is measured"),
        ({"dtype": "int8"}, InputError, "`--dtype` is of estimates, `host` is measured"),
        ({"target": "rpi44"}, InputError, "unknown target `rpi44`"),
        ({"metric": "energy"}, Unsupported, "`energy` cannot be measured here yet"),
        ({"shapes": {"picture": [1]}}, InputError, "no model has that input"),
        ({"threads": 10_000}, InputError, "`--threads 10000`"),
        ({"processes": 1}, InputError, "an interval needs at least 2"),
        ({"batch": 0}, InputError, "a batch has at least 1 sample"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(models, scripted_times, options, error, message):
    jobs = scripted_times()

    with pytest.raises(error, match=message):
        edgeopt.bench(models[0], **options)

    assert jobs == []


def test_a_base_alone_is_nothing_to_compare(models):
    with pytest.raises(InputError, match="needs a model to compare with the base"):
        edgeopt.bench(against=models[0])


def test_options_reach_the_processes(models, scripted_times):
    jobs = scripted_times()

    edgeopt.bench(models[0], processes=2, batch=4, shapes={"x": [4, 3]}, seed=9)

    assert {(job.batch, tuple(job.shapes["x"]), job.seed) for job in jobs} == {(4, (4, 3), 9)}
