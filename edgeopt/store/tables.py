"""The tables of the index: what stands in them, written and looked up.

History: schema 1, the first; 2 knows accepted runs and looks. An older index is made again from the objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from edgeopt.store.looks import delete_looks, insert_looks, looks_of_run
from edgeopt.store.objects import is_digest
from edgeopt.store.record import CANDIDATE, STORED, CachedStep, RunEntry, entry_of_run, step_of_record, utc_date

SCHEMA = 2
_MOST_BYTES = 2**63 - 1  # the largest integer of SQLite
_TABLES = {
    "runs": "id TEXT PRIMARY KEY, date TEXT, command TEXT, edgeopt TEXT, machine TEXT, candidate TEXT, headline TEXT,"
    " accepted TEXT, accepted_for TEXT, accepted_on TEXT",
    "artifacts": "sha256 TEXT PRIMARY KEY, path TEXT, format TEXT, size_bytes INTEGER, lineage TEXT, made_by TEXT",
    "run_artifacts": "run TEXT, artifact TEXT, role TEXT, PRIMARY KEY (run, artifact, role)",
    "steps": "key TEXT PRIMARY KEY, date TEXT, artifact TEXT, record TEXT, details TEXT",
    "looks": "data TEXT, rows TEXT, artifact TEXT, record TEXT, PRIMARY KEY (data, rows, artifact, record)",
}
_INDEXES = {
    "runs_by_date": "runs (date)",
    "accepted_runs": "runs (accepted_for, accepted_on) WHERE accepted <> ''",
    "runs_of_artifact": "run_artifacts (artifact)",
    "steps_of_artifact": "steps (artifact)",
    "looks_of_record": "looks (record)",
}
_RUN_COLUMNS = "id, date, command, edgeopt, machine, candidate, headline, accepted"
# The earliest run that says where an artifact came from is believed, in whatever order they are entered; one that does
# not say gives way to one that does, and a cached step, which no run made, to a run that says it too.
_ADD_ARTIFACT = """
INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET
path = excluded.path, format = excluded.format, lineage = excluded.lineage, made_by = excluded.made_by
WHERE excluded.lineage <> '{}' AND (
    artifacts.lineage = '{}'
    OR (artifacts.made_by = '' AND excluded.made_by <> '')
    OR (SELECT date FROM runs WHERE id = excluded.made_by) < (SELECT date FROM runs WHERE id = artifacts.made_by)
)
"""


def create_tables(connection: Connection) -> None:
    """Make all tables anew; what stood in them is gone."""
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(f"CREATE TABLE {name} ({columns})")
    for name, columns in _INDEXES.items():
        connection.execute(f"CREATE INDEX {name} ON {columns}")


def insert_run(connection: Connection, sha256: str, record: dict[str, Any]) -> RunEntry:
    """Enter a run, its artifacts, its files and its looks."""
    entry = entry_of_run(sha256, record)
    values = (entry.id, entry.date, entry.command, entry.version, entry.machine, entry.candidate, _text(entry.headline))
    query = "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    connection.execute(query, (*values, *_accepted_values(entry)))
    insert_looks(connection, sha256, looks_of_run(record))
    for artifact in (*record["artifacts"], *record.get(STORED, ())):
        if is_digest(artifact.get("sha256")):
            _insert_artifact(connection, artifact, made_by=sha256)
            names = (sha256, artifact["sha256"], str(artifact.get("role", CANDIDATE)))
            connection.execute("INSERT OR IGNORE INTO run_artifacts VALUES (?, ?, ?)", names)
    return entry


def insert_step(connection: Connection, sha256: str, record: dict[str, Any]) -> CachedStep:
    """Enter a cached step, whose record has the digest `sha256`; of two with one key the younger stays."""
    step = step_of_record(record)
    _insert_artifact(connection, record["made"], made_by="")
    connection.execute(
        "INSERT INTO steps VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET date = excluded.date,"
        " artifact = excluded.artifact, record = excluded.record, details = excluded.details"
        " WHERE excluded.date >= steps.date",
        (step.key, step.date, step.artifact, sha256, _text(step.details)),
    )
    return step


def delete_runs(connection: Connection, ids: Sequence[str]) -> None:
    """Take runs out."""
    rows = [(run,) for run in ids]
    connection.executemany("DELETE FROM runs WHERE id = ?", rows)
    connection.executemany("DELETE FROM run_artifacts WHERE run = ?", rows)
    delete_looks(connection, ids)


def delete_steps(connection: Connection, keys: Iterable[str]) -> None:
    """Take cached steps out, and the lineages that they alone told."""
    connection.executemany("DELETE FROM steps WHERE key = ?", [(key,) for key in keys])
    connection.execute(
        "UPDATE artifacts SET lineage = '{}' WHERE lineage <> '{}' AND made_by = ''"
        " AND sha256 NOT IN (SELECT artifact FROM steps)"
    )


def delete_unnamed_artifacts(connection: Connection) -> None:
    """Take artifacts out that no run and no step names."""
    connection.execute(
        "DELETE FROM artifacts WHERE sha256 NOT IN (SELECT artifact FROM run_artifacts)"
        " AND sha256 NOT IN (SELECT artifact FROM steps)"
    )


def select_runs(connection: Connection, *, limit: int | None = None, artifact: str | None = None) -> list[RunEntry]:
    """Runs, the latest first: all of them or `limit`, of any artifact or of one."""
    rows = connection.execute(
        f"SELECT {_RUN_COLUMNS} FROM runs"  # noqa: S608  the columns are ours
        " WHERE :artifact IS NULL OR id IN (SELECT run FROM run_artifacts WHERE artifact = :artifact)"
        " ORDER BY date DESC, rowid DESC LIMIT :limit",
        {"artifact": artifact, "limit": -1 if limit is None else limit},
    )
    return [_entry(row) for row in rows]


def select_runs_like(connection: Connection, prefix: str, *, limit: int) -> list[RunEntry]:
    """Runs whose id begins with `prefix`, which is hexadecimal; the latest first, at most `limit`."""
    rows = connection.execute(
        f"SELECT {_RUN_COLUMNS} FROM runs WHERE id GLOB ? ORDER BY date DESC, rowid DESC LIMIT ?",  # noqa: S608  ours
        (f"{prefix}*", limit),
    )
    return [_entry(row) for row in rows]


def select_latest_accepted(connection: Connection, config: str | None = None) -> RunEntry | None:
    """The run that was accepted last, for any configuration or for the one of that name."""
    row = connection.execute(
        f"SELECT {_RUN_COLUMNS} FROM runs"  # noqa: S608  the columns are ours
        " WHERE accepted <> '' AND (:config IS NULL OR accepted_for = :config)"
        " ORDER BY accepted_on DESC, rowid DESC LIMIT 1",
        {"config": config},
    ).fetchone()
    return _entry(row) if row else None


def select_accepted(connection: Connection) -> list[RunEntry]:
    """The run that was accepted last, of each configuration for which one ever was."""
    names = [row[0] for row in connection.execute("SELECT DISTINCT accepted_for FROM runs WHERE accepted <> ''")]
    found = (select_latest_accepted(connection, name) for name in names)
    return [entry for entry in found if entry]


def select_run(connection: Connection, run: str) -> RunEntry | None:
    """The run with that id."""
    row = connection.execute(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", (run,)).fetchone()  # noqa: S608  ours
    return _entry(row) if row else None


def count_runs(connection: Connection) -> int:
    """Number of runs."""
    return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def run_ids(connection: Connection, prefix: str, *, limit: int) -> list[str]:
    """Ids of runs that begin with `prefix`, which is hexadecimal; at most `limit`."""
    rows = connection.execute("SELECT id FROM runs WHERE id GLOB ? ORDER BY id LIMIT ?", (f"{prefix}*", limit))
    return [row[0] for row in rows]


def artifact_ids(connection: Connection, prefix: str, *, limit: int) -> list[str]:
    """Digests of artifacts that begin with `prefix`, which is hexadecimal; at most `limit`."""
    query = "SELECT sha256 FROM artifacts WHERE sha256 GLOB ? ORDER BY sha256 LIMIT ?"
    return [row[0] for row in connection.execute(query, (f"{prefix}*", limit))]


def select_artifact(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """`path`, `format`, `size_bytes`, `lineage` and `made_by` (the id of the run that tells the lineage)."""
    query = "SELECT path, format, size_bytes, lineage, made_by FROM artifacts WHERE sha256 = ?"
    row = connection.execute(query, (sha256,)).fetchone()
    if row is None:
        return None
    path, kind, size, lineage, made_by = row
    return {
        "path": path,
        "format": kind,
        "size_bytes": size,
        "lineage": json.loads(lineage),
        "made_by": made_by,
    }


def artifacts_of_run(connection: Connection, run: str) -> dict[str, str]:
    """Digest -> role of what a run names."""
    return dict(connection.execute("SELECT artifact, role FROM run_artifacts WHERE run = ? ORDER BY rowid", (run,)))


def select_step(connection: Connection, key: str) -> CachedStep | None:
    """The cached step with that key."""
    row = connection.execute("SELECT key, artifact, details, date FROM steps WHERE key = ?", (key,)).fetchone()
    return CachedStep(key=row[0], artifact=row[1], details=json.loads(row[2]), date=row[3]) if row else None


def steps_of_no_run(connection: Connection) -> list[str]:
    """Keys of the steps that made what no run names."""
    query = "SELECT key FROM steps WHERE artifact NOT IN (SELECT artifact FROM run_artifacts)"
    return [row[0] for row in connection.execute(query)]


def record_of_step(connection: Connection, artifact: str) -> str:
    """Digest of the record of the first step that made an artifact; empty where none did."""
    query = "SELECT record FROM steps WHERE artifact = ? ORDER BY date, key LIMIT 1"
    row = connection.execute(query, (artifact,)).fetchone()
    return str(row[0]) if row else ""


def steps_before(connection: Connection, date: str) -> list[str]:
    """Keys of the steps that were done before `date`."""
    return [row[0] for row in connection.execute("SELECT key FROM steps WHERE date < ?", (date,))]


def named_objects(connection: Connection) -> set[str]:
    """Digests of all objects that a run or a step names, and of all records."""
    query = (
        "SELECT id FROM runs UNION SELECT artifact FROM run_artifacts UNION SELECT record FROM looks"
        " UNION SELECT record FROM steps UNION SELECT artifact FROM steps"
    )
    return {row[0] for row in connection.execute(query)}


def _insert_artifact(connection: Connection, artifact: dict[str, Any], *, made_by: str) -> None:
    sha256, told = artifact["sha256"], artifact.get("lineage")
    # A model that was put in its own place (`quantize --prefer latency`) did not come from itself.
    lineage = told if isinstance(told, dict) and told.get("parent") != sha256 else {}
    size = artifact.get("size_bytes")
    values = (
        sha256,
        str(artifact.get("path", "")),
        str(artifact.get("format", "")),
        size if isinstance(size, int) and 0 <= size <= _MOST_BYTES else None,
        _text(lineage),
        made_by if lineage else "",
    )
    connection.execute(_ADD_ARTIFACT, values)


def _entry(row: tuple[Any, ...]) -> RunEntry:
    return RunEntry(
        id=row[0],
        date=row[1],
        command=row[2],
        version=row[3],
        machine=row[4],
        candidate=row[5],
        headline=json.loads(row[6]),
        accepted=json.loads(row[7]) if row[7] else None,
    )


def _accepted_values(entry: RunEntry) -> tuple[str, str, str]:
    """`accepted`, `accepted_for` and `accepted_on` of a run; empty where it was not accepted."""
    if entry.accepted is None:
        return ("", "", "")
    return (_text(entry.accepted), entry.accepted["config"], utc_date(entry.accepted["date"]) or entry.date)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
