"""The index of a store: an SQLite database that can be made again from the objects at any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from edgeopt.errors import InputError
from edgeopt.store.lock import PATIENCE_SECONDS, locked
from edgeopt.store.looks import insert_looks, looks_of_record
from edgeopt.store.objects import Objects
from edgeopt.store.record import kind_of_record, run_of_record
from edgeopt.store.tables import SCHEMA, count_runs, create_tables, insert_run, insert_step

Answer = TypeVar("Answer")

_NAME, _LOCK, _SET_ASIDE = "index.sqlite3", "lock", "index.sqlite3.damaged"
# What a file that is no database, a damaged one and one without our tables end in.
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_MOST_RECORD_BYTES = 2**28


@dataclass(frozen=True, slots=True)
class Index:
    """Access to the index of the store in `folder`; one connection per question, closed after it.

    Attributes:
        folder: Of the store.
        objects: What the index is made from.
        warnings: Takes what the user should know, such as that it was made again.
    """

    folder: Path
    objects: Objects
    warnings: list[str]

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / _NAME

    def read(self, query: Callable[[Connection], Answer]) -> Answer:
        """What `query` finds; an index that is missing, old or damaged is made again first.

        Where the folder cannot be written, the index is made in memory.
        """
        if not self.objects.folder.is_dir():
            return self._read_in_memory(query)
        try:
            with closing(self._connect(mode="rw")) as connection:
                connection.execute("BEGIN")
                if _schema_of(connection) == SCHEMA:
                    return query(connection)
        except sqlite3.Error:
            pass  # the two ways below find out whether it is damaged, missing or not to be written
        try:
            return self.write(query)
        except (OSError, sqlite3.Error) as error:
            self.warnings.append(f"the index of `{self.folder}` cannot be written ({error}): made again in memory")
            return self._read_in_memory(query)

    def write(self, change: Callable[[Connection], Answer]) -> Answer:
        """Do `change` in one transaction that no other writer takes part in; what it gives.

        Raises:
            InputError: Another process is writing for too long, or the index is of a newer edgeopt.
            OSError, sqlite3.Error: The disk refuses.
        """
        with self.locked():
            return self.transact(change)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other writers out."""
        with locked(self.folder / _LOCK):
            yield

    def transact(self, change: Callable[[Connection], Answer]) -> Answer:
        """`write`, for a caller that has the lock."""
        try:
            return self._transact(change)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        return self._transact(change)

    def fill(self, connection: Connection) -> tuple[str, ...]:
        """Make all tables from the objects, each of which is read and checked; digests of damaged ones."""
        create_tables(connection)
        damaged = []
        for sha256 in self.objects:
            if self.objects.damage(sha256):
                damaged.append(sha256)
            else:
                self._enter(connection, sha256)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        if damaged:
            named = ", ".join(sha256[:12] for sha256 in damaged)
            self.warnings.append(f"damaged objects in the record `{self.folder}`, which count as missing: {named}")
        return tuple(damaged)

    def _transact(self, change: Callable[[Connection], Answer]) -> Answer:
        with closing(self._connect(mode="rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            self._upgrade(connection)
            answer = change(connection)
            connection.execute("COMMIT")
            return answer

    def _connect(self, *, mode: str) -> Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None)

    def _upgrade(self, connection: Connection) -> None:
        """Bring the index to this schema: whatever it was, it is made again from the objects."""
        schema = _schema_of(connection)
        if schema > SCHEMA:
            raise InputError(
                f"`{self.path}` has schema `{schema}`, this edgeopt reads {SCHEMA}", hint="upgrade edgeopt"
            )
        if schema < SCHEMA:
            self.fill(connection)
            if runs := count_runs(connection):
                self.warnings.append(f"the index of `{self.folder}` was made again from its objects: {runs} run(s)")

    def _enter(self, connection: Connection, sha256: str) -> None:
        path = self.objects.path_of(sha256)
        with path.open("rb") as stream:
            if stream.read(1) != b"{" or path.stat().st_size > _MOST_RECORD_BYTES:
                return
        content = path.read_bytes()
        kind, record = kind_of_record(content)
        try:
            if kind == "run":
                run_of_record(record, where=sha256[:12])
                insert_run(connection, sha256, record)
            elif kind == "step":
                insert_step(connection, sha256, record)
            elif kind == "looks":
                insert_looks(connection, sha256, looks_of_record(record))
        except (InputError, KeyError, TypeError, ValueError) as error:
            self.warnings.append(f"object `{sha256[:12]}` of `{self.folder}` is left out: {error}")

    def _read_in_memory(self, query: Callable[[Connection], Answer]) -> Answer:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            self.fill(connection)
            return query(connection)

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Move a damaged index away, with the log that belongs to it: another database would take it for its own."""
        self.path.replace(self.folder / _SET_ASIDE)
        for ending in ("-wal", "-shm"):
            (self.folder / f"{_NAME}{ending}").unlink(missing_ok=True)
        self.warnings.append(f"the index of `{self.folder}` was damaged ({error}): it lies in `{_SET_ASIDE}` now")


def _schema_of(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is to blame, not the disk or another process."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
