"""`module:function` or `file.py:function`: the user's own code yields batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Array, Dataset
from edgeopt.data.npz import LABELS, PART, SINGLE_INPUT, checked_count, checked_part
from edgeopt.data.users_code import UsersCode, load_function
from edgeopt.errors import InputError


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
