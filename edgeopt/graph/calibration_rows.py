"""The samples that a model was calibrated on, noted in the model itself, so that none of them counts in its accuracy.

They lie under `edgeopt.calibration` in the `metadata_props` of an ONNX model, or in the metadata of a TFLite file, as
JSON: the SHA-256 of the data, the number of its rows, and one bit per row (packed most significant first, deflated,
base64).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.artifact import FORMATS
from edgeopt.core.dataset import Dataset
from edgeopt.graph.load import read_proto
from edgeopt.graph.tflite.read import read_metadata

if TYPE_CHECKING:
    import onnx

KEY = "edgeopt.calibration"
_MOST_ROWS = 10**9  # 125 MB of bits: more would be a trap, not a data set


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRows:
    """Rows of one data set.

    Attributes:
        data: SHA-256 of the data set.
        is_used: (row,) whether a row was calibrated on.
    """

    data: str
    is_used: NDArray[np.bool_]


def write_calibration_rows(model: onnx.ModelProto, calibration: Dataset) -> None:
    """Note in `model`, in place, what it was calibrated on; nothing for samples that are not from a file."""
    for key, note in calibration_note(calibration).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, note.decode()


def calibration_note(calibration: Dataset) -> dict[str, bytes]:
    """What a model notes of the samples that it was calibrated on, by key; empty for samples that are not from a file.

    A TFLite file takes it as an entry of its metadata.
    """
    if not calibration.digest:
        return {}
    is_used = np.zeros(int(calibration.indices.max()) + 1, dtype=np.bool_)
    is_used[calibration.indices] = True
    bits = base64.b64encode(zlib.compress(np.packbits(is_used).tobytes(), 9)).decode()
    return {KEY: json.dumps({"data": calibration.digest, "rows": len(is_used), "bits": bits}, sort_keys=True).encode()}


def note_in(path: Path) -> dict[str, bytes]:
    """The note that the model at `path` holds, for one that is made from it; empty where it holds none."""
    if FORMATS.get(path.suffix.lower()) == "tflite":
        found = read_metadata(path).get(KEY)
        return {} if found is None else {KEY: found}
    notes = [entry.value for entry in read_proto(path).metadata_props if entry.key == KEY]
    return {KEY: notes[-1].encode()} if notes else {}


def calibration_rows_in(path: Path) -> CalibrationRows | None:
    """What the model at `path` says that it was calibrated on; None where it says nothing that can be read."""
    try:
        note = json.loads(note_in(path)[KEY])
        rows = min(int(note["rows"]), _MOST_ROWS)
        packed = zlib.decompressobj().decompress(base64.b64decode(note["bits"]), rows // 8 + 1)
        if len(packed) * 8 < rows:
            return None
        is_used = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=rows).astype(np.bool_)
        return CalibrationRows(data=str(note["data"]), is_used=is_used)
    except (KeyError, TypeError, ValueError, zlib.error, binascii.Error):
        return None


def without_calibration(data: Dataset, paths: list[Path]) -> Dataset:
    """`data` without the rows that any of the models at `paths` was calibrated on."""
    is_judged = np.ones(len(data), dtype=np.bool_)
    for path in paths:
        rows = calibration_rows_in(path)
        if rows is not None and rows.data == data.digest:
            known = data.indices < len(rows.is_used)
            is_judged[known] &= ~rows.is_used[data.indices[known]]
    return data if is_judged.all() else data.rows(np.flatnonzero(is_judged))
