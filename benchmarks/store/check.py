"""Whether a store is whole, as its files and its index say and as the program finds it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from places import EDGEOPT

from edgeopt.errors import InputError
from edgeopt.store.store import Store
from edgeopt.store.tables import select_runs

_TABLES = ("runs", "artifacts", "run_artifacts", "steps", "looks")


def faults(folder: Path, acknowledged: set[str]) -> list[str]:
    """What is wrong with the store in `folder`; nothing where it is whole.

    Args:
        folder: Of the store.
        acknowledged: Ids of the runs that a writer was told are recorded.
    """
    store = Store(folder)
    try:
        listed = {entry.id for entry in store.runs()}
        found = [*_index_faults(store), *_object_faults(store, listed)]
    except InputError as error:
        return [error.message]
    found += [f"run {run} was acknowledged and is gone" for run in acknowledged - listed]
    found += store.warnings
    return found + _command_faults(folder, acknowledged)


def _index_faults(store: Store) -> list[str]:
    """Whether SQLite finds the index sound, and every row of it is one that the objects give."""
    with closing(sqlite3.connect(store.index.path)) as connection, closing(sqlite3.connect(":memory:")) as made:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        store.index.fill(made)
        lost = [name for name in _TABLES if _rows(connection, name) - _rows(made, name)]
        known = {entry.id for entry in select_runs(made)}
        extra = {entry.id for entry in select_runs(connection)} - known
    found = [] if sound == "ok" else [f"the index is damaged: {sound}"]
    found += [f"table {name} holds what the objects do not" for name in lost]
    return found + [f"run {run} is listed and has no record" for run in extra]


def _rows(connection: sqlite3.Connection, name: str) -> set[tuple]:
    return set(connection.execute(f"SELECT * FROM {name}"))


def _object_faults(store: Store, listed: set[str]) -> list[str]:
    """Whether every listed run and all files that it says are kept are there and undamaged."""
    found = []
    for run in listed:
        kept = [file["sha256"] for file in store.load_record(run)["stored"] if file["is_kept"]]
        found += [f"object {sha256} of run {run} {told}" for sha256 in kept if (told := store.objects.damage(sha256))]
    return found


def _command_faults(folder: Path, acknowledged: set[str]) -> list[str]:
    """Whether `edgeopt runs` lists, shows and cleans up without a word of warning."""
    shown = [["show", run] for run in sorted(acknowledged)[:1]]
    found = []
    for arguments in (["list"], *shown, ["gc"]):
        left = subprocess.run(
            [EDGEOPT, "runs", *arguments, "--json"],
            env={**os.environ, "EDGEOPT_STORE": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if left.returncode or left.stderr or not json.loads(left.stdout):
            found.append(f"edgeopt runs {arguments[0]} exits {left.returncode}: {left.stderr}")
    return found
