"""Files read and written so that nothing is half-written, overwritten unasked or blocked on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeopt.errors import InputError

_WRITE_HINT = "check the disk and its permissions, or choose another place with -o"


def require_regular_file(path: Path, *, what: str) -> Path:
    """`path`, when it is a readable regular file that is not empty.

    A FIFO or a device would block every loader that opens it, so the kind is asked for before anything is opened.

    Args:
        path: The file; symbolic links are followed.
        what: What the file is to the user, as in "model" or "data".

    Raises:
        InputError: Missing, a folder, a FIFO or a device, empty, or not readable.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{what} `{path}` does not exist", hint=_neighbour_hint(path)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{what} `{path}` cannot be read: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{what} `{path}` is not a regular file", hint="give the path of a file")
    if status.st_size == 0:
        raise InputError(f"{what} `{path}` is empty (0 bytes)", hint="was its download or export cut off? get it again")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} `{path}` is not readable", hint="check the file's permissions")
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_writable(path: Path, *, force: bool) -> None:
    """Check, before any work is done, that `path` may be written.

    Raises:
        InputError: It exists and `force` is not set, it is a folder or a device, or its folder is missing or not
            writable.
    """
    try:
        is_folder, is_special = path.is_dir(), path.exists() and not path.is_file()
    except OSError as error:
        raise InputError(f"output `{path}` cannot be written: {_reason(error)}", hint=_WRITE_HINT) from error
    if is_folder:
        raise InputError(f"output `{path}` is a folder", hint="name a file in it")
    if is_special:
        raise InputError(f"output `{path}` is not a regular file", hint="choose another name with -o")
    if not force and os.path.lexists(path):
        raise InputError(f"output `{path}` exists", hint="choose another name with -o, or overwrite it with --force")
    if not path.parent.is_dir():
        raise InputError(f"the folder of output `{path}` does not exist", hint=f"mkdir -p '{path.parent}'")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"output `{path}` cannot be written: `{path.parent}` is not writable", hint=_WRITE_HINT)


@contextlib.contextmanager
def replacing(path: Path, *, force: bool) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        InputError: `path` may not be written (see `require_writable`), or the disk refuses.
    """
    require_writable(path, force=force)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise InputError(f"output `{path}` cannot be written: {_reason(error)}", hint=_WRITE_HINT) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if force:
            temporary.replace(path)
        else:
            _rename_new(temporary, path)
    except OSError as error:
        raise InputError(f"output `{path}` cannot be written: {_reason(error)}", hint=_WRITE_HINT) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _rename_new(temporary: Path, path: Path) -> None:
    """Give `temporary` its final name unless somebody else took that name while we worked."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise InputError(f"output `{path}` exists", hint="overwrite it with --force") from error
    except OSError:  # a file system without hard links
        temporary.replace(path)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _neighbour_hint(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder `{path.parent}` does not exist either"
    names = sorted(other.name for other in path.parent.glob("*") if other.suffix == path.suffix and other.is_file())[:5]
    return f"that folder holds: {', '.join(names)}" if names and path.suffix else "check the path"
