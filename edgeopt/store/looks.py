"""Which candidates were judged on which samples: looks, which use up what the samples can prove.

A candidate that was chosen since it did best on some samples does worse on others. So it matters how many candidates
were judged on the same samples, whatever became of the runs that did it: looks of dropped runs are kept in a record of
their own.

History: schema 1 of that record, the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import Any, NamedTuple

from edgeopt.store.objects import is_digest

LOOKS_SCHEMA = 1
_CANDIDATE = "candidate"


class Look(NamedTuple):
    """One candidate judged on some samples.

    Attributes:
        data: Digest of the file that holds the samples; where it has none, its name.
        rows: Digest of which rows of it were judged.
        artifact: Digest of the candidate.
    """

    data: str
    rows: str
    artifact: str


def looks_of_run(record: dict[str, Any]) -> Iterator[Look]:
    """The looks that a run's record tells of under `judged`; none where it does not."""
    judged = record.get("judged")
    if not isinstance(judged, dict):
        return
    data, rows = judged.get("sha256") or judged.get("source"), judged.get("rows")
    if not (isinstance(data, str) and isinstance(rows, str) and data and rows):
        return
    for artifact in record["artifacts"]:
        if is_digest(artifact.get("sha256")) and artifact.get("role", _CANDIDATE) == _CANDIDATE:
            yield Look(data, rows, artifact["sha256"])


def looks_record(looks: Iterable[Look]) -> dict[str, Any]:
    """The JSON form of looks whose runs are dropped."""
    return {"schema": LOOKS_SCHEMA, "looks": [list(look) for look in sorted(set(looks))]}


def looks_of_record(record: dict[str, Any]) -> Iterator[Look]:
    """The looks that `looks_record` wrote down."""
    return (Look(*look) for look in record["looks"])


def is_looks_record(record: dict[str, Any]) -> bool:
    """Whether `looks_record` wrote it."""
    looks = record.get("looks")
    return (
        record.get("schema") == LOOKS_SCHEMA
        and isinstance(looks, list)
        and all(isinstance(look, list) and len(look) == len(Look._fields) for look in looks)
        and all(isinstance(part, str) for look in looks for part in look)
    )


def insert_looks(connection: Connection, sha256: str, looks: Iterable[Look]) -> None:
    """Enter looks that the record with the digest `sha256` tells of."""
    rows = [(*look, sha256) for look in looks]
    connection.executemany("INSERT OR IGNORE INTO looks VALUES (?, ?, ?, ?)", rows)


def delete_looks(connection: Connection, records: Iterable[str]) -> None:
    """Take out what these records tell."""
    connection.executemany("DELETE FROM looks WHERE record = ?", [(record,) for record in records])


def count_looks(connection: Connection, data: str, rows: str, *, besides: str) -> int:
    """How many candidates but `besides` were judged on these rows of that data."""
    query = "SELECT count(DISTINCT artifact) FROM looks WHERE data = ? AND rows = ? AND artifact <> ?"
    return int(connection.execute(query, (data, rows, besides)).fetchone()[0])


def looks_of_runs(connection: Connection, runs: Iterable[str]) -> set[Look]:
    """What these runs tell of."""
    query = "SELECT data, rows, artifact FROM looks WHERE record = ?"
    return {Look(*row) for run in runs for row in connection.execute(query, (run,))}


def looks_without_run(connection: Connection) -> tuple[set[Look], set[str]]:
    """Looks that no run tells of, and the digests of the records that do."""
    query = "SELECT data, rows, artifact, record FROM looks WHERE record NOT IN (SELECT id FROM runs)"
    told = [(Look(*row[:3]), row[3]) for row in connection.execute(query)]
    return {look for look, _ in told}, {record for _, record in told}
