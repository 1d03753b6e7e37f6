"""A model that runs without a pause: what the process answers, and what is told meanwhile."""

import gc
import threading
from dataclasses import replace

import pytest

from edgeopt.errors import ToolFailed
from edgeopt.measure import soak, worker
from edgeopt.measure.latency import Plan
from edgeopt.measure.windows import Window
from edgeopt.measure.worker import Job

WINDOW = Window(end=1.0, samples=(0.001, 0.002), preemptions=3, clock_hz=1.2e9, celsius=71.5, resident_bytes=50_000_000)


@pytest.fixture(autouse=True)
def _collects_garbage_again():
    yield
    gc.enable()


def test_a_soak_is_one_job_of_that_length(monkeypatch, tmp_path):
    asked = []
    later = replace(WINDOW, end=2.0, clock_hz=None, celsius=None)

    def answer(job, **options):
        asked.append((job, options))
        return {"windows": [{**window.as_json(), "samples": list(window.samples)} for window in (WINDOW, later)]}

    monkeypatch.setattr(soak, "run_job", answer)

    found = soak.measure_soak(tmp_path / "m.onnx", Plan(threads=1, batch=4), seconds=30)

    ((job, options),) = asked
    assert found == (WINDOW, later)
    assert (job.kind, job.budget_seconds, job.batch, job.models) == ("soak", 30, 4, (str(tmp_path / "m.onnx"),))
    assert options["timeout_seconds"] > 30


@pytest.mark.parametrize("failure", [ToolFailed("crashed"), KeyboardInterrupt()])
def test_a_soak_that_crashes_or_is_interrupted_ends_its_teller_too(monkeypatch, tmp_path, failure):
    def fail(_job, **_options):
        raise failure

    monkeypatch.setattr(soak, "run_job", fail)
    before = threading.active_count()

    with pytest.raises(type(failure)):
        soak.measure_soak(tmp_path / "m.onnx", Plan(), seconds=30, progress=lambda *_pair: None)

    assert threading.active_count() == before


def test_the_process_answers_with_windows(small_models, save_model, monkeypatch):
    monkeypatch.setattr(worker, "_WARM_UP_LIMIT_SECONDS", 0.02)
    path = str(save_model(small_models.mlp()))

    answer = worker.measure_soak(
        Job(kind="soak", runtime="onnxruntime", models=(path,), threads=1, shapes={}, budget_seconds=0.3)
    )

    assert len(answer["windows"]) >= 2
    assert all(0 < len(window["samples"]) <= 20 for window in answer["windows"])
    assert all(value > 0 for window in answer["windows"] for value in window["samples"])


@pytest.mark.slow
def test_a_real_soak_lasts_as_long_as_asked_for_and_does_not_grow_itself(small_models, save_model):
    told = []

    windows = soak.measure_soak(
        save_model(small_models.mlp()), Plan(), seconds=3, progress=lambda *pair: told.append(pair)
    )

    ends = [window.end for window in windows]
    assert ends == sorted(ends)
    assert ends[-1] >= 3
    assert told
    assert all(0 <= done <= total == 3 for done, total in told)
    resident = [window.resident_bytes for window in windows]
    if resident[0] is not None:
        assert resident[-1] - resident[0] < 2_000_000
