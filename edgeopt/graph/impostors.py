"""What a file that is not a model often is, told by its first bytes."""

from __future__ import annotations

from pathlib import Path

from edgeopt.errors import InputError

_PAGE_HINT = "the download gave an error page; fetch the file itself"
_PICKLE_HINT = "export the checkpoint to ONNX first"
# first bytes in lower case -> what the file is, and what to do
_IMPOSTORS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull`"),
    (b"<!doctype", "an HTML page", _PAGE_HINT),
    (b"<html", "an HTML page", _PAGE_HINT),
    (b"pk\x03\x04", "a zip archive", "unpack it, or export the checkpoint to ONNX first"),
    (b"\x80\x02", "a Python pickle", _PICKLE_HINT),
    (b"\x80\x04\x95", "a Python pickle", _PICKLE_HINT),
    (b"\x80\x05\x95", "a Python pickle", _PICKLE_HINT),
    (b"\x89hdf", "an HDF5 (Keras) file", "export it to ONNX first (tf2onnx)"),
)


def refuse_impostor(path: Path, head: bytes, *, wanted: str) -> None:
    """Refuse a file whose first bytes are those of something else.

    Args:
        path: The file.
        head: Its first 64 bytes.
        wanted: What it should be, as in "an ONNX model".

    Raises:
        InputError: It is something else.
    """
    start = head.lstrip().lower()
    for magic, what, hint in _IMPOSTORS:
        if start.startswith(magic):
            raise InputError(f"`{path}` is {what}, not {wanted}", hint=hint)
