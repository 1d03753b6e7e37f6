"""What a store can do without: old runs, and the objects that nothing names any more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from edgeopt.store.index import Index
from edgeopt.store.looks import (
    delete_looks,
    insert_looks,
    looks_of_runs,
    looks_record,
    looks_without_run,
)
from edgeopt.store.objects import Objects
from edgeopt.store.record import RunEntry, record_bytes
from edgeopt.store.tables import (
    artifacts_of_run,
    delete_runs,
    delete_steps,
    delete_unnamed_artifacts,
    named_objects,
    select_accepted,
    select_artifact,
    select_runs,
    steps_before,
    steps_of_no_run,
)

# A writer writes objects first and names them afterwards; none takes an hour for it.
GRACE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What `collect_garbage` drops, or would.

    Attributes:
        runs: The runs.
        ancestors: Runs that would be dropped, had they not made what a run that stays is about.
        accepted: Runs that would be dropped, were they not the accepted baseline of a configuration.
        steps: Number of cached steps.
        objects: Number of objects.
        size_bytes: Size of these and of unfinished files.
        damaged: Digests of the objects among them that are damaged.
        is_dry_run: Whether nothing was dropped.
    """

    runs: tuple[RunEntry, ...] = ()
    ancestors: tuple[RunEntry, ...] = ()
    accepted: tuple[RunEntry, ...] = ()
    steps: int = 0
    objects: int = 0
    size_bytes: int = 0
    damaged: tuple[str, ...] = ()
    is_dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is dropped, under its JSON keys."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "ancestors": [run.as_json() for run in self.ancestors],
            "accepted": [run.as_json() for run in self.accepted],
            "steps": self.steps,
            "objects": self.objects,
            "size_bytes": self.size_bytes,
            "damaged": list(self.damaged),
            "dry_run": self.is_dry_run,
        }


def collect_garbage(index: Index, *, keep: int | None, before: float | None, now: float, dry_run: bool) -> Garbage:
    """Make the index again from the objects, drop runs from it, and remove what then has no name.

    Rows go first and records before what they name, so that a process killed in between leaves no record of a run whose
    files are gone, and at most records that the next collection drops. The looks of dropped runs are kept in a record
    of their own, which is written before.

    Args:
        index: Of the store.
        keep: How many of the latest runs stay, and of the cached steps those that made what they name; None for all.
        before: Runs and steps from before that time go, in seconds since 1970; None for none.
        now: Seconds since 1970.
        dry_run: Only find what would go.
    """
    with index.locked():
        waste = index.transact(
            lambda connection: _sort_out(connection, index, keep=keep, before=before, now=now, dry_run=dry_run)
        )
        paths = [*map(index.objects.path_of, (*waste.records, *waste.others)), *waste.unfinished]
        sizes = [path.stat().st_size for path in paths]
        if not dry_run:
            for path in paths:
                path.unlink()
    return Garbage(
        runs=waste.runs,
        ancestors=waste.ancestors,
        accepted=waste.accepted,
        steps=len(waste.steps),
        objects=len(waste.records) + len(waste.others),
        size_bytes=sum(sizes),
        damaged=waste.damaged,
        is_dry_run=dry_run,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waste:
    """What goes: rows of the index, and files.

    Attributes:
        runs: Runs that go.
        ancestors: Runs that stay for their descendants' sake.
        accepted: Runs that stay since they are baselines.
        steps: Keys of cached steps that go.
        records: Digests of the records of `runs`.
        others: Digests of the other objects that go.
        damaged: Those among them that are damaged.
        unfinished: Files that a writer began and that none can still be writing.
    """

    runs: tuple[RunEntry, ...]
    ancestors: tuple[RunEntry, ...]
    accepted: tuple[RunEntry, ...]
    steps: tuple[str, ...]
    records: tuple[str, ...]
    others: tuple[str, ...]
    damaged: tuple[str, ...]
    unfinished: tuple[Path, ...]


def _sort_out(
    connection: Connection, index: Index, *, keep: int | None, before: float | None, now: float, dry_run: bool
) -> _Waste:
    damaged = index.fill(connection)
    connection.execute("SAVEPOINT complete")
    runs = select_runs(connection)
    cutoff = "" if before is None else datetime.fromtimestamp(before, UTC).isoformat(timespec="seconds")
    unwanted = {run.id for number, run in enumerate(runs) if (keep is not None and number >= keep) or run.date < cutoff}
    accepted = {run.id for run in select_accepted(connection)} & unwanted
    ancestors = _ancestors(connection, [run.id for run in runs if run.id not in unwanted - accepted]) & unwanted
    dropped = tuple(run for run in runs if run.id in unwanted - accepted - ancestors)
    _drop_runs(connection, index.objects, dropped, dry_run=dry_run)
    steps = _drop_steps(connection, cutoff, is_bounded=keep is not None and keep < len(runs))
    delete_unnamed_artifacts(connection)
    records = tuple(run.id for run in dropped)
    others = _unnamed(index.objects, named_objects(connection).union(records), now).union(damaged)
    if dry_run:
        connection.execute("ROLLBACK TO complete")
    return _Waste(
        runs=dropped,
        ancestors=tuple(run for run in runs if run.id in ancestors - accepted),
        accepted=tuple(run for run in runs if run.id in accepted),
        steps=steps,
        records=records,
        others=tuple(sorted(others)),
        damaged=damaged,
        unfinished=tuple(path for path in index.objects.unfinished() if _is_old(path, now)),
    )


def _drop_runs(connection: Connection, objects: Objects, runs: Sequence[RunEntry], *, dry_run: bool) -> None:
    """Take runs out; what they looked at is told by one record from now on, together with what older ones told."""
    ids = [run.id for run in runs]
    before, records = looks_without_run(connection)
    told = looks_of_runs(connection, ids)
    delete_runs(connection, ids)
    if not told - before:
        return
    delete_looks(connection, records)
    content = record_bytes(looks_record(told | before))
    sha256 = hashlib.sha256(content).hexdigest() if dry_run else objects.add_bytes(content)
    insert_looks(connection, sha256, told | before)


def _drop_steps(connection: Connection, cutoff: str, *, is_bounded: bool) -> tuple[str, ...]:
    """Take out steps from before `cutoff`; bounded, also those that made what no run names. Their keys."""
    steps = {*steps_before(connection, cutoff), *(steps_of_no_run(connection) if is_bounded else ())}
    delete_steps(connection, steps)
    return tuple(sorted(steps))


def _unnamed(objects: Objects, named: set[str], now: float) -> set[str]:
    return {sha256 for sha256 in objects if sha256 not in named and _is_old(objects.path_of(sha256), now)}


def _ancestors(connection: Connection, runs: list[str]) -> set[str]:
    """Runs that made what `runs` are about, and what these were made from, and so on."""
    waiting = [artifact for run in runs for artifact in artifacts_of_run(connection, run)]
    makers, seen = set[str](), set[str]()
    while waiting:
        artifact = waiting.pop()
        if artifact in seen:
            continue
        seen.add(artifact)
        found = select_artifact(connection, artifact)
        if found is None or not found["lineage"]:
            continue
        waiting.append(str(found["lineage"].get("parent", "")))
        if found["made_by"] and found["made_by"] not in makers:
            makers.add(found["made_by"])
            waiting += artifacts_of_run(connection, found["made_by"])
    return makers


def _is_old(path: Path, now: float) -> bool:
    try:
        return now - path.stat().st_mtime > GRACE_SECONDS
    except FileNotFoundError:  # its writer has just finished it
        return False
