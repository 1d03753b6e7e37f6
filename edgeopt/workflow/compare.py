"""`edgeopt compare`: two models, or two prediction files, on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.compare import AccuracyComparison, compare_predictions
from edgeopt.judge.predictions import Predictions
from edgeopt.measure.environment import environment
from edgeopt.workflow.evaluate import predictions_of
from edgeopt.workflow.inputs import Named, data_for, judged_rows, model_artifact
from edgeopt.workflow.prediction_file import read_predictions
from edgeopt.workflow.progress import Report, silent

PREDICTIONS_ENDING = ".npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """What `compare` gives."""

    comparison: AccuracyComparison
    run: Run

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def compare(
    base: Named,
    candidate: Named,
    data: Named | None = None,
    *,
    preprocess: Preprocess | None = None,
    seed: int = 0,
    report: Report = silent,
) -> CompareResult:
    """Compare two models on the same samples.

    Args:
        base: A model, or a predictions file that `evaluate` wrote.
        candidate: The same.
        data: Samples; not needed for two prediction files. Labels are not needed to count flips.
        preprocess: What is done to raw samples.
        seed: Seed of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: A model, a file or the data is not usable, or the two do not fit together.
    """
    both: list[Predictions] = []
    artifacts: list[dict[str, Any]] = []
    for role, named in (("baseline", base), ("candidate", candidate)):
        if Path(named).suffix == PREDICTIONS_ENDING:
            both.append(read_predictions(Path(named)))
            continue
        artifact = model_artifact(named)
        judged = _judged(artifact, data, preprocess)
        both.append(predictions_of(artifact, judged, report=report, stage=f"evaluating the {role}"))
        artifacts.append({**artifact.as_json(), "role": role})
    comparison = compare_predictions(*both, seed=seed)
    record = {**comparison.as_json(), "origin": Origin.HOST.value}
    digests = {entry["role"]: entry["sha256"] for entry in artifacts}
    run = Run(
        command="compare",
        environment=environment(),
        artifacts=tuple(artifacts),
        measurements=_measurements(comparison, digests),
        own={**record, "slices": [], "calibration": None, "robustness": None},
    )
    return CompareResult(comparison=comparison, run=run)


def _judged(artifact: Artifact, data: Named | None, preprocess: Preprocess | None) -> Dataset:
    if data is None:
        raise InputError(f"`{artifact.path}` is a model, so samples are needed", hint="give them with `--data`")
    return judged_rows(data_for(artifact, data, preprocess))


def _measurements(comparison: AccuracyComparison, digests: dict[str, str]) -> tuple[Measurement, ...]:
    """Figures of the candidate that are differences from the baseline, whose digest they name."""
    figures = {"flip_rate": (comparison.flip_rate, "1"), "sqnr": (comparison.sqnr_db, "dB")}
    artifact, baseline = digests.get("candidate", ""), digests.get("baseline", "")
    return tuple(
        single_value(name, value, artifact=artifact, unit=unit, origin=Origin.HOST, n=comparison.n, baseline=baseline)
        for name, (value, unit) in figures.items()
        if value is not None and math.isfinite(value)
    )
