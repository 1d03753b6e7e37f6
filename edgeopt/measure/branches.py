"""Branches of a quantized model run over data: what each differs by, summed, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.graph.fork import Branch, Fork, Sums, fork
from edgeopt.graph.pieces import Pieces
from edgeopt.graph.runtime import PROVIDERS, RUNTIME_HINT, first_line, runtime_errors
from edgeopt.measure.signal import signal_to_noise_db

if TYPE_CHECKING:
    import onnx

Progress = Callable[[int, int], None]

BATCH = 8  # activations of a batch and of the branches beside it are alive at once
# A fork holds the trunk and up to so many layers: opening one costs as much as running some batches. Weights are not
# packed anew per branch (session.disable_prepacking): of a transformer of 44 MB that takes 0.4 of the time, and no more
# memory. Convolutions keep a copy per branch all the same, hence a limit.
_MOST_LAYERS = 12
_MOST_WEIGHT_BYTES = 1024 * 2**20


@dataclass(slots=True)
class Totals:
    """Sums over all batches of what one branch does to one tensor.

    Attributes:
        signal: Sum of squares of the reference.
        noise: Sum of squares of the difference.
        count: Values of the difference.
        shift: (channel,) sum over rows of the mean difference; None where it was not asked for.
        rows: Rows behind `shift`.
    """

    signal: float = 0.0
    noise: float = 0.0
    count: int = 0
    shift: NDArray[np.float64] | None = None
    rows: int = 0

    def add(self, sums: Sums, values: dict[str, Any]) -> None:
        """Take in one batch."""
        self.signal += float(values[sums.signal])
        if sums.noise is not None:
            self.noise += float(values[sums.noise])
        if sums.shift is not None and sums.count is not None:
            means = np.asarray(values[sums.shift], dtype=np.float64)
            self.shift = means.sum(axis=0) + (0.0 if self.shift is None else self.shift)
            self.rows += len(means)
            self.count += int(values[sums.count])

    @property
    def shift_share(self) -> float | None:
        """Share of the noise that is a constant per channel: count / channels * sum of squared means over the noise."""
        if self.shift is None or self.noise <= 0:
            return None
        means = self.shift / self.rows
        return min(1.0, float(self.count / len(means) * np.square(means).sum() / self.noise))


def branch_sums(
    parts: Pieces,
    data: Dataset,
    branches: Sequence[Sequence[Branch]],
    *,
    threads: int,
    progress: Progress | None,
    **options: Any,
) -> list[list[list[Totals]]]:
    """Sums per layer, branch and tensor, over all of `data`.

    Args:
        parts: Both models, taken apart.
        data: Samples bound to the model's inputs.
        branches: Branches per layer; some layers' share a run.
        threads: Threads per inference; 0 for as many as there are cores.
        progress: Called with (done, total) batches.
        options: What else `fork` takes.
    """
    found: list[list[list[Totals]]] = []
    size = _layers_at_once(parts)
    starts = range(0, len(branches), size)
    for number, start in enumerate(starts):
        group = branches[start : start + size]
        flat = [branch for own in group for branch in own]
        made = fork(parts, flat, **options)
        totals = [[Totals() for _ in sums] for sums in made.sums]
        for ran in run_fork(made, data, threads=threads):
            for sums, into in zip(made.sums, totals, strict=True):
                for one, total in zip(sums, into, strict=True):
                    total.add(one, ran.values)
            if progress:
                progress(number * ran.total + ran.done, len(starts) * ran.total)
        taken = iter(totals)
        found += [[next(taken) for _ in own] for own in group]
    return found


@dataclass(frozen=True, slots=True)
class Ran:
    """One batch that was run.

    Attributes:
        done: How many batches are done.
        total: How many there are.
        feeds: What went in.
        values: What came out, by name.
    """

    done: int
    total: int
    feeds: dict[str, Any]
    values: dict[str, Any]


def run_fork(made: Fork, data: Dataset, *, threads: int) -> Iterator[Ran]:
    """Outputs per batch.

    A model of a fixed batch takes whole batches only: what is left over is not run, unless there is nothing else, and
    then a batch is filled with copies of its first sample.
    """
    size, is_fixed = batch_size(made.model)
    count = len(data) // size if is_fixed and len(data) >= size else -(-len(data) // size)
    session = open_session(made.model, threads=threads)
    names = [value.name for value in made.model.graph.output]
    for done, feeds in enumerate(data.batches(size, is_filled=is_fixed), start=1):
        if done > count:
            return
        yield Ran(done, count, feeds, dict(zip(names, run_session(session, names, feeds), strict=True)))


def open_session(model: onnx.ModelProto, *, threads: int = 0) -> Any:
    """A session in which every quantize/dequantize pair rounds where it stands, none fused into an integer kernel."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=PROVIDERS, enable_fallback=0)
    except runtime_errors() as error:
        raise InputError(
            f"ONNX Runtime does not take the model with single layers quantized: {first_line(error)}", hint=RUNTIME_HINT
        ) from error


def run_session(session: Any, names: Sequence[str], feeds: dict[str, Any]) -> list[Any]:
    """The outputs called `names` for one batch."""
    try:
        return list(session.run(list(names), feeds))
    except runtime_errors() as error:
        raise InputError(f"ONNX Runtime failed on these inputs: {first_line(error)}", hint=RUNTIME_HINT) from error


def batch_size(model: onnx.ModelProto) -> tuple[int, bool]:
    """The batch that the model fixes, else `BATCH`; and whether it is fixed."""
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    axes = [value.type.tensor_type.shape.dim[0] for value in values if value.type.tensor_type.shape.dim]
    fixed = [axis.dim_value for axis in axes if axis.HasField("dim_value") and axis.dim_value > 0]
    return (fixed[0], True) if fixed else (BATCH, False)


def noise_ratio(totals: Sequence[Totals]) -> float:
    """Noise to signal, averaged over tensors."""
    return float(np.mean([10 ** (-signal_to_noise_db(total.signal, total.noise) / 10) for total in totals]))


def decibels(totals: Sequence[Totals]) -> float:
    """Signal to noise in dB; of several tensors by the mean of their noise to signal ratios."""
    return signal_to_noise_db(1.0, noise_ratio(totals))


def _layers_at_once(parts: Pieces) -> int:
    """How many layers' branches share a run: each may hold its own copy of all weights behind it."""
    weight_bytes = sum(array.nbytes for array in parts.candidate.constants.values() if array.ndim > 1) * 4
    return max(1, min(_MOST_LAYERS, _MOST_WEIGHT_BYTES // max(weight_bytes, 1)))
