"""A lock between processes that ends with the process that holds it, however that ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeopt.errors import InputError

PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.005


@contextmanager
def locked(path: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock on `path`, a file that is made where it is missing and stays.

    Args:
        path: The file.
        patience_seconds: How long to wait for another process.

    Raises:
        InputError: Another process held it all that time.
        OSError: The file cannot be opened.
    """
    with path.open("ab") as stream:
        end = time.monotonic() + patience_seconds
        while not _is_taken(stream.fileno()):
            if time.monotonic() > end:
                raise InputError(
                    f"another process has held `{path}` for {patience_seconds:g} s",
                    hint="wait for the other edgeopt to end, or stop it",
                )
            time.sleep(_PAUSE_SECONDS)
        yield


def _is_taken(handle: int) -> bool:
    """Whether the lock is ours now; closing the file gives it back."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
