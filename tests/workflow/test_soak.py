"""`edgeopt.bench(..., soak=...)`: what is run without a pause, what is told of it, and what is refused."""

import json

import numpy as np
import pytest

import edgeopt
import edgeopt.errors
from edgeopt.core.run import run_from_json
from edgeopt.errors import InputError
from edgeopt.measure import soak as measured
from edgeopt.workflow.soak import soak_seconds


@pytest.fixture
def models(small_models, save_model):
    return [save_model(small_models.mlp(), "base.onnx"), save_model(small_models.conv(), "new.onnx")]


@pytest.fixture
def scripted_soak(monkeypatch):
    """Plays back a soak of 60 windows: slower from the middle on, with memory that leaks. Gives the jobs asked for."""

    def play(*, slowdown=0.0, leak=0, tells_memory=True, preemptions=0):
        jobs = []

        def answer(job, **_options):
            jobs.append(job)
            generator = np.random.default_rng(job.seed)
            windows = [
                {
                    "end": (index + 1) * job.budget_seconds / 60,
                    "samples": (0.001 * (1 + slowdown * (index >= 30)) * generator.normal(1, 0.001, 20)).tolist(),
                    "preemptions": preemptions,
                    "clock_hz": None,
                    "celsius": 70.0,
                    "resident_bytes": 50_000_000 + leak * index if tells_memory else None,
                }
                for index in range(60)
            ]
            return {"windows": windows}

        monkeypatch.setattr(measured, "run_job", answer)
        return jobs

    return play


def test_the_row_of_a_model_holds_its_soak(models, scripted_times, scripted_soak):
    scripted_times()
    jobs = scripted_soak(slowdown=0.25)

    result = edgeopt.bench(models[0], processes=2, soak="1 min", batch=4, seed=5)

    record = result.as_json()
    soak = record["runs"][0]["soak"]
    keys = {"early", "late", "unit", "ratio", "ci95", "verdict", "minimum_effect", "text", "origin"}
    assert soak.keys() == keys | {"seconds", "windows", "memory_growth"}
    assert (soak["unit"], soak["origin"], soak["seconds"], soak["verdict"]) == ("s", "host", 60.0, "slows")
    assert soak["late"] / soak["early"] == pytest.approx(1.25, rel=0.01)
    assert [len(window["samples"]) for window in soak["windows"]] == [20] * 60
    assert {window["celsius"] for window in soak["windows"]} == {70.0}
    assert soak["memory_growth"]["verdict"] == "steady"
    assert any("base.onnx`, soak: the last third takes 25" in warning for warning in result.warnings)
    assert [(job.kind, job.budget_seconds, job.batch, job.seed) for job in jobs] == [("soak", 60.0, 4, 5)]


def test_no_rule_about_latency_finds_the_times_of_a_soak(models, scripted_times, scripted_soak):
    scripted_times(base=0.002)
    scripted_soak()

    record = edgeopt.bench(models[0], processes=2, soak="10 s").as_json()

    run = run_from_json(json.loads(json.dumps(record)), where="a test")
    assert [m.metric for m in run.measurements] == ["latency", "load", "memory", "size", "soak"]
    soak = run.measurements[-1]
    assert [len(window) for window in soak.samples] == [20] * 60
    assert (soak.unit, soak.details["seconds"], soak.details["threads"]) == ("s", 10.0, 1)


def test_models_soak_one_after_the_other(models, scripted_times, scripted_soak):
    scripted_times()
    jobs = scripted_soak()

    result = edgeopt.bench(*models, processes=2, soak="10 s")

    assert [job.models for job in jobs] == [(str(model),) for model in models]
    assert [row.soak.artifact.path for row in result.rows] == models


def test_a_leak_is_a_warning(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(leak=200_000)

    result = edgeopt.bench(models[0], processes=2, soak="1 min")

    assert result.rows[0].soak.growth.verdict == "grows"
    assert any("memory grows steadily, by 720 MB an hour" in warning for warning in result.warnings)


def test_a_system_that_tells_no_memory_has_no_verdict_on_it(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(tells_memory=False)

    assert edgeopt.bench(models[0], processes=2, soak="1 min").as_json()["runs"][0]["soak"]["memory_growth"] is None


def test_other_work_on_the_core_is_a_warning(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(preemptions=200)

    warnings = edgeopt.bench(models[0], processes=2, soak="1 min").warnings

    assert any("base.onnx`, soak: the measurement was preempted 200 times a second" in text for text in warnings)


def test_without_a_soak_the_row_has_none(models, scripted_times):
    scripted_times()

    assert "soak" not in edgeopt.bench(models[0], processes=2).as_json()["runs"][0]


@pytest.mark.parametrize(("text", "seconds"), [("10min", 600), ("5 s", 5), ("1 h", 3600), ("24h", 86_400)])
def test_a_soak_is_a_time_with_a_unit(text, seconds):
    assert soak_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"soak": "10"}, "`--soak 10` is not a time"),
        ({"soak": "5 MB"}, "`--soak 5 MB` is not a time"),
        ({"soak": "soon"}, "`soon` is not a quantity"),
        ({"soak": ""}, "`` is not a quantity"),
        ({"soak": "4 s"}, "too short: it takes 5.00 s to 24 h"),
        ({"soak": "-10 min"}, "too short"),
        ({"soak": "25 h"}, "too long"),
        ({"soak": "10 min", "target": "rpi4"}, "there is no latency for `rpi4` yet"),
    ],
)
def test_what_is_no_soak_is_refused_before_anything_runs(models, scripted_times, scripted_soak, options, message):
    jobs, soaks = scripted_times(), scripted_soak()

    with pytest.raises(edgeopt.errors.EdgeoptError, match=message):
        edgeopt.bench(models[0], **options)

    assert jobs == soaks == []


def test_a_base_does_not_go_with_a_soak(models, scripted_times, scripted_soak):
    jobs, soaks = scripted_times(), scripted_soak()

    with pytest.raises(InputError, match="takes them by turns") as failure:
        edgeopt.bench(models[1], against=models[0], soak="10 min")

    assert failure.value.hint
    assert jobs == soaks == []


def test_progress_counts_the_seconds_of_all_models(models, scripted_times, monkeypatch):
    scripted_times()
    told = []

    def measure(_path, _plan, *, seconds, progress):
        progress(3, round(seconds))
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeopt.workflow.soak.measure_soak", measure)

    with pytest.raises(KeyboardInterrupt):
        edgeopt.bench(*models, processes=2, soak="10 s", report=lambda *step: told.append(step))

    assert told[-1] == ("soaking", 3, 20)
