"""`edgeopt bench --soak` through the program."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from edgeopt.measure.soak import Soaking
from edgeopt.measure.windows import Window


def test_a_time_that_is_none_is_refused_with_a_hint(edgeopt, folder):
    left = edgeopt("bench", "model.onnx", "--soak", "2s")

    assert (left.code, left.out) == (2, "")
    assert left.errors == [
        "error: `--soak 2s` is too short: it takes 5.00 s to 24 h",
        "hint: chips grow hot within minutes: `--soak 10min`",
    ]


def test_a_base_is_refused_in_the_document_too(edgeopt, folder):
    left = edgeopt("bench", "model.onnx", "--against", "model.onnx", "--soak", "10min", "--json")

    assert left.code == 2
    assert "`--against` takes models by turns" in left.json["error"]["message"]
    assert left.json["error"]["hint"]


def test_the_figures_of_an_interrupted_soak_are_shown_and_kept(edgeopt, folder, monkeypatch):
    windows = tuple(
        Window(
            end=8.0 * index,
            samples=(0.001,) * 20,
            preemptions=None,
            clock_hz=2.4e9,
            celsius=61.5,
            resident_bytes=50_000_000,
        )
        for index in range(1, 61)
    )
    monkeypatch.setattr("edgeopt.workflow.soak.measure_soak", lambda *_, **__: Soaking(windows=windows, is_whole=False))
    monkeypatch.setenv("EDGEOPT_STORE", str(folder / "store"))
    options = ("--processes", "2", "--soak", "10min")

    shown = edgeopt("bench", "model.onnx", *options)
    document = edgeopt("bench", "model.onnx", *options, "--json")

    assert (shown.code, document.code) == (130, 130)
    assert "model.onnx: sustained: speed lasts" in shown.out
    assert "2.40 GHz, 62 °C" in shown.out
    assert "stopped after 480 s of 600 s" in shown.err
    assert document.json["runs"][0]["soak"]["verdict"] == "sustained"
    assert edgeopt("runs", "list", "--json").json["total"] == 2


def test_a_recorded_soak_is_judged_by_a_rule(edgeopt, folder, monkeypatch):
    windows = tuple(
        Window(
            end=float(index),
            samples=(0.001 if index < 30 else 0.0012,) * 20,
            preemptions=None,
            clock_hz=None,
            celsius=None,
            resident_bytes=None,
        )
        for index in range(1, 61)
    )
    monkeypatch.setattr("edgeopt.workflow.soak.measure_soak", lambda *_, **__: Soaking(windows=windows, is_whole=True))
    record = edgeopt("bench", "model.onnx", "--processes", "2", "--soak", "1min", "--json")
    (folder / "run.json").write_text(record.out)
    (folder / "edgeopt.toml").unlink()

    left = edgeopt("gate", "run.json", "--rule", "slowdown <= 10 %", "--rule", "latency <= 1 min", "--json")

    assert record.code == 0
    assert left.code == 3
    assert [rule["verdict"] for rule in left.json["rules"]] == ["failed", "passed"]
    assert left.json["rules"][0]["value"] == pytest.approx(0.2)


def test_an_interrupt_soon_after_the_beginning_leaves_nothing_behind(edgeopt, folder, monkeypatch):
    monkeypatch.setattr("edgeopt.workflow.soak.measure_soak", lambda *_, **__: Soaking(windows=(), is_whole=False))
    monkeypatch.setenv("EDGEOPT_STORE", str(folder / "store"))

    left = edgeopt("bench", "model.onnx", "--processes", "2", "--soak", "10min", "--benchmark-json", "b.json")

    assert (left.code, left.out, left.err.split("\n")[-2]) == (130, "", "error: interrupted")
    assert not (folder / "b.json").exists()
    assert edgeopt("runs", "list", "--json").json["total"] == 0


@pytest.mark.slow
def test_a_real_soak(edgeopt_process, folder):
    options = ("--processes", "2", "--soak", "5s", "--shape", "x=3x3", "--benchmark-json", "b.json")
    left = edgeopt_process("bench", "model.onnx", *options, "--json", "-q", cwd=folder)

    assert (left.code, left.err) == (0, "")
    found = left.json["runs"][0]["soak"]
    assert found["verdict"] in {"sustained", "slows", "speeds up", "undecided"}
    assert found["windows"][-1]["end"] >= 5
    assert 40 <= len(found["windows"]) <= 51
    assert left.json["measurements"][-1]["metric"] == "soak"
    assert (folder / "b.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_c_in_the_middle_of_a_real_soak_leaves_its_figures(edgeopt, folder, monkeypatch):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgeopt", "bench", "model.onnx", "--processes", "2", "--soak", "20s", "--json"]
    monkeypatch.setenv("EDGEOPT_STORE", str(folder / "store"))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with (
        (folder / "out.json").open("w") as out,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=theirs, start_new_session=True
        ) as process,
    ):
        os.close(theirs)
        shown = b""
        while not re.search(rb"soaking[^\r\n]*0:00:0[6-9]", shown):  # the column of the time that has gone
            shown += os.read(ours, 4096)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
    os.close(ours)

    record = json.loads((folder / "out.json").read_text())
    soak = record["runs"][0]["soak"]
    assert process.returncode == 130
    assert len(soak["windows"]) >= 6
    assert 2 < soak["seconds"] < soak["asked_seconds"] == 20
    assert any("stopped after" in warning for warning in record["warnings"])
    assert edgeopt("runs", "list", "--json").json["total"] == 1
