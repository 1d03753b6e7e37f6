"""The proof of an export: what wrote the model and the model itself, run on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.measure.difference import Difference, Differences
from edgeopt.runners import runner_named
from edgeopt.runners.protocol import Session

# Relative to the largest magnitude of an output. Float32 sums in another order differ by about the square root of the
# number of terms in units of 6e-8: 1e-4 leaves room for millions of terms, and is a fortieth of an 8-bit step.
TOLERANCE = 1e-4
MOST_SAMPLES = 64  # of the user's data: a wrong export is wrong on the first
_BATCH = 8

Feeds = Mapping[str, NDArray[Any]]
ReadSamples = Callable[[tuple[TensorSpec, ...]], Dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Differences over some inputs.

    Attributes:
        inputs: What they are: `random inputs`, or where they were read from.
        samples: How many.
        outputs: The difference by the name of the output.
    """

    inputs: str
    samples: int
    outputs: Mapping[str, Difference]

    @property
    def worst(self) -> tuple[str, Difference]:
        """The output that differs most, relative to its magnitude."""
        return max(self.outputs.items(), key=lambda each: each[1].relative)

    def as_json(self) -> dict[str, Any]:
        """The figures under their JSON keys."""
        return {
            "inputs": self.inputs,
            "samples": self.samples,
            "outputs": {name: difference.as_json() for name, difference in self.outputs.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a model was compared with, and how close it is.

    Attributes:
        reference: What it should equal, with its version.
        runtime: What ran the model, with its version.
        tolerance: The largest relative difference that passes.
        compared: On random inputs, and on the user's where there are any.
    """

    reference: str
    runtime: str
    compared: tuple[Compared, ...]
    tolerance: float = TOLERANCE

    def as_json(self) -> dict[str, Any]:
        """The proof under its JSON keys."""
        return {
            "reference": self.reference,
            "runtime": self.runtime,
            "tolerance": {"value": self.tolerance, "unit": "1"},
            "compared": [each.as_json() for each in self.compared],
            "origin": "host",
        }


def compared(path: Path, reference: Callable[[Feeds], Feeds], trials: Iterable[Feeds], *, inputs: str) -> Compared:
    """How far the ONNX file at `path` is from `reference` over all `trials`.

    Args:
        path: The model.
        reference: Gives the outputs that it should have, by name.
        trials: Batches of inputs by name; the model gets them in its own types.
        inputs: What the trials are.

    Raises:
        Unsupported: ONNX Runtime does not take the model.
        InputError: Either fails on the inputs.
    """
    differences, samples = Differences(), 0
    with opened(path) as session:
        kinds = {spec.name: np.dtype(spec.dtype) for spec in session.inputs}
        for feeds in trials:
            taken = {name: np.ascontiguousarray(feeds[name], dtype=kind) for name, kind in kinds.items()}
            differences.add(reference(feeds), session.infer(taken))
            first = next(iter(feeds.values()))
            samples += len(first) if first.ndim else 1
    return Compared(inputs=inputs, samples=samples, outputs=differences.by_output())


def opened(path: Path) -> Session:
    """A session on the exported model at `path`, a file that the user does not know of.

    Raises:
        Unsupported: ONNX Runtime does not take the model.
    """
    try:
        return runner_named("onnxruntime").open(path)
    except InputError as error:
        message = error.message.replace(f"`{path}`", "what the exporter wrote").replace(str(path), "it")
        raise Unsupported(message, hint="another opset (`--opset`) may serve") from error


def trials_of(data: Dataset, fixed_batch: int | None) -> Iterator[Feeds]:
    """At most `MOST_SAMPLES` of the user's samples, in batches that the model takes."""
    kept = data.rows(np.arange(min(len(data), MOST_SAMPLES)))
    yield from kept.batches(fixed_batch or _BATCH, is_filled=fixed_batch is not None)


def require_close(each: Compared, *, what: str, hint: Callable[[], str]) -> None:
    """Refuse a model that differs from what it was made of.

    Args:
        each: The comparison.
        what: The model, for the message.
        hint: Gives what may mend it; asked only where it differs.

    Raises:
        Unsupported: An output differs by more than `TOLERANCE`, relative to its largest magnitude.
    """
    name, worst = each.worst
    if not worst.relative <= TOLERANCE:
        raise Unsupported(
            f"{what} is not what it was made of: output `{name}` differs by {worst.largest:.3g}, "
            f"{worst.relative:.3g} of its largest value (SQNR {worst.sqnr_db:.1f} dB), on {each.samples} samples of "
            f"{each.inputs}; at most {TOLERANCE:g} passes, and nothing is written",
            hint=hint(),
        )
