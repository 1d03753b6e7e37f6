"""Large arrays inside a `.npz` file that lie there uncompressed, as `numpy.savez` writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from edgeopt.core.stored_rows import WHOLE_BYTES, FileArray

_LOCAL_HEADER_BYTES = 30  # of a zip's member, before its name and its extra field (APPNOTE.TXT, 4.3.7)
_IS_ENCRYPTED = 1
_PIECE_BYTES = 1 << 20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def stored_arrays(path: Path, archive: zipfile.ZipFile, names: Collection[str]) -> dict[str, FileArray]:
    """Where those of the arrays called `names` lie that are large and can be read row by row; all are sound.

    Arrays that are small, compressed, in Fortran order or of objects are left out.

    Raises:
        zipfile.BadZipFile: The contents of one are damaged.
    """
    status = path.stat()
    stamp = status.st_size, status.st_mtime_ns
    found = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name in names and entry.filename.endswith(".npy") and entry.file_size >= WHOLE_BYTES:
            place = _place(path, archive, entry, stamp)
            if place is not None:
                _read_through(archive, entry)
                found[name] = place
    return found


def _place(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stamp: tuple[int, int]) -> FileArray | None:
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _IS_ENCRYPTED:
        return None
    with archive.open(entry) as member:
        header = _HEADERS.get(np.lib.format.read_magic(member))
        if header is None:
            return None
        shape, is_fortran, dtype = header(member)
        header_bytes = member.tell()
    array_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if is_fortran or dtype.hasobject or not shape or header_bytes + array_bytes != entry.file_size:
        return None
    with path.open("rb") as stream:
        offset = _contents_offset(stream, entry) + header_bytes
    return FileArray(path=path, offset=offset, dtype=dtype, shape=shape, stamp=stamp)


def _contents_offset(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Where a member's contents begin: its local header says how long its name and extra field are there."""
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return entry.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Let zipfile compare the checksum of the contents."""
    with archive.open(entry) as member:
        while member.read(_PIECE_BYTES):
            pass
