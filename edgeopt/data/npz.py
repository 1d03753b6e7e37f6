"""`.npz` files: one array per model input (or `x`), labels under `y`, every other array a slice column."""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import PARTS, Array, Dataset, Samples
from edgeopt.core.files import sha256_of
from edgeopt.core.stored_rows import StoredRows
from edgeopt.data.stored import stored_arrays
from edgeopt.errors import InputError

LABELS = "y"
SINGLE_INPUT = "x"
PART = "part"
_FALLBACK_LIMIT_BYTES = 8 << 30
# What zipfile, zlib and numpy raise on damaged, encrypted or foreign archives.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # an array's header is a Python expression
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
)


def read_npz(path: Path, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """The samples in a `.npz` file; large inputs that lie there uncompressed stay in it until they are asked for.

    Raises:
        InputError: Not such a file, arrays of objects, unequal lengths, no samples, or more than memory holds.
    """
    arrays, stored = _read_arrays(path, {SINGLE_INPUT, *(spec.name for spec in inputs)})
    held: dict[str, Samples] = {**arrays, **stored}
    names = _input_names(path, {name: array.ndim for name, array in held.items()}, inputs)
    tensors = {name: stored[name] if name in stored else arrays.pop(name) for name in names}
    labels, part = arrays.pop(LABELS, None), arrays.pop(PART, None)
    count = checked_count(path, {**tensors, LABELS: labels, PART: part})
    return Dataset(
        inputs={_model_name(name, inputs): array for name, array in tensors.items()},
        labels=labels,
        part=checked_part(path, part),
        columns={key: array for key, array in arrays.items() if array.ndim == 1 and len(array) == count},
        source=str(path),
        digest=sha256_of(path),
        indices=np.arange(count),
    )


def checked_count(source: str | Path, arrays: Mapping[str, Samples | None]) -> int:
    """The number of samples; the first array sets it, and every other that is there has one row for each.

    Raises:
        InputError: There is no sample, or an array has more or fewer rows.
    """
    rows = {name: len(array) if array.ndim else 0 for name, array in arrays.items() if array is not None}
    first = next(iter(rows))
    count = rows[first]
    if count == 0:
        raise InputError(f"data `{source}` holds zero samples in `{first}`", hint="give it at least one")
    for name, length in rows.items():
        if length != count:
            raise InputError(
                f"data `{source}`: `{name}` has {length} rows where `{first}` has {count}",
                hint="every array needs one row per sample",
            )
    return count


def checked_part(source: str | Path, part: Array | None) -> Array | None:
    """The `part` column, when it holds nothing but names of parts.

    Raises:
        InputError: It holds something else.
    """
    if part is None:
        return None
    strange = sorted({str(name) for name in part.tolist()} - set(PARTS))
    if strange:
        raise InputError(f"column `{PART}` of `{source}` holds `{strange[0]}`", hint="parts are " + ", ".join(PARTS))
    return part


def _read_arrays(path: Path, inputs: set[str]) -> tuple[dict[str, Array], dict[str, StoredRows]]:
    """Arrays by name: those read whole, and large ones that are stored as they are, which stay in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored = stored_arrays(path, archive, inputs)
            entries = [entry for entry in archive.infolist() if entry.filename.removesuffix(".npy") not in stored]
            size = sum(entry.file_size for entry in entries)
        if size > _memory_bytes():
            raise InputError(
                f"data `{path}` expands to {size:,} bytes, more than this machine's memory",
                hint="write it with numpy.savez, not savez_compressed: large inputs are then read batch by batch",
            )
        with np.load(path, allow_pickle=False) as members:
            arrays = {key: members[key] for key in members.files if key not in stored}
    except ARCHIVE_ERRORS as error:
        reason = "it holds Python objects" if "allow_pickle" in str(error) else str(error) or type(error).__name__
        raise InputError(f"data `{path}` cannot be read: {reason}", hint="write it with numpy.savez") from error
    whole = {key: array for key, array in arrays.items() if isinstance(array, np.ndarray)}  # others come as bytes
    return whole, {key: StoredRows.of(place) for key, place in stored.items()}


def _input_names(path: Path, arrays: Mapping[str, int], inputs: tuple[TensorSpec, ...]) -> list[str]:
    """The array for each input: that of its name; for a single input also `x`, else the only one that is no column.

    A model that was converted may call its input otherwise than the one that the data was written for.

    Args:
        path: The file.
        arrays: Number of axes of each of its arrays.
        inputs: What the model takes.
    """
    names = [spec.name for spec in inputs if spec.name in arrays]
    if len(names) == len(inputs):
        return names
    if len(inputs) == 1 and SINGLE_INPUT in arrays:
        return [SINGLE_INPUT]
    samples = [name for name, axes in arrays.items() if axes > 1 and name != LABELS]
    if len(inputs) == len(samples) == 1:
        return samples
    missing = [spec.name for spec in inputs if spec.name not in arrays]
    raise InputError(
        f"data `{path}` has no array for model input `{missing[0]}`; "
        f"it holds: {', '.join(sorted(arrays)) or 'nothing'}",
        hint=f"name the array `{missing[0]}`" + (f", or `{SINGLE_INPUT}`" if len(inputs) == 1 else ""),
    )


def _model_name(name: str, inputs: tuple[TensorSpec, ...]) -> str:
    return inputs[0].name if len(inputs) == 1 else name


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return _FALLBACK_LIMIT_BYTES
