"""A model that runs without a pause: what the process says meanwhile, and what is left however it ends."""

import gc
import json
import signal
import subprocess
import sys

import pytest

from edgeopt.errors import InputError, ToolFailed
from edgeopt.measure import soak, worker
from edgeopt.measure.latency import Plan
from edgeopt.measure.soak import measure_soak
from edgeopt.measure.worker import Job

RUNNER = """
import os, signal, sys, threading, time
from types import SimpleNamespace

class Runner:
    name, formats = "scripted", frozenset({"onnx"})
    def version(self): return "0"
    def load_runtime(self): pass
    def open(self, path, *, threads=1):
        begin, calls = time.monotonic(), [0]
        def call():
            calls[0] += 1
            %s
        return SimpleNamespace(inputs=(), infer=lambda feeds: {}, call=lambda feeds: call)
"""


@pytest.fixture(autouse=True)
def _collects_garbage_again():
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """Offers a runner `scripted` to child processes, whose every call does as told."""

    def plug(body):
        (tmp_path / "scripted.py").write_text(RUNNER % body)
        metadata = tmp_path / "scripted-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[edgeopt.runners]\nscripted = scripted:Runner\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.syspath_prepend(tmp_path)
        return Plan(runtime="scripted")

    return plug


def soaked(job, capsys):
    """The windows that the process writes, and what it answers at last."""
    answer = worker.measure_soak(job)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()], answer


def test_the_process_writes_a_line_per_window(small_models, save_model, monkeypatch, capsys):
    monkeypatch.setattr(worker, "_WARM_UP_LIMIT_SECONDS", 0.02)
    path = str(save_model(small_models.mlp()))

    windows, answer = soaked(
        Job(kind="soak", models=(path,), runtimes=("onnxruntime",), threads=1, shapes={}, budget_seconds=0.35), capsys
    )

    assert answer == {"windows": len(windows)}
    assert 2 <= len(windows) <= 4
    assert all(0 < len(window["samples"]) <= 20 for window in windows)
    assert all(value > 0 for window in windows for value in window["samples"])


def test_a_model_soaks_in_a_process_of_its_own(small_models, save_model):
    told = []

    found = measure_soak(save_model(small_models.mlp()), Plan(), seconds=1, progress=lambda *pair: told.append(pair))

    assert found.is_whole
    assert 8 <= len(found.windows) <= 10
    assert found.seconds == found.windows[-1].end >= 1
    assert all(window.samples for window in found.windows)
    assert (told[0], told[-1]) == ((0, 1), (1, 1))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_memory_is_watched_and_the_process_itself_does_not_grow(plugged_in, tmp_path):
    found = measure_soak(tmp_path / "m.onnx", plugged_in("pass"), seconds=2)

    resident = [window.resident_bytes for window in found.windows]
    assert resident[-1] - resident[len(resident) // 3] < 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_runtime_that_keeps_memory_is_seen_to_grow(plugged_in, tmp_path):
    plan = plugged_in("kept.append(bytes(50_000)) or threading.Event().wait(0.001)")
    (tmp_path / "scripted.py").write_text("kept = []\n" + (tmp_path / "scripted.py").read_text())

    found = measure_soak(tmp_path / "m.onnx", plan, seconds=1)

    resident = [window.resident_bytes for window in found.windows]
    assert resident[-1] - resident[0] > 5_000_000


def test_a_model_that_the_runtime_does_not_take_is_bad_input(tmp_path):
    (tmp_path / "m.onnx").touch()

    with pytest.raises(InputError, match="is empty"):
        measure_soak(tmp_path / "m.onnx", Plan(), seconds=3)


def test_a_crash_says_how_far_the_soak_had_come(plugged_in, tmp_path):
    plan = plugged_in("time.monotonic() < begin + 2.5 or os.kill(os.getpid(), signal.SIGSEGV)")

    with pytest.raises(ToolFailed, match=r"scripted crashed on `.*m\.onnx` after [12] s of the soak \(SIGSEGV\)"):
        measure_soak(tmp_path / "m.onnx", plan, seconds=6)


def test_a_process_that_fails_before_it_soaks_says_its_last_line(plugged_in, tmp_path):
    plan = plugged_in('raise MemoryError("no room")')

    with pytest.raises(ToolFailed, match=r"measuring `.*m\.onnx` failed: MemoryError: no room"):
        measure_soak(tmp_path / "m.onnx", plan, seconds=3)


def test_a_process_that_hangs_is_stopped(plugged_in, tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "_SPARE_SECONDS", 0.5)
    plan = plugged_in("threading.Event().wait()")

    with pytest.raises(ToolFailed, match=r"took over 1 s and was stopped"):
        measure_soak(tmp_path / "m.onnx", plan, seconds=0.5)


def test_an_interrupt_leaves_what_was_measured_and_no_process(small_models, save_model, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    def interrupt(done, _total):
        if done >= 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Watched)

    found = measure_soak(save_model(small_models.mlp()), Plan(), seconds=60, progress=interrupt)

    assert not found.is_whole
    assert 1 <= len(found.windows) <= 2
    assert started[0].poll() is not None


def test_an_interrupt_while_it_waits_for_a_window_leaves_those_before(plugged_in, tmp_path):
    interrupt = "os.kill(os.getppid(), signal.SIGINT) or threading.Event().wait()"
    plan = plugged_in(f"time.monotonic() < begin + 2.5 or {interrupt}")

    found = measure_soak(tmp_path / "m.onnx", plan, seconds=6)

    assert not found.is_whole
    assert 5 <= len(found.windows) < 30
