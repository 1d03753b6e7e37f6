"""The record under load: a list of 10,000 runs, eight writers at once, a hundred kills.

Usage: python benchmarks/store/run.py [--write] [--runs N] [--writers N] [--kills N] [--seed N]
Exits with 1 where a bar is missed; `--write` writes docs/results/store.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from places import DIGITS, RESULTS
from process import run_process
from record import write_result

from edgeopt.core.run import Run, run_from_file
from edgeopt.store.record import STORED, record_bytes
from edgeopt.store.store import Store
from edgeopt.units import format_seconds

RESULT = RESULTS / "store.md"
WRITER = Path(__file__).with_name("writer.py")
COMMAND = [sys.executable, "-m", "edgeopt", "runs"]
PROCESSES = 10
LIST_BAR_SECONDS = 0.5
RUNS_PER_WRITER = 100
# A writer needs about 0.3 s to start and a few ms per run: kills fall before, between and within runs.
LATEST_KILL_SECONDS = 1.0
# A store is read whole after each kill, so it must not grow without end.
KILLS_PER_STORE = 20

Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A row of the result and whether the bar was reached."""

    row: Row
    is_reached: bool


def main() -> int:
    """Run all three and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="edgeopt-store-") as folder:
        template = _template(Path(folder, "template.json"))
        parts = (
            list_many(Path(folder, "many"), options.runs, template),
            write_at_once(Path(folder, "writers"), options.writers, template),
            kill_often(Path(folder, "kills"), options.kills, options.seed, template),
        )
        for each in (each for part in parts for each in part):
            print(" | ".join(each.row), "" if each.is_reached else "MISSED", flush=True)
            found.append(each)
    if options.write:
        about = "The record of runs (`.edgeopt/`): how fast it lists, and what it loses to other writers and to kills."
        header = ("figure", "measured", "bar")
        write_result(RESULT, title="The record under load", about=about, header=header, rows=[f.row for f in found])
    return 0 if all(each.is_reached for each in found) else 1


def list_many(place: Path, runs: int, template: Path) -> Iterator[Found]:
    """How long `edgeopt runs list` takes as a whole process in a store of so many runs."""
    place.mkdir()
    store = Store(place / ".edgeopt")
    start = time.perf_counter()
    _fill(store, runs, template)
    made = format_seconds(time.perf_counter() - start)
    yield Found(row=(f"writing {runs:,} runs, not waiting for the disk, and the index", made, "none"), is_reached=True)
    assert store.count() == runs
    os.environ["EDGEOPT_STORE"] = str(store.folder)
    costs = [run_process([*COMMAND, "list"]) for _ in range(PROCESSES)]
    assert all(cost.exit_code == 0 for cost in costs)
    times = sorted(cost.wall_seconds for cost in costs)
    median = statistics.median(times)
    measured = f"{format_seconds(median)} (fastest {format_seconds(times[0])}, slowest {format_seconds(times[-1])})"
    name = f"`edgeopt runs list` among {runs:,} runs, median of {PROCESSES} fresh processes"
    yield Found(row=(name, measured, f"at most {LIST_BAR_SECONDS} s"), is_reached=median <= LIST_BAR_SECONDS)


def write_at_once(place: Path, writers: int, template: Path) -> Iterator[Found]:
    """What is lost of the runs and files of so many processes that write at once."""
    store = _store_beside_shared(place)
    start = time.perf_counter()
    processes = [_start(store, f"writer{number}", RUNS_PER_WRITER, template) for number in range(writers)]
    said = [process.communicate() for process in processes]
    took = time.perf_counter() - start
    failed = sum(process.returncode != 0 or bool(errors) for process, (_, errors) in zip(processes, said, strict=True))
    wanted = {(f"writer{writer}", number) for writer in range(writers) for number in range(RUNS_PER_WRITER)}
    lost = len(wanted - _recorded(store))
    name = f"runs lost, {writers} processes at once, {RUNS_PER_WRITER} runs each"
    measured = f"{lost} of {len(wanted)} ({failed} processes failed; {format_seconds(took)})"
    yield Found(row=(name, measured, "0"), is_reached=lost == failed == 0)
    broken = _broken(store)
    yield Found(row=("store broken after that", broken or "no", "no"), is_reached=not broken)


def kill_often(place: Path, kills: int, seed: int, template: Path) -> Iterator[Found]:
    """What so many kills of a writer at random moments break and lose."""
    chance = random.Random(seed)
    place.mkdir()
    broken, collected, told = list[str](), 0, 0
    for first in range(0, kills, KILLS_PER_STORE):
        store, ids = _store_beside_shared(place / str(first)), set[str]()
        for number in range(first, min(first + KILLS_PER_STORE, kills)):
            lines = _kill_one(store, f"writer{number}", chance.uniform(0, LATEST_KILL_SECONDS), template)
            ids |= {line.split()[1] for line in lines}
            if store.index.path.exists():
                collected += 1
                trouble = _broken(store) or _lost(ids, store) or _refused(store)
                broken += [f"kill {number}: {trouble}"] if trouble else []
        told += len(ids)
        assert not ids or _recorded(store)
    for line in broken:
        print(line, file=sys.stderr)
    name = f"stores broken by {kills} kills (SIGKILL at random moments, seed {seed})"
    kept = "" if broken else ", all are there"
    measured = f"{len(broken)} of {collected} that had been begun ({told:,} runs were acknowledged{kept})"
    yield Found(row=(name, measured, "0"), is_reached=not broken and told > 0)


def _fill(store: Store, runs: int, template: Path) -> None:
    """Put records there as `add_run` writes them, without waiting for the disk; then have the index made from them."""
    run = run_from_file(template)
    store.add_run(_like(run, 0), {})
    sync, os.fsync = os.fsync, lambda _: None  # 10,000 waits for the disk are not what is measured
    try:
        for number in range(1, runs):
            store.objects.add_bytes(record_bytes({**_like(run, number).as_json(), STORED: []}))
    finally:
        os.fsync = sync
    store.rebuild()


def _like(run: Run, number: int) -> Run:
    """`run` as another one: of its own second and about a model of its own."""
    date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    artifact = {**run.artifacts[0], "path": f"model{number}.onnx", "sha256": f"{number:064x}"}
    environment = {**run.environment, "date": date.isoformat(timespec="seconds")}
    return replace(run, environment=environment, artifacts=(artifact,))


def _template(path: Path) -> Path:
    """The record of a real run, which all others are like."""
    command = [sys.executable, "-m", "edgeopt", "evaluate", str(DIGITS.model), "--data", str(DIGITS.data)]
    done = subprocess.run([*command, "--no-record", "--json"], capture_output=True, text=True, check=True)
    path.write_text(done.stdout)
    return path


def _store_beside_shared(place: Path) -> Store:
    place.mkdir()
    (place / "shared.onnx").write_bytes(b"shared weights" * 10_000)
    return Store(place / ".edgeopt")


def _start(store: Store, name: str, count: int, template: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), str(store.folder), name, str(count), str(template)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _kill_one(store: Store, name: str, seconds: float, template: Path) -> list[str]:
    """Kill a writer so long after its start; what it said, in whole lines."""
    process = _start(store, name, 1_000_000, template)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.kill()
    output, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    return output.splitlines() if output.endswith("\n") or not output else output.splitlines()[:-1]


def _recorded(store: Store) -> set[tuple[str, int]]:
    """Writer and number of every run, each read from its record with all files that it says are kept."""
    found = set()
    for entry in store.runs():
        record = store.load_record(entry.id)
        for file in record[STORED]:
            assert file["is_kept"], file["reason"]
            store.object_path(file["sha256"])
        found.add(tuple(record["writer"]))
    return found


def _lost(ids: set[str], store: Store) -> str:
    lost = ids - {entry.id for entry in store.runs()}
    return f"{len(lost)} acknowledged runs are lost" if lost else ""


def _broken(store: Store) -> str:
    """What is wrong with the index or an object; empty where nothing is."""
    with closing(sqlite3.connect(store.folder / "index.sqlite3")) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if sound != "ok":
        return f"index: {sound}"
    opened = Store(store.folder)
    listed = {entry.id for entry in opened.runs()}
    if opened.warnings:
        return "; ".join(opened.warnings)
    opened.rebuild()  # a run that was written whole and not yet named is taken in; none may go
    again = {entry.id for entry in opened.runs()}
    if gone := listed - again:
        return f"{len(gone)} runs of the index have no record"
    return "; ".join(opened.warnings)


def _refused(store: Store) -> str:
    """The first command of `edgeopt runs` that does not work; empty where all do."""
    environment = {**os.environ, "EDGEOPT_STORE": str(store.folder)}
    listed = subprocess.run([*COMMAND, "list", "--json"], capture_output=True, text=True, env=environment, check=False)
    if listed.returncode:
        return f"runs list: {listed.stderr}"
    runs = json.loads(listed.stdout)["runs"]
    commands = [["gc"], *([["show", runs[0]["id"]]] if runs else [])]
    for command in commands:
        ended = subprocess.run([*COMMAND, *command], capture_output=True, text=True, env=environment, check=False)
        if ended.returncode:
            return f"runs {command[0]}: {ended.stderr}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
