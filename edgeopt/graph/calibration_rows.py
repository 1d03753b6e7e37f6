"""The samples that a model was calibrated on, noted in the model itself, so that none of them counts in its accuracy.

They lie under `edgeopt.calibration` in the model's `metadata_props`, as JSON: the SHA-256 of the data, the number of
its rows, and one bit per row (packed most significant first, deflated, base64).
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

from edgeopt.core.dataset import Dataset
from edgeopt.graph.load import read_proto

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
    if not calibration.digest:
        return
    is_used = np.zeros(int(calibration.indices.max()) + 1, dtype=np.bool_)
    is_used[calibration.indices] = True
    bits = base64.b64encode(zlib.compress(np.packbits(is_used).tobytes(), 9)).decode()
    note = {"data": calibration.digest, "rows": len(is_used), "bits": bits}
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(note, sort_keys=True)


def calibration_rows_in(path: Path) -> CalibrationRows | None:
    """What the model at `path` says that it was calibrated on; None where it says nothing that can be read."""
    notes = [entry.value for entry in read_proto(path).metadata_props if entry.key == KEY]
    try:
        note = json.loads(notes[-1])
        rows = min(int(note["rows"]), _MOST_ROWS)
        packed = zlib.decompressobj().decompress(base64.b64decode(note["bits"]), rows // 8 + 1)
        is_used = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=rows).astype(np.bool_)
        return CalibrationRows(data=str(note["data"]), is_used=is_used)
    except (IndexError, KeyError, TypeError, ValueError, zlib.error, binascii.Error):
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
