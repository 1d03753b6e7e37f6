"""Files named by the digest of their content, each written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgeopt.core.files import require_regular_file, sha256_of
from edgeopt.errors import InputError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".new-"
_CHUNK_BYTES = 2**20
_MEND = "`edgeopt runs gc` drops it; a model or file is kept again when it is next recorded"


def is_digest(text: object) -> bool:
    """Whether `text` is a SHA-256 digest in lower-case hexadecimal."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Objects:
    """The files of a store: `<2 hex>/<62 hex>` in `folder`, read-only once they are there."""

    folder: Path

    def path_of(self, sha256: str) -> Path:
        """Where the object lies, or would.

        Raises:
            InputError: `sha256` is no digest.
        """
        if not is_digest(sha256):
            raise InputError(f"`{sha256}` is not a SHA-256 digest")
        return self.folder / sha256[:2] / sha256[2:]

    def has(self, sha256: str, *, size_bytes: int | None = None) -> bool:
        """Whether the object is there and not empty, or has the size given; its content is not read."""
        if not is_digest(sha256):
            return False
        try:
            found = self.path_of(sha256).stat().st_size
        except OSError:
            return False
        return found == size_bytes if size_bytes is not None else found > 0

    def damage(self, sha256: str) -> str:
        """What is wrong with an object, which is read for it; empty where nothing is.

        Raises:
            OSError: It cannot be read at all.
        """
        path = self.path_of(sha256)
        if not path.is_file():
            return "is missing"
        if not path.stat().st_size:
            return "is damaged: it is empty (0 bytes)"
        return "" if sha256_of(path) == sha256 else "is damaged: its content has another digest"

    def require(self, sha256: str) -> Path:
        """Path of an object whose content is as its name says.

        Raises:
            InputError: It is missing or damaged.
        """
        if told := self.damage(sha256):
            raise self._refusal(sha256, told)
        return self.path_of(sha256)

    def read(self, sha256: str) -> bytes:
        """Content of an object.

        Raises:
            InputError: It is missing or damaged.
        """
        path = self.path_of(sha256)
        if not self.has(sha256):
            raise self._refusal(sha256, self.damage(sha256))
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise self._refusal(sha256, "is damaged: its content has another digest")
        return content

    def add_bytes(self, content: bytes) -> str:
        """Keep `content`; its digest."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._refreshed(sha256, len(content)):
            self._write([content], sha256)
        return sha256

    def add_file(self, source: Path, sha256: str) -> None:
        """Keep a copy of a file that has the digest `sha256`.

        Raises:
            InputError: It is no regular file, or has another digest.
        """
        require_regular_file(source, what="file")
        if not self._refreshed(sha256, source.stat().st_size):
            with source.open("rb") as stream:
                self._write(_chunks(stream), sha256)

    def mend(self, source: Path, sha256: str) -> None:
        """Write the object again from `source` where it is damaged; it is read for that."""
        if self.damage(sha256):
            with source.open("rb") as stream:
                self._write(_chunks(stream), sha256)

    def __iter__(self) -> Iterator[str]:
        """Digests of all objects, in the order in which they were written."""
        found = []
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as entries:
                found += [(entry.stat().st_mtime_ns, folder.name + entry.name) for entry in entries]
        return (sha256 for _, sha256 in sorted(found) if is_digest(sha256))

    def unfinished(self) -> Iterator[Path]:
        """Files that writers have begun; those of killed ones stay."""
        return self.folder.glob(f"{_UNFINISHED}*")

    def _refreshed(self, sha256: str, size_bytes: int) -> bool:
        """Whether the object is there already; its time is set to now, so that it is not taken for garbage."""
        if not self.has(sha256, size_bytes=size_bytes):
            return False
        try:
            os.utime(self.path_of(sha256))
        except FileNotFoundError:
            return False
        return True

    def _write(self, chunks: Iterable[bytes], sha256: str) -> None:
        path = self.path_of(sha256)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(self.folder)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=_UNFINISHED)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                found = _copy(chunks, stream)
            if found != sha256:
                raise InputError(
                    f"what was to be kept as `{sha256[:12]}` has the digest `{found[:12]}`: it has changed, or is only "
                    "one of several files"
                )
            temporary.chmod(0o444)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def _refusal(self, sha256: str, told: str) -> InputError:
        return InputError(f"object `{sha256[:12]}` of the record `{self.folder.parent}` {told}", hint=_MEND)


def _copy(chunks: Iterable[bytes], stream: BinaryIO) -> str:
    """Write `chunks` through to the disk; their digest."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        stream.write(chunk)
    stream.flush()
    os.fsync(stream.fileno())
    return digest.hexdigest()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; Windows cannot, and does it itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
