"""Fresh processes: what they answer, and what becomes of one that crashes or hangs."""

import subprocess
import sys

import pytest

from edgeopt.core.host import usable_cpus
from edgeopt.errors import InputError, ToolFailed
from edgeopt.measure import latency
from edgeopt.measure.latency import FOOTPRINT_PROCESSES, Plan, measure_models, run_job
from edgeopt.measure.worker import Job

CRASHING = """
import os, signal

class Runner:
    name, formats = "crashing", frozenset({"onnx"})
    def version(self): return "0"
    def load_runtime(self): pass
    def open(self, path, *, threads=1):
        %s
"""


def job(*models, **options):
    runtimes = (options.pop("runtime", "onnxruntime"),) * len(models)
    return Job(**{"kind": "footprint", "threads": 1, "shapes": {}, **options, "models": models, "runtimes": runtimes})


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """Offers a runner `crashing` to child processes, as a package with an entry point would; `open` does as told."""

    def plug(body):
        (tmp_path / "crashing.py").write_text(CRASHING % body)
        metadata = tmp_path / "crashing-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[edgeopt.runners]\ncrashing = crashing:Runner\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return plug


def test_a_child_process_answers(small_models, save_model):
    answer = run_job(job(str(save_model(small_models.mlp()))))

    assert answer["memory"] >= answer["memory_before"] > 1_000_000
    assert answer["load"] > 0


def test_a_failure_of_the_child_is_raised_as_it_was(tmp_path):
    (tmp_path / "empty.onnx").touch()

    with pytest.raises(InputError, match="is empty") as caught:
        run_job(job(str(tmp_path / "empty.onnx")))

    assert "download" in caught.value.hint


def test_an_unknown_runtime_is_bad_input(small_models, save_model):
    with pytest.raises(InputError, match="unknown runtime `tensorrt`"):
        run_job(job(str(save_model(small_models.mlp())), runtime="tensorrt"))


def test_a_runtime_that_dies_by_a_signal_is_named_with_its_models(plugged_in):
    plugged_in("os.kill(os.getpid(), signal.SIGSEGV)")

    with pytest.raises(ToolFailed, match=r"crashing crashed on `a\.onnx` \(SIGSEGV\)") as caught:
        run_job(job("a.onnx", runtime="crashing"))

    assert caught.value.exit_code == 7
    assert "edgeopt.measure.worker" in caught.value.hint


def test_a_process_that_ends_with_an_error_says_its_last_line(plugged_in):
    plugged_in('raise MemoryError("no room for `" + str(path) + "`")')

    with pytest.raises(ToolFailed, match=r"measuring `a\.onnx` failed: MemoryError: no room for `a\.onnx`"):
        run_job(job("a.onnx", runtime="crashing"))


def test_a_process_that_exits_without_a_word_is_told_too(plugged_in):
    plugged_in("os._exit(3)")

    with pytest.raises(ToolFailed, match=r"measuring `a\.onnx` failed: no message"):
        run_job(job("a.onnx", runtime="crashing"))


def test_a_process_that_hangs_is_stopped(monkeypatch):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)

    with pytest.raises(ToolFailed, match="took over 600 s and was stopped"):
        run_job(job("a.onnx"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "`--threads 0`"),
        ({"threads": 10_000}, f"this machine has 1 to {len(usable_cpus())} for us"),
        ({"processes": 1}, "an interval needs at least 2"),
        ({"batch": 0}, "a batch has at least 1 sample"),
    ],
)
def test_a_plan_checks_itself(options, message):
    with pytest.raises(InputError, match=message):
        Plan(**options)


@pytest.fixture
def played_back(monkeypatch):
    """Answers of scripted processes in place of real ones; gives the list of jobs that were asked for."""

    def play(is_warm=True, preempted=0.0):
        jobs = []

        def answer(asked):
            jobs.append(asked)
            if asked.kind == "footprint":
                return {"load": 0.1 * len(jobs), "memory": 100 + len(jobs), "memory_before": 50}
            blocks = [[[0.001 * (index + 1)] * 3] * 2 for index in range(len(asked.models))]
            return {"blocks": blocks, "is_warm": [is_warm] * len(asked.models), "preempted_per_second": preempted}

        monkeypatch.setattr(latency, "run_job", answer)
        monkeypatch.setattr(latency, "load_average", lambda: 0.0)
        return jobs

    return play


def test_each_model_is_loaded_alone_and_all_are_timed_by_turns(played_back, tmp_path):
    jobs = played_back()

    found = measure_models([tmp_path / "a.onnx", tmp_path / "b.onnx"], Plan(processes=4, seed=7))

    alone, timed = jobs[: 2 * FOOTPRINT_PROCESSES], jobs[2 * FOOTPRINT_PROCESSES :]
    assert {asked.kind for asked in alone} == {"footprint"}
    assert [len(asked.models) for asked in alone] == [1] * 6
    assert [asked.turn for asked in timed] == [0, 1, 2, 3]
    assert {asked.models for asked in timed} == {(str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx"))}
    assert {(asked.seed, asked.cpus) for asked in jobs} == {(7, tuple(usable_cpus()[:1]))}
    first, second = found.models
    assert first.samples == ((0.001,) * 6,) * 4
    assert second.samples == ((0.002,) * 6,) * 4
    assert (first.calls_per_block, first.memory) == (3, (101, 102, 103))
    assert (second.load, second.memory_before) == (pytest.approx((0.4, 0.5, 0.6)), (50, 50, 50))


def test_progress_counts_processes(played_back, tmp_path):
    played_back()
    seen = []

    measure_models([tmp_path / "a.onnx"], Plan(processes=2), progress=lambda *pair: seen.append(pair))

    assert seen == [(number, 5) for number in range(6)]


def test_models_that_did_not_get_warm_are_told(played_back, tmp_path):
    played_back(is_warm=False)

    found = measure_models([tmp_path / "a.onnx"], Plan(processes=2))

    assert "latency was not stable after 1 s of warm-up in 2 of 2 processes" in found.warnings


def test_preemption_is_told(played_back, tmp_path):
    played_back(preempted=300.0)

    found = measure_models([tmp_path / "a.onnx"], Plan(processes=2))

    assert any("preempted 300 times a second" in warning for warning in found.warnings)


def test_two_real_models_are_timed_against_each_other(small_models, save_model):
    paths = [save_model(small_models.mlp(), name) for name in ("a.onnx", "b.onnx")]

    found = measure_models(paths, Plan(processes=2))

    for timing in found.models:
        assert len(timing.samples) == 2
        assert len(timing.load) == len(timing.memory) == FOOTPRINT_PROCESSES
        assert all(value > 0 for process in timing.samples for value in process)


def test_the_worker_imports_neither_onnx_nor_what_reports_need():
    code = (
        "import sys, edgeopt.measure.worker; "
        "print(sorted({'onnx', 'onnxruntime', 'rich', 'pydantic', 'click'} & sys.modules.keys()))"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
