"""A model that runs without a pause: what the process answers, and what is told meanwhile."""

import gc

import pytest

from edgeopt.errors import ToolFailed
from edgeopt.measure import soak, worker
from edgeopt.measure.latency import Plan
from edgeopt.measure.worker import Job


@pytest.fixture(autouse=True)
def _collects_garbage_again():
    yield
    gc.enable()


def test_a_soak_is_one_job_of_that_length(monkeypatch, tmp_path):
    asked = []

    def answer(job, **options):
        asked.append((job, options))
        return {"windows": [[0.001, 0.002], [0.003]]}

    monkeypatch.setattr(soak, "run_job", answer)

    found = soak.measure_soak(tmp_path / "m.onnx", Plan(threads=1, batch=4), seconds=30)

    ((job, options),) = asked
    assert found == ((0.001, 0.002), (0.003,))
    assert (job.kind, job.budget_seconds, job.batch, job.models) == ("soak", 30, 4, (str(tmp_path / "m.onnx"),))
    assert options["timeout_seconds"] > 30


def test_a_soak_that_crashes_ends_its_teller_too(monkeypatch, tmp_path):
    def crash(_job, **_options):
        raise ToolFailed("crashed")

    monkeypatch.setattr(soak, "run_job", crash)

    with pytest.raises(ToolFailed):
        soak.measure_soak(tmp_path / "m.onnx", Plan(), seconds=30, progress=lambda *_pair: None)


def test_the_process_answers_with_a_window_per_second(small_models, save_model, monkeypatch):
    monkeypatch.setattr(worker, "_SOAK_WINDOW_SECONDS", 0.02)
    monkeypatch.setattr(worker, "_WARM_UP_LIMIT_SECONDS", 0.02)
    path = str(save_model(small_models.mlp()))

    answer = worker.measure_soak(
        Job(kind="soak", runtime="onnxruntime", models=(path,), threads=1, shapes={}, budget_seconds=0.1)
    )

    assert len(answer["windows"]) >= 2
    assert all(0 < len(window) <= 21 for window in answer["windows"])
    assert all(value > 0 for window in answer["windows"] for value in window)
