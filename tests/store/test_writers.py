"""Several processes at once lose nothing, and one that is killed at any point leaves the store whole."""

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")

WRITER = Path(__file__).with_name("writer.py")
# Ends the process at the Nth line of the store's code that it comes to.
KILLED_AT_LINE = """
import os, runpy, signal, sys
left = int(sys.argv.pop(1))
def count(frame, event, argument):
    global left
    if "edgeopt/store" not in frame.f_code.co_filename:
        return None
    if event == "line":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return count
sys.argv = sys.argv[1:]
sys.settrace(count)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def store(store):
    """A store beside a model that all writers share."""
    store.folder.parent.mkdir()
    (store.folder.parent / "shared.onnx").write_bytes(b"shared weights" * 1_000)
    return store


def start(store, name, count, *modes):
    """A process that records runs."""
    command = [sys.executable, str(WRITER), str(store.folder), name, str(count), *modes]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recorded(store):
    """(writer, number) of every run, each read from its record with all files that it says are kept."""
    found = set()
    for entry in store.runs():
        record = store.load_record(entry.id)
        assert all(store.object_path(file["sha256"]) for file in record["stored"] if file["is_kept"])
        found.add(tuple(record["writer"]))
    return found


def is_whole(store):
    """Whether the index is sound, says what the objects say, and no object is damaged."""
    with closing(sqlite3.connect(store.folder / "index.sqlite3")) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    listed = {entry.id for entry in store.runs()}
    store.rebuild()
    return sound and listed <= {entry.id for entry in store.runs()} and store.warnings == []


def kill_one(store, name, chance, *modes):
    """Kill a writer at a random time; the numbers of the runs that it said were recorded."""
    process = start(store, name, 10_000, *modes)
    lines = [process.stdout.readline() for _ in range(chance.choice((0, 1, 3)))]
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=chance.uniform(0, 0.15))
    process.kill()
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (-signal.SIGKILL, "")
    return {(name, int(line)) for line in "".join([*lines, rest]).splitlines()}


def kill_many(store, times, *modes):
    """Kill that many writers; the runs that they said were recorded."""
    chance, told = random.Random(0), set()
    for number in range(times):
        told |= kill_one(store, f"writer{number}", chance, *modes)
        if (store.folder / "index.sqlite3").exists():
            assert is_whole(store)
    return told


def test_eight_processes_that_write_at_once_lose_nothing(store):
    processes = [start(store, f"writer{number}", 25) for number in range(8)]
    errors = [process.communicate()[1] for process in processes]

    assert errors == [""] * 8
    assert recorded(store) == {(f"writer{number}", run) for number in range(8) for run in range(25)}
    assert is_whole(store)


def test_collecting_beside_writers_takes_nothing_that_they_name(store):
    processes = [start(store, f"writer{number}", 12, *(["gc"] if number < 2 else [])) for number in range(4)]
    errors = [process.communicate()[1] for process in processes]

    assert errors == [""] * 4
    assert len(recorded(store)) >= 10
    assert is_whole(store)


def test_ten_kills_leave_the_store_whole(store):
    told = kill_many(store, 10)

    assert told <= recorded(store)
    assert told


@pytest.mark.slow
def test_a_hundred_kills_leave_the_store_whole(store):
    told = kill_many(store, 100)

    assert told <= recorded(store)
    assert len(told) > 100


@pytest.mark.slow
def test_a_hundred_kills_of_processes_that_collect_too_leave_the_store_whole(store):
    kill_many(store, 100, "gc-later")

    assert len(recorded(store)) >= 10


@pytest.mark.parametrize(
    "line", [*range(0, 400, 80), *(pytest.param(line, marks=pytest.mark.slow) for line in range(61, 6_000, 61))]
)
def test_a_kill_at_any_line_leaves_the_store_whole(store, line):
    command = [
        sys.executable,
        "-c",
        KILLED_AT_LINE,
        str(line),
        str(WRITER),
        str(store.folder),
        "first",
        "14",
        "gc-later",
    ]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    told = {("first", int(line)) for line in process.stdout.splitlines()[-9:]}
    second = subprocess.run([*command[:1], str(WRITER), str(store.folder), "second", "1"], check=False)

    assert process.returncode == -signal.SIGKILL
    assert (second.returncode, process.stderr) == (0, "")
    assert told | {("second", 0)} <= recorded(store)
    assert is_whole(store)
