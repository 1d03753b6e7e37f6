"""`edgeopt compare`: two models, or two prediction files, on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.calibration import calibration_json
from edgeopt.judge.compare import AccuracyComparison, compare_predictions
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
    named = {"baseline": Path(base), "candidate": Path(candidate)}
    artifacts = {role: model_artifact(path) for role, path in named.items() if path.suffix != PREDICTIONS_ENDING}
    both = [
        predictions_of(
            artifacts[role],
            _judged(artifacts[role], data, preprocess, list(artifacts.values())),
            report=report,
            stage=f"evaluating the {role}",
        )
        if role in artifacts
        else read_predictions(path)
        for role, path in named.items()
    ]
    comparison = compare_predictions(*both, seed=seed)
    record = {**comparison.as_json(), "origin": Origin.HOST.value}
    digests = {role: artifact.sha256 for role, artifact in artifacts.items()}
    run = Run(
        command="compare",
        environment=environment(),
        artifacts=tuple({**artifact.as_json(), "role": role} for role, artifact in artifacts.items()),
        measurements=comparison_measurements(
            comparison, candidate=digests.get("candidate", ""), baseline=digests.get("baseline", "")
        ),
        own={**record, "slices": [], "calibration": calibration_json(*both, seed=seed), "robustness": None},
    )
    return CompareResult(comparison=comparison, run=run)


def _judged(
    artifact: Artifact, data: Named | None, preprocess: Preprocess | None, artifacts: list[Artifact]
) -> Dataset:
    if data is None:
        raise InputError(f"`{artifact.path}` is a model, so samples are needed", hint="give them with `--data`")
    return judged_rows(data_for(artifact, data, preprocess), artifacts)


def comparison_measurements(
    comparison: AccuracyComparison, *, candidate: str, baseline: str
) -> tuple[Measurement, ...]:
    """Figures of a comparison for the record, each with the digest of the baseline that it is held against.

    The candidate's own metric keeps how many samples were lost and gained, so that a gate can judge the pair later.
    """
    single = partial(single_value, artifact=candidate, origin=Origin.HOST, n=comparison.n, baseline=baseline)
    figures = {"flip_rate": (comparison.flip_rate, "1"), "sqnr": (comparison.sqnr_db, "dB")}
    found = [
        single(name, value, unit=unit)
        for name, (value, unit) in figures.items()
        if value is not None and math.isfinite(value)
    ]
    if comparison.metric and comparison.candidate is not None and comparison.losses is not None:
        pairs: dict[str, Any] = {"losses": comparison.losses, "gains": comparison.gains}
        found.append(single(comparison.metric, comparison.candidate, unit="1", **pairs))
    return tuple(found)
