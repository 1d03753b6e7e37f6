"""A file that belongs to a run: kept in the store, or named with the reason why it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.files import require_regular_file, sha256_of
from edgeopt.core.run import Run
from edgeopt.errors import InputError
from edgeopt.store.objects import Objects

# Larger ones cost more disk and time than a record is worth; path and digest still say which file it was.
LARGEST_KEPT_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a run.

    Attributes:
        role: What it is to the run, as in `candidate` or `predictions`.
        path: Where it lay.
        sha256: Its digest; empty where it could not be read and the run does not tell it.
        size_bytes: Its size; None where it could not be read.
        reason: Why no copy is kept; empty where one is.
    """

    role: str
    path: Path
    sha256: str
    size_bytes: int | None = None
    reason: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the store holds a copy."""
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """The file under the JSON keys of the record."""
        return {
            "role": self.role,
            "path": str(self.path),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "is_kept": self.is_kept,
            "reason": self.reason,
        }


def keep_file(objects: Objects, role: str, path: Path, sha256: str = "") -> StoredFile:
    """Copy a file into the store, unless it is too large, not there, or another than it should be.

    Args:
        objects: Of the store.
        role: What it is to the run.
        path: Where it lies.
        sha256: The digest that it should have; empty where that is not known.

    Raises:
        OSError: The store cannot be written.
    """
    try:
        size = require_regular_file(path, what="file").stat().st_size
        if size > LARGEST_KEPT_BYTES:
            told = f"larger than {LARGEST_KEPT_BYTES // 10**6} MB"
            return StoredFile(role=role, path=path, sha256=sha256 or sha256_of(path), size_bytes=size, reason=told)
        found = sha256 or sha256_of(path)
        objects.add_file(path, found)
    except InputError as error:
        return StoredFile(role=role, path=path, sha256=sha256, reason=error.message)
    return StoredFile(role=role, path=path, sha256=found, size_bytes=size)


def told_digests(run: Run) -> dict[Path, str]:
    """Path -> digest of every file that a run names."""
    return {Path(str(file.get("path"))): str(file.get("sha256")) for file in _told_files(run)}


def _told_files(run: Run) -> Iterator[dict[str, Any]]:
    yield from run.artifacts
    for holder in (run.own, *(measurement.details for measurement in run.measurements)):
        predictions = holder.get("predictions")
        if isinstance(predictions, dict):
            yield predictions
