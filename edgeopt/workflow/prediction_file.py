"""Prediction files: what `evaluate --predictions` writes and `compare` and `gate` read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.files import replacing, require_regular_file, sha256_of
from edgeopt.errors import InputError
from edgeopt.judge.labels import Task, check_labels, correctness, infer_task
from edgeopt.judge.predictions import Predictions

_SCORES, _LABELS, _CORRECT = "scores", "y", "correct"


def write_predictions(made: Predictions, path: Path, *, force: bool) -> dict[str, str]:
    """Write scores, labels, correctness and slice columns to an `.npz` file; its path and digest.

    Raises:
        InputError: `path` may not be written.
    """
    arrays: dict[str, Any] = {**made.columns, _SCORES: made.scores}
    if made.labels is not None:
        arrays[_LABELS] = made.labels
        if infer_task(made.scores, made.labels) is not Task.REGRESSION:
            arrays[_CORRECT] = correctness(made.scores, made.labels)
    with replacing(path, force=force) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return {"path": str(path), "sha256": sha256_of(path)}


def read_predictions(path: Path) -> Predictions:
    """The predictions in a file.

    Raises:
        InputError: Not such a file, or its labels do not fit its scores.
    """
    require_regular_file(path, what="predictions")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, MemoryError) as error:
        raise InputError(f"predictions `{path}` cannot be read: {error}", hint=_HINT) from error
    if _SCORES not in arrays or arrays[_SCORES].ndim == 0:
        raise InputError(f"`{path}` has no array `{_SCORES}`", hint=_HINT)
    scores, labels = arrays.pop(_SCORES), arrays.pop(_LABELS, None)
    arrays.pop(_CORRECT, None)
    return Predictions(
        scores=scores,
        labels=None if labels is None else check_labels(scores, labels, str(path)),
        columns={name: array for name, array in arrays.items() if array.shape == scores.shape[:1]},
    )


_HINT = "write it with `edgeopt evaluate MODEL --data D --predictions F.npz`"
