"""`.csv` and `.parquet` tables: one row per sample.

Columns named like model inputs are scalars for them; a single input of k features takes the numeric columns that are
left, in order. `y` (or the column `label`) holds labels, text columns are slices.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt._optional import require
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Array, Dataset
from edgeopt.core.files import sha256_of
from edgeopt.data.npz import LABELS, PART, checked_part
from edgeopt.errors import InputError

_EXACT_INTEGERS = 2**53  # above it a double skips integers


def read_csv(path: Path, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """The samples in a `.csv` file with a header line.

    Raises:
        InputError: Not such a file, ragged rows, or too few columns for the model.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            rows = [_checked_row(path, row, header, reader.line_num) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data `{path}` is not a CSV file with a header: {error}", hint="save it as UTF-8") from error
    _require_distinct(path, header)
    columns = {name: _column(list(cells)) for name, cells in zip(header, zip(*rows, strict=True), strict=False)}
    return _dataset(path, columns, inputs)


def read_parquet(path: Path, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """The samples in a `.parquet` file.

    Raises:
        ExtraMissing: pyarrow is not installed.
        InputError: Not such a file, or too few columns for the model.
    """
    arrow = require("pyarrow", purpose="read .parquet files")
    parquet = require("pyarrow.parquet", purpose="read .parquet files")
    try:
        table = parquet.read_table(path)
        _require_distinct(path, table.column_names)
        columns = {name: np.asarray(table[name].to_numpy(zero_copy_only=False)) for name in table.column_names}
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise InputError(f"data `{path}` is not a Parquet file: {error}", hint="write it again") from error
    return _dataset(path, columns, inputs)


def _checked_row(path: Path, row: list[str], header: list[str], line: int) -> list[str]:
    if len(row) != len(header):
        raise InputError(
            f"data `{path}`, line {line}: {len(row)} cells where the header has {len(header)}",
            hint="write the same number of cells on every line, separated by commas",
        )
    return row


def _require_distinct(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"data `{path}` has two columns `{twice[0]}`", hint="give every column a name of its own")


def _column(cells: list[str]) -> Array:
    """Cells as numbers where all of them are (an empty cell is NaN), else as text."""
    try:
        values = np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)
    if any("_" in cell for cell in cells):  # `2026_11` is a name, though Python takes it for a number
        return np.array(cells)
    is_whole = np.all(np.abs(values) <= _EXACT_INTEGERS) and np.all(values == np.rint(values))
    return values.astype(np.int64) if is_whole else values


def _dataset(path: Path, columns: dict[str, Array], inputs: tuple[TensorSpec, ...]) -> Dataset:
    count = len(next(iter(columns.values()), ()))
    if count == 0:
        raise InputError(f"data `{path}` holds zero samples", hint="give it at least one row below the header")
    remaining = dict(columns)
    labels = remaining.pop(LABELS, None)
    if labels is None:
        labels = remaining.pop("label", None)
    part = checked_part(path, remaining.pop(PART, None))
    tensors = _tensors(path, remaining, inputs)
    return Dataset(
        inputs=tensors,
        labels=labels,
        columns={name: array for name, array in remaining.items() if array.dtype.kind not in "f"},
        part=part,
        source=str(path),
        digest=sha256_of(path),
        indices=np.arange(count),
    )


def _tensors(path: Path, columns: dict[str, Array], inputs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    if all(spec.name in columns for spec in inputs):
        return {spec.name: columns.pop(spec.name) for spec in inputs}
    numeric = [name for name, array in columns.items() if array.dtype.kind in "iufb"]
    width = inputs[0].shape[-1] if len(inputs) == 1 and inputs[0].shape else None
    if not isinstance(width, int) or len(numeric) < width:
        raise InputError(
            f"data `{path}` has {len(numeric)} numeric columns ({', '.join(numeric[:8])}) where the model takes "
            + "; ".join(str(spec) for spec in inputs),
            hint="name the columns like the model's inputs, or give one numeric column per feature, in order",
        )
    features = [columns.pop(name).astype(np.float64) for name in numeric[:width]]
    stacked: Any = np.stack(features, axis=1)
    return {inputs[0].name: stacked}
