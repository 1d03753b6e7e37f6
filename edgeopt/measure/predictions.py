"""What a model says about every sample of a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.artifact import FORMATS
from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.runners import runner_named, runtime_of
from edgeopt.runners.protocol import Session

BATCH = 32


def predict(
    path: Path,
    data: Dataset,
    *,
    runtime: str | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """(sample, ...) first output of the model for every sample, in the order of the data.

    Integers that stand for real numbers are given as these.

    Args:
        path: The model file.
        data: Samples bound to the model's inputs.
        runtime: Name of the runner; None for that of the file's format.
        threads: Threads per inference.
        progress: Called with (done, total) samples.

    Raises:
        InputError: The runtime does not take the model or the samples, or an output has no row per sample.
    """
    with runner_named(runtime or runtime_of(path)).open(path, threads=threads) as session:
        fixed = _fixed_batch(session, path)
        size = fixed or BATCH
        parts: list[NDArray[Any]] = []
        for done, feeds in enumerate(data.batches(size, is_filled=fixed is not None)):
            parts.append(_first_output(session, feeds))
            if progress:
                progress(min(len(data), (done + 1) * size), len(data))
    return np.concatenate(parts)[: len(data)]


def _fixed_batch(session: Session, path: Path) -> int | None:
    """The batch that the inputs fix; 1 for a TFLite model whose inputs leave it free and whose output has one row.

    Such a model reshapes to a constant shape inside: it takes no batch but the one that it was written at.
    """
    lengths = [spec.shape[0] for spec in session.inputs if spec.shape and not spec.has_free_batch]
    if not lengths and FORMATS.get(path.suffix.lower()) == "tflite" and session.outputs[0].shape[:1] == (1,):
        return 1
    return int(lengths[0]) if lengths else None


def _first_output(session: Session, feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """(sample, ...) first output of one batch."""
    count = len(next(iter(feeds.values())))
    spec = session.outputs[0]
    output = session.infer(feeds)[spec.name]
    if not isinstance(output, np.ndarray) or output.ndim == 0 or len(output) != count:
        told = f"has shape {output.shape}" if isinstance(output, np.ndarray) else f"is a {type(output).__name__}"
        raise InputError(
            f"output `{spec.name}` {told} for {count} samples",
            hint="edgeopt evaluates models whose first output has one row per sample",
        )
    return spec.quantization.dequantized(output) if spec.quantization else output
