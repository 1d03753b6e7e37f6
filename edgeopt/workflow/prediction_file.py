"""Prediction files: what `evaluate --predictions` writes and `compare` and `gate` read.

An `.npz` of `scores`, `y`, `correct` and the slice columns, and under `edgeopt` a JSON text: whose predictions these
are (`artifact`) and of which samples (`judged`). History: schema 1 of that text, the first; files without it are read.
"""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.files import replacing, require_regular_file, sha256_of
from edgeopt.errors import InputError
from edgeopt.judge.labels import Task, check_labels, correctness, infer_task
from edgeopt.judge.predictions import Predictions

_SCORES, _LABELS, _CORRECT, _ABOUT = "scores", "y", "correct", "edgeopt"
_SCHEMA = 1
# What zipfile, zlib and numpy raise on damaged or encrypted archives.
_ARCHIVE_ERRORS = (
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


def write_predictions(made: Predictions, path: Path, *, force: bool) -> dict[str, str]:
    """Write scores, labels, correctness and slice columns to an `.npz` file; its path and digest.

    Raises:
        InputError: `path` may not be written.
    """
    about = {"schema": _SCHEMA, "artifact": made.artifact, "judged": made.judged}
    told = {_ABOUT: json.dumps(about)} if made.artifact or made.judged else {}
    arrays: dict[str, Any] = {**told, **made.columns, _SCORES: made.scores}
    if made.labels is not None:
        arrays[_LABELS] = made.labels
        if infer_task(made.scores, made.labels) is not Task.REGRESSION:
            arrays[_CORRECT] = correctness(made.scores, made.labels)
    # numpy.savez takes names as keyword arguments, and the column `file` of an image folder is one of its own.
    with replacing(path, force=force) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return {"path": str(path), "sha256": sha256_of(path)}


def read_predictions(path: Path) -> Predictions:
    """The predictions in a file.

    Raises:
        InputError: Not such a file, or its labels do not fit its scores.
    """
    require_regular_file(path, what="predictions")
    if not zipfile.is_zipfile(path):
        raise InputError(f"predictions `{path}` are not in an .npz file, or it is cut off", hint=_HINT)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _ARCHIVE_ERRORS as error:
        raise InputError(f"predictions `{path}` cannot be read: {error}", hint=_HINT) from error
    if _SCORES not in arrays or arrays[_SCORES].ndim == 0:
        raise InputError(f"`{path}` has no array `{_SCORES}`", hint=_HINT)
    scores, labels = arrays.pop(_SCORES), arrays.pop(_LABELS, None)
    arrays.pop(_CORRECT, None)
    about = _about(arrays.get(_ABOUT))
    return Predictions(
        scores=scores,
        labels=None if labels is None else check_labels(scores, labels, str(path)),
        columns={name: array for name, array in arrays.items() if array.shape == scores.shape[:1]},
        artifact=about.get("artifact", {}),
        judged=about.get("judged", {}),
    )


def _about(member: Any) -> dict[str, dict[str, Any]]:
    """What a file says of itself; nothing where it says nothing, or a column has that name."""
    if member is None or member.ndim or member.dtype.kind != "U":
        return {}
    try:
        told = json.loads(str(member))
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in told.items() if isinstance(value, dict)} if isinstance(told, dict) else {}


_HINT = "write it with `edgeopt evaluate MODEL --data D --predictions F.npz`"
