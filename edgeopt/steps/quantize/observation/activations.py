"""Activations inside a model, batch by batch: none is kept, so memory does not grow with the number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.graph.runtime import PROVIDERS, runtime_errors
from edgeopt.graph.save import as_source
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.doubts import calibration_failure

if TYPE_CHECKING:
    import onnx

_BATCH_BYTES = 12 << 20  # of activations that leave the runtime at once
_LARGEST_BATCH = 8

Activations = dict[str, NDArray[Any]]


def activations(
    model: onnx.ModelProto, tensors: Sequence[str], data: Dataset, *, progress: Progress | None = None
) -> Iterator[tuple[int, Activations]]:
    """(samples, value of each of `tensors`) of one batch after another.

    The first batch has one sample; how much it takes decides how many the others have. Where the model fixes its batch
    the last one is filled with copies of a sample, and their rows are cut off again.

    Args:
        model: The folded model.
        tensors: Names of inputs or float activations of the main graph.
        data: Samples bound to the model's inputs.
        progress: Called with (done, total) samples.

    Raises:
        InputError: The model fails on the samples.
    """
    inner = [name for name in dict.fromkeys(tensors) if name not in data.inputs]
    session = _session(model, inner) if inner else None
    fixed = _fixed_batch(model)
    start, size = 0, fixed or 1
    while start < len(data):
        feeds = {name: rows[start : start + size] for name, rows in data.inputs.items()}
        count = min(size, len(data) - start)
        values = dict(zip(inner, _run(session, inner, _filled(feeds, size - count if fixed else 0), data), strict=True))
        per_sample = sum(rows.nbytes for rows in values.values()) // count
        if fixed:
            values = {name: _cut(rows, size, count) for name, rows in values.items()}
        values |= {name: feeds[name] for name in tensors if name in feeds}
        yield count, values
        del values, feeds  # the batch is free before the next one comes, if its reader has let it go
        start += count
        if not fixed:
            size = int(np.clip(_BATCH_BYTES // max(1, per_sample), 1, _LARGEST_BATCH))
        if progress:
            progress(start, len(data))


def _session(model: onnx.ModelProto, tensors: list[str]) -> Any:
    import onnx
    import onnxruntime

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    known = {value.name for value in tapped.graph.output}
    for name in tensors:
        if name not in known:
            tapped.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    # Between batches NumPy works on the same cores: threads that wait by spinning make that 10 times slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with as_source(tapped) as source:
        return onnxruntime.InferenceSession(source, options, providers=PROVIDERS, enable_fallback=0)


def _run(session: Any, tensors: list[str], feeds: Activations, data: Dataset) -> list[NDArray[Any]]:
    if session is None:
        return []
    try:
        values: list[NDArray[Any]] = session.run(tensors, feeds)
    except runtime_errors() as error:
        raise calibration_failure(error, data) from error
    return values


def _fixed_batch(model: onnx.ModelProto) -> int:
    """The number of samples that the model takes at a time; 0 where it takes any."""
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    axes = [value.type.tensor_type.shape.dim[0] for value in values if value.type.tensor_type.shape.dim]
    fixed = [axis.dim_value for axis in axes if axis.HasField("dim_value") and axis.dim_value > 0]
    return fixed[0] if fixed else 0


def _filled(feeds: Activations, missing: int) -> Activations:
    if missing <= 0:
        return feeds
    return {name: np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)]) for name, rows in feeds.items()}


def _cut(values: NDArray[Any], size: int, count: int) -> NDArray[Any]:
    """`values` without the rows of copies, where its first axis is the batch."""
    return values[:count] if values.ndim and len(values) == size else values
