"""The record of what was measured and made: runs, artifacts, and what came from what."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.run import Run
from edgeopt.errors import InputError
from edgeopt.store.garbage import Garbage, collect_garbage
from edgeopt.store.index import Index
from edgeopt.store.lineage import Lineage, trace
from edgeopt.store.looks import count_looks
from edgeopt.store.objects import Objects
from edgeopt.store.prefix import SHOWN_DIGITS, one_artifact, one_run, runs_like
from edgeopt.store.record import (
    CANDIDATE,
    STORED,
    CachedStep,
    RunEntry,
    record_bytes,
    run_of_record,
    step_record,
    utc_date,
)
from edgeopt.store.stored_file import StoredFile, keep_file, told_digests
from edgeopt.store.tables import (
    count_runs,
    insert_run,
    insert_step,
    select_artifact,
    select_latest_accepted,
    select_runs,
    select_step,
)

FOLDER = ".edgeopt"
VARIABLE = "EDGEOPT_STORE"


@dataclass(frozen=True, slots=True)
class Store:
    """The store in `folder`, which is made when something is first written to it.

    Attributes:
        folder: `.edgeopt`, or what EDGEOPT_STORE names.
        warnings: What the user should know of the store itself: an index made again, a damaged object.
    """

    folder: Path
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def find(cls, start: Path | None = None) -> Store:
        """The store that EDGEOPT_STORE names, else `.edgeopt` in `start`, by default the working directory."""
        named = os.environ.get(VARIABLE)
        return cls(Path(named) if named else (start or Path()) / FOLDER)

    @property
    def objects(self) -> Objects:
        """Its files."""
        return Objects(self.folder / "objects")

    @property
    def index(self) -> Index:
        """What is looked up in."""
        return Index(self.folder, self.objects, self.warnings)

    def add_run(self, run: Run, files: Mapping[str, Path]) -> RunEntry:
        """Record a run with copies of its files; recording it again changes nothing.

        Args:
            run: The run; without a date in its environment it gets that of now.
            files: Role -> file that belongs to it. One that is larger than 100 MB, is not there, or is not what the
                run says it is, is recorded by path and digest and not copied.

        Raises:
            InputError: The store cannot be written.
        """
        with self._told():
            self._create()
            dated = _with_date(run)
            told = told_digests(run)
            kept = [keep_file(self.objects, role, path, told.get(path, "")) for role, path in files.items()]
            record = {**dated.as_json(), STORED: [file.as_json() for file in kept]}
            content = record_bytes(record)
            sha256 = self.objects.add_bytes(content)

            def enter(connection: Connection) -> RunEntry:
                self._add_again(content, kept)
                return insert_run(connection, sha256, record)

            return self.index.write(enter)

    def runs(self, limit: int | None = None) -> list[RunEntry]:
        """Runs, the latest first; all of them, or at most `limit`."""
        with self._told():
            return self.index.read(lambda connection: select_runs(connection, limit=limit))

    def runs_like(self, prefix: str, limit: int) -> list[RunEntry]:
        """Runs whose id begins with `prefix`, the latest first, at most `limit`."""
        with self._told():
            return self.index.read(lambda connection: runs_like(connection, prefix, limit=limit))

    def latest_accepted(self, config: str | None = None) -> RunEntry | None:
        """The run that was accepted last as a baseline; None where none was.

        Args:
            config: Name of the configuration that it was accepted for; None for any.
        """
        with self._told():
            return self.index.read(lambda connection: select_latest_accepted(connection, config))

    def looks(self, data_sha256: str, rows: str, *, source: str = "", besides: str = "") -> int:
        """How many distinct candidates were judged on the same rows of the same data, dropped runs included.

        Args:
            data_sha256: Digest of the file that holds the data; empty where it has none.
            rows: Digest of which rows of it were judged.
            source: Name of the data, which counts where it has no digest.
            besides: Digest of a candidate that is not counted; empty to count all.
        """
        data = data_sha256 or source
        with self._told():
            return self.index.read(lambda connection: count_looks(connection, data, rows, besides=besides))

    def count(self) -> int:
        """Number of runs."""
        with self._told():
            return self.index.read(count_runs)

    def knows(self, sha256: str) -> bool:
        """Whether a run or a step names the artifact with that digest."""
        with self._told():
            return self.index.read(lambda connection: select_artifact(connection, sha256)) is not None

    def load_run(self, prefix: str) -> Run:
        """The run whose id begins with `prefix`.

        Raises:
            InputError: There is none, or more than one, or its record is damaged.
        """
        return run_of_record(self.load_record(prefix), where=prefix)

    def load_record(self, prefix: str) -> dict[str, Any]:
        """The JSON record of a run as it is stored: what `as_json` gave, and under `stored` its files.

        Raises:
            InputError: There is none, or more than one, or it is damaged.
        """
        with self._told():
            run = self.index.read(lambda connection: one_run(connection, prefix))
            record: dict[str, Any] = json.loads(self.objects.read(run))
            return record

    def object_path(self, sha256: str) -> Path:
        """Path of a file that the store holds, which is read to check it. Nobody may write to it.

        Raises:
            InputError: It is not there, or damaged.
        """
        with self._told():
            return self.objects.require(sha256)

    def lineage(self, prefix: str) -> Lineage:
        """Where an artifact came from.

        Args:
            prefix: Beginning of an artifact's digest, or of the id of a run: then its candidate is meant.

        Raises:
            InputError: There is none, or more than one.
        """
        with self._told():
            return self.index.read(
                lambda connection: trace(
                    connection,
                    one_artifact(connection, prefix),
                    is_kept=self.objects.has,
                    environment_of=self._environment,
                )
            )

    def collect_garbage(
        self,
        *,
        keep: int | None = None,
        older_than_seconds: float | None = None,
        dry_run: bool = False,
        now: float | None = None,
    ) -> Garbage:
        """Drop runs, then the objects that no run or step names; the index is made again from the objects first.

        A run that made what a later run is about stays with it, and so does the run that was accepted last for a
        configuration. What dropped runs looked at counts on (see `looks`). Objects younger than an hour stay, since a
        writer may be about to name them.

        Args:
            keep: How many of the latest runs stay; cached steps whose result none of them names go too. None for all.
            older_than_seconds: Runs and cached steps older than that go; None for none.
            dry_run: Only say what would go.
            now: Seconds since 1970; None for the clock's.

        Raises:
            InputError: The store cannot be written.
        """
        moment = time.time() if now is None else now
        before = None if older_than_seconds is None else moment - older_than_seconds
        with self._told():
            if not self.objects.folder.is_dir():
                return Garbage(is_dry_run=dry_run)
            return collect_garbage(self.index, keep=keep, before=before, now=moment, dry_run=dry_run)

    def rebuild(self) -> int:
        """Make the index again from the objects, each of which is read and checked; the number of runs.

        Raises:
            InputError: The store cannot be written.
        """
        with self._told():
            if self.objects.folder.is_dir():
                self.index.write(self.index.fill)
            return self.count()

    def cached_step(self, key: str) -> CachedStep | None:
        """What a step with that key made before; None where it was not done, or what it made is gone or damaged."""
        with self._told():
            found = self.index.read(lambda connection: select_step(connection, key))
            if found and (damage := self.objects.damage(found.artifact)):
                self.warnings.append(f"object `{found.artifact[:SHOWN_DIGITS]}` of `{self.folder}` {damage}")
                return None
            return found

    def remember_step(
        self,
        key: str,
        artifact: Artifact,
        details: dict[str, Any],
        *,
        file: Path | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> CachedStep | None:
        """Keep what a step made; None for an artifact that is not kept (see `add_run`), such as one in several files.

        Args:
            key: What `step_key` gave.
            artifact: What the step made.
            details: What it said of it, as JSON takes it.
            file: Where it lies now, while it is not yet at the artifact's path.
            environment: Machine and versions that it was done with.

        Raises:
            InputError: The store cannot be written.
        """
        with self._told():
            self._create()
            kept = keep_file(self.objects, CANDIDATE, file or artifact.path, artifact.sha256)
            if not kept.is_kept:
                return None
            self.objects.mend(kept.path, kept.sha256)
            step = CachedStep(key=key, artifact=artifact.sha256, details=details, date=_now())
            record = step_record(step, artifact.as_json(), environment or {})
            content = record_bytes(record)
            sha256 = self.objects.add_bytes(content)

            def enter(connection: Connection) -> CachedStep:
                self._add_again(content, [kept])
                return insert_step(connection, sha256, record)

            return self.index.write(enter)

    def _create(self) -> None:
        """Make the folder, and an index while there are no objects: one made later says that it was missing."""
        self.objects.folder.mkdir(parents=True, exist_ok=True)
        ignored = self.folder / ".gitignore"
        if not ignored.exists() or not ignored.stat().st_size:
            ignored.write_text("*\n")
        if not self.index.path.exists():
            self.index.write(lambda _: None)

    def _add_again(self, content: bytes, files: list[StoredFile]) -> None:
        """Put back what a garbage collection took between our writing it and our naming it, which we do now."""
        self.objects.add_bytes(content)
        for file in files:
            if file.is_kept and not self.objects.has(file.sha256, size_bytes=file.size_bytes):
                self.objects.add_file(file.path, file.sha256)

    def _environment(self, record: str) -> dict[str, Any]:
        """What the record of a run or of a cached step says of machine and versions."""
        try:
            environment: dict[str, Any] = json.loads(self.objects.read(record)).get("environment", {})
        except InputError as error:
            self.warnings.append(error.message)
            return {}
        return environment

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the disk refuses, as a failure that the user can act on."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the record `{self.folder}` cannot be used: {error}",
                hint=f"check the disk and its permissions, or name another folder in {VARIABLE}",
            ) from error


def _with_date(run: Run) -> Run:
    if utc_date(run.environment.get("date")):
        return run
    return replace(run, environment={**run.environment, "date": _now()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
