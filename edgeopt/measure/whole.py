"""A quantized model beside the float one it was made from: as it runs, as it is simulated, and with quantizers off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError
from edgeopt.graph.fork import OUTPUTS, Branch, float_outputs, fork
from edgeopt.graph.pieces import Pieces
from edgeopt.measure.branches import Progress, Totals, decibels, run_fork
from edgeopt.measure.quantizers import PairStatistics, keys_of, pair_counts
from edgeopt.runners import runner_named


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSignal:
    """Signal to noise of all float outputs beside the base's, in dB; 120 where nothing differs.

    Attributes:
        candidate_sqnr_db: The candidate as it runs here, on integer kernels.
        simulated_sqnr_db: The candidate with every quantizer rounding in float, as the figures of layers are taken.
        reference_sqnr_db: The candidate with every quantizer off: what besides quantization sets it apart from the
            base.
        pairs: What every pair meets, by its key.
    """

    candidate_sqnr_db: float
    simulated_sqnr_db: float
    reference_sqnr_db: float
    pairs: dict[str, PairStatistics]


def whole_signal(
    parts: Pieces, base: Path, candidate: Path, data: Dataset, *, threads: int = 0, progress: Progress | None = None
) -> WholeSignal:
    """Both models and the candidate without its quantizers on the same samples, in one pass.

    Args:
        parts: Both models, taken apart.
        base: File of the float model.
        candidate: File of the quantized one.
        data: Samples bound to the model's inputs, at least one.
        threads: Threads per inference; 0 for as many as there are cores.
        progress: Called with (done, total) batches.

    Raises:
        InputError: A model fails on the samples, gives NaN or infinity, or outputs of other shapes.
    """
    keys = keys_of(parts.candidate.layers)
    counts = pair_counts(parts, keys)
    made = fork(parts, [Branch(on=parts.all_on(), points=(OUTPUTS,))], tensors=keys, has_outputs=True)
    names = [value.name for value in float_outputs(parts.candidate.model)]
    simulated = [Totals() for _ in made.sums[0]]
    reference, real = [Totals() for _ in names], [Totals() for _ in names]
    runner = runner_named("onnxruntime")
    with runner.open(base, threads=threads) as before, runner.open(candidate, threads=threads) as after:
        for ran in run_fork(made, data, threads=threads):
            expected, given = before.infer(ran.feeds), after.infer(ran.feeds)
            for place, name in enumerate(names):
                _compare(reference[place], expected[name], ran.values[made.outputs[place]])
                _compare(real[place], expected[name], given[name])
            for one, total in zip(made.sums[0], simulated, strict=True):
                total.add(one, ran.values)
            for key, output in made.tensors.items():
                counts[key].add(ran.values[output])
            if progress:
                progress(ran.done, ran.total)
    return WholeSignal(
        candidate_sqnr_db=decibels(real),
        simulated_sqnr_db=decibels(simulated),
        reference_sqnr_db=decibels(reference),
        pairs={key: counted.statistics() for key, counted in counts.items()},
    )


def _compare(totals: Totals, expected: NDArray[Any], given: NDArray[Any]) -> None:
    """Add the sums of squares of one batch of one output."""
    if expected.shape != given.shape or not np.isfinite(expected).all() or not np.isfinite(given).all():
        raise InputError(
            f"an output of shape {expected.shape} has shape {given.shape} in the other model, or is NaN or infinite",
            hint="check both models with `edgeopt compare`; a float model that overflows cannot be a reference",
        )
    totals.signal += float(np.square(expected, dtype=np.float64).sum())
    totals.noise += float(np.square(given.astype(np.float64) - expected).sum())
