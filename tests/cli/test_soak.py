"""`edgeopt bench --soak` through the program."""

import os
import signal
import subprocess
import sys

import pytest

from edgeopt.measure import soak


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
    assert "`--against` takes them by turns" in left.json["error"]["message"]
    assert left.json["error"]["hint"]


def test_an_interrupt_leaves_nothing_behind(edgeopt, folder, monkeypatch):
    def interrupt(_job, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(soak, "run_job", interrupt)
    monkeypatch.setenv("EDGEOPT_STORE", str(folder / "store"))

    left = edgeopt("bench", "model.onnx", "--processes", "2", "--soak", "10min", "--benchmark-json", "b.json")

    assert (left.code, left.out, left.errors[-1]) == (130, "", "error: interrupted")
    assert not (folder / "b.json").exists()
    assert not list((folder / "store").rglob("*.json"))


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
def test_ctrl_c_in_the_middle_of_a_real_soak_ends_it(folder):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgeopt", "bench", "model.onnx", "--processes", "2", "--soak", "10min"]
    environment = {**os.environ, "EDGEOPT_STORE": str(folder / "store"), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"soaking" not in shown:
            shown += os.read(ours, 4096)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    os.close(ours)

    assert (process.returncode, out) == (130, b"")
    assert not list((folder / "store").rglob("*.json"))
