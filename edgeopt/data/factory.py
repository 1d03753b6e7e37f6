"""`module:function` or `file.py:function`: the user's own code yields batches."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Array, Dataset
from edgeopt.core.files import require_regular_file
from edgeopt.data.npz import LABELS, PART, SINGLE_INPUT, checked_count, checked_part
from edgeopt.errors import EdgeoptError, InputError


def load_function(reference: str, *, purpose: str) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names; the working directory is looked in first.

    Raises:
        InputError: There is no such module or function, or importing it fails.
    """
    location, _, name = reference.rpartition(":")
    try:
        module = _module_from_file(Path(location), purpose) if location.endswith(".py") else _module(location)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{purpose} `{reference}` cannot be imported: {error}", hint="check its name") from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{purpose} `{reference}`: `{location}` has no function `{name}`", hint="check its name")
    return function


def read_factory(reference: str, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """All batches that the user's function yields.

    A batch is an array (for a single input), a tuple (array, labels), or a dict of arrays with labels under `y`.

    Raises:
        InputError: It cannot be imported, yields something else, or yields nothing.
    """
    batches = [_as_dict(batch, reference, inputs) for batch in _batches(reference)]
    if not batches:
        raise InputError(f"data `{reference}` yields zero batches", hint="yield at least one")
    if any(batch.keys() != batches[0].keys() for batch in batches):
        raise InputError(f"data `{reference}` yields batches of different keys", hint="give each the same arrays")
    try:
        arrays = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    except ValueError as error:
        raise InputError(
            f"data `{reference}` yields batches that do not fit together: {error}",
            hint="give all batches samples of one shape",
        ) from error
    missing = [spec.name for spec in inputs if spec.name not in arrays]
    if missing:
        raise InputError(f"data `{reference}` yields no array for model input `{missing[0]}`", hint="name it so")
    tensors = {spec.name: arrays.pop(spec.name) for spec in inputs}
    labels, part = arrays.pop(LABELS, None), arrays.pop(PART, None)
    count = checked_count(reference, {**tensors, LABELS: labels, PART: part})
    return Dataset(
        inputs=tensors,
        labels=labels,
        part=checked_part(reference, part),
        columns={name: array for name, array in arrays.items() if array.ndim == 1 and len(array) == count},
        source=reference,
        indices=np.arange(count),
    )


class UsersCode:
    """A block that runs the user's own function: whatever it raises is told as theirs, with its line.

    Args:
        reference: The function as the user named it.
        purpose: What it is to the user, as in "data" or "metric".
    """

    def __init__(self, reference: str, *, purpose: str) -> None:
        self._name = f"{purpose} `{reference}`"

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raise the user's failure as an `InputError`."""
        if not isinstance(error, Exception) or isinstance(error, EdgeoptError):
            return
        frame = traceback.extract_tb(trace)[-1]
        where = f"{Path(frame.filename).name} line {frame.lineno}"
        raise InputError(
            f"{self._name} failed: {type(error).__name__}: {error} ({where})", hint="mend the function, then repeat"
        ) from error


def _batches(reference: str) -> list[Any]:
    function = load_function(reference, purpose="data")
    with UsersCode(reference, purpose="data"):
        batches = function()
        if not isinstance(batches, Iterable):
            raise InputError(f"data `{reference}` returns a `{type(batches).__name__}`", hint="yield batches")
        return list(batches)


def _as_dict(batch: Any, reference: str, inputs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    if isinstance(batch, tuple) and len(batch) == 2:
        batch = {SINGLE_INPUT: batch[0], LABELS: batch[1]}
    elif not isinstance(batch, dict):
        batch = {SINGLE_INPUT: batch}
    try:
        arrays = {str(key): np.asarray(value) for key, value in batch.items()}
    except ValueError as error:
        raise InputError(f"data `{reference}` yields a ragged array: {error}", hint="yield arrays") from error
    if any(array.ndim == 0 or array.dtype.kind not in "iufbU" for array in arrays.values()):
        raise InputError(f"data `{reference}` yields something that is not an array of samples", hint="yield arrays")
    if SINGLE_INPUT in arrays and len(inputs) == 1 and inputs[0].name not in arrays:
        arrays[inputs[0].name] = arrays.pop(SINGLE_INPUT)
    return arrays


def _module(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _module_from_file(path: Path, purpose: str) -> Any:
    require_regular_file(path, what=purpose)
    spec = importlib.util.spec_from_file_location(f"_edgeopt_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"`{path}` is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module
