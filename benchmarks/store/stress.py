"""How the record keeps up: with many runs, with many writers at once, and with writers that are killed.

Bars: with 10,000 runs `edgeopt runs list` takes 0.5 s as a whole process (median of 10); 8 processes that write at once
lose nothing; 100 kills at random moments leave 0 stores broken.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from check import faults
from places import EDGEOPT, RESULTS
from process import run_process
from record import write_result

from edgeopt.core.run import Run
from edgeopt.measure.environment import environment
from edgeopt.store.record import record_bytes
from edgeopt.store.store import Store
from edgeopt.units import format_seconds

Row = tuple[str, str, str]

WRITER = str(Path(__file__).with_name("writer.py"))
LISTINGS, LIST_BAR_SECONDS = 10, 0.5
WRITERS, RUNS_OF_EACH = 8, 100


def main() -> None:
    """Do all of it and say what is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="runs that are recorded one by one (%(default)s)")
    parser.add_argument("--more", type=int, default=90_000, help="runs that are put beside them (%(default)s)")
    parser.add_argument("--kills", type=int, default=100, help="writers that are killed (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/results/store.md")
    options = parser.parse_args()
    studies: list[Callable[[Path], list[Row]]] = [
        many_writers,
        lambda folder: killed_writers(folder, options.kills, options.seed),
        lambda folder: many_runs(folder, options.runs, options.more),
    ]
    rows = []
    for study in studies:
        with tempfile.TemporaryDirectory(prefix="edgeopt-store-") as name:
            rows += study(Path(name))
    for name, value, bar in rows:
        print(f"{name}: {value} (bar: {bar})")
    if options.write:
        write_result(
            RESULTS / "store.md",
            title="The record under load",
            about="Each run has a record of about 1 KB; writers keep two files with it, one of 20 KB and one that all "
            "share, and clean up while they write. A store is broken where SQLite finds the index unsound, the index "
            "says what the objects do not, a run that was acknowledged or a file of it is gone or damaged, or "
            "`edgeopt runs list`, `show` or `gc` fails or warns.",
            header=("figure", "measured", "bar"),
            rows=rows,
        )


def many_runs(place: Path, count: int, more: int) -> list[Row]:
    """Runs recorded one by one, listed; and again with many more beside them."""
    store = Store(place / ".edgeopt")
    here = environment()
    start = time.perf_counter()
    for number in range(count):
        store.add_run(_run(here, number), {})
    made = time.perf_counter() - start
    rows = [
        (f"{count:,} runs recorded one by one", f"{made:.0f} s ({format_seconds(made / count)} each)", "none"),
        (f"`edgeopt runs list`, {count:,} runs, whole process", *_listing(store, count)),
        (f"index of {count:,} runs made again", _rebuilding(store, count), "none"),
    ]
    if not more:
        return rows
    for number in range(count, count + more):
        _put(store, record_bytes({**_run(here, number).as_json(), "stored": []}))
    again = _rebuilding(store, count + more)
    listed, _ = _listing(store, count + more)
    total = f"{count + more:,} runs"
    return [
        *rows,
        (f"`edgeopt runs list`, {total}, whole process", listed, "none"),
        (f"index of {total} made again", again, "none"),
    ]


def many_writers(place: Path) -> list[Row]:
    """Processes that write at once."""
    folder = _store_with_shared_model(place)
    start = time.perf_counter()
    processes = [_writer(folder, f"writer{number}", RUNS_OF_EACH) for number in range(WRITERS)]
    told = [process.communicate() for process in processes]
    seconds = time.perf_counter() - start
    failed = sum(process.returncode != 0 for process in processes)
    acknowledged = {line for out, _ in told for line in out.splitlines()}
    found = faults(folder, acknowledged)
    for line in (*found, *(errors for _, errors in told if errors)):
        print(line)
    kept = len({entry.id for entry in Store(folder).runs()} & acknowledged)
    lost = WRITERS * RUNS_OF_EACH - kept
    return [
        (
            f"{WRITERS} processes that write {RUNS_OF_EACH} runs each at once: lost",
            f"{lost} of {WRITERS * RUNS_OF_EACH} runs, {failed} processes failed, {len(found)} faults",
            "0",
        ),
        ("the same: time", f"{seconds:.0f} s ({format_seconds(seconds / WRITERS / RUNS_OF_EACH)} a run)", "none"),
    ]


def killed_writers(place: Path, kills: int, seed: int) -> list[Row]:
    """Writers killed one after the other; the store is looked at after each."""
    folder, chance = _store_with_shared_model(place), random.Random(seed)
    acknowledged: set[str] = set()
    broken, begun = 0, 0
    for number in range(kills):
        acknowledged |= _kill_one(folder, f"writer{number}", chance)
        begun += bool(list(Store(folder).objects.unfinished()))
        found = faults(folder, acknowledged) if (folder / "objects").is_dir() else []
        broken += bool(found)
        for line in found:
            print(f"kill {number}: {line}")
    return [
        (f"stores broken by {kills} kills at random moments (seed {seed})", str(broken), "0"),
        ("the same: runs acknowledged, all of them there", f"{len(acknowledged):,}", "none"),
        ("the same: kills that left an unfinished file, which `gc` drops an hour later", str(begun), "none"),
    ]


def _kill_one(folder: Path, name: str, chance: random.Random) -> set[str]:
    """Kill a writer after some of its runs, at a random moment; the runs that it said were recorded."""
    process = _writer(folder, name, 10_000)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(chance.choice((0, 1, 3, 12)))]
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=chance.uniform(0, 0.3))
    process.kill()
    rest, errors = process.communicate()
    if errors:
        print(errors)
    return {line.strip() for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n")}


def _writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _store_with_shared_model(place: Path) -> Path:
    (place / "shared.onnx").write_bytes(b"shared weights" * 10_000)
    return place / ".edgeopt"


def _listing(store: Store, count: int) -> tuple[str, str]:
    """Median and worst of fresh processes that list the runs, and the bar."""
    os.environ["EDGEOPT_STORE"] = str(store.folder)
    costs = [run_process([EDGEOPT, "runs", "list"]) for _ in range(LISTINGS)]
    assert all(cost.exit_code == 0 for cost in costs)
    assert store.count() == count
    seconds = [cost.wall_seconds for cost in costs]
    told = f"{format_seconds(statistics.median(seconds))}, the slowest of {LISTINGS} {format_seconds(max(seconds))}"
    return told, f"at most {LIST_BAR_SECONDS:g} s"


def _rebuilding(store: Store, count: int) -> str:
    start = time.perf_counter()
    assert store.rebuild() == count
    return f"{time.perf_counter() - start:.1f} s"


def _put(store: Store, content: bytes) -> None:
    """An object, not brought to the disk one by one: that would take an hour for 100,000."""
    synced, os.fsync = os.fsync, lambda _: None
    try:
        store.objects.add_bytes(content)
    finally:
        os.fsync = synced


def _run(here: dict, number: int) -> Run:
    date = f"2026-{1 + number // 2_500_000:02}-{1 + number // 86_400 % 28:02}"
    clock = f"{number // 3_600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    own = {"verdict": "passed", "number": number, "latency": {"comparison": {"ratio": 1.5, "origin": "host"}}}
    environment = {**here, "date": f"{date}T{clock}+00:00"}
    artifact = {"path": f"model{number}.onnx", "sha256": f"{number:064x}", "size_bytes": 100_000, "role": "candidate"}
    return Run(command="gate", environment=environment, artifacts=(artifact,), measurements=(), own=own)


if __name__ == "__main__":
    main()
