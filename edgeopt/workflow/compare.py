"""`edgeopt compare`: two models, or two prediction files, on the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset
from edgeopt.core.files import sha256_of
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.calibration import calibration_json
from edgeopt.judge.compare import AccuracyComparison, compare_predictions
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.slices import SliceComparison, compare_slices
from edgeopt.measure.environment import environment
from edgeopt.store.store import Store
from edgeopt.workflow.evaluate import predictions_of
from edgeopt.workflow.gate_case import BASELINE, CANDIDATE
from edgeopt.workflow.inputs import Named, data_for, judged_rows, model_artifact
from edgeopt.workflow.looks import looks_at
from edgeopt.workflow.prediction_file import read_predictions
from edgeopt.workflow.progress import Report, silent

PREDICTIONS_ENDING = ".npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """What `compare` gives: the comparison over all samples, that of every slice, and the record."""

    comparison: AccuracyComparison
    slices: tuple[SliceComparison, ...] = ()
    run: Run

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def compare(
    base: Named,
    candidate: Named,
    data: Named | None = None,
    *,
    metric: str | None = None,
    cluster: str = "",
    slices: Sequence[str] = (),
    preprocess: Preprocess | None = None,
    seed: int = 0,
    report: Report = silent,
) -> CompareResult:
    """Compare two models on the same samples.

    Args:
        base: A model, or a predictions file that `evaluate` wrote.
        candidate: The same.
        data: Samples; not needed for two prediction files. Labels are not needed to count flips.
        metric: The metric that leads; by default the task's.
        cluster: Column of samples that depend on each other, as frames of one video: intervals are over its values.
        slices: Columns to compare by; without any, all that have few values.
        preprocess: What is done to raw samples.
        seed: Seed of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: A model, a file or the data is not usable, or the two do not fit together.
    """
    named = {BASELINE: Path(base), CANDIDATE: Path(candidate)}
    models = {role: model_artifact(path) for role, path in named.items() if path.suffix != PREDICTIONS_ENDING}
    before, after = (
        predictions_of(
            models[role],
            _judged(models[role], data, preprocess, list(models.values())),
            report=report,
            stage=f"evaluating the {role}",
        )
        if role in models
        else read_predictions(path)
        for role, path in named.items()
    )
    comparison = compare_predictions(before, after, metric=metric, seed=seed, cluster=cluster)
    parts = compare_slices(before, after, metric=comparison.metric, columns=slices, seed=seed, cluster=cluster)
    sides = dict(zip(named, (before, after), strict=True))
    artifacts = {
        role: models[role].as_json() if role in models else _predicted_by(sides[role], path)
        for role, path in named.items()
    }
    digests = {role: str(artifact["sha256"]) for role, artifact in artifacts.items()}
    files = {role: _file(path) for role, path in named.items() if role not in models}
    judged = after.judged or before.judged
    run = Run(
        command="compare",
        environment=environment(),
        artifacts=tuple({**artifact, "role": role} for role, artifact in artifacts.items()),
        measurements=(
            *_recorded_files(sides, digests, files),
            *comparison_measurements(comparison, candidate=digests[CANDIDATE], baseline=digests[BASELINE]),
        ),
        own={
            **comparison.as_json(),
            "origin": Origin.HOST.value,
            "slices": [part.as_json() for part in parts],
            "calibration": calibration_json(before, after, seed=seed, cluster=cluster),
            "robustness": None,
            "judged": judged or None,
            "looks": looks_at(judged, digests[CANDIDATE], Store.find()),
            "warnings": _warnings(before, after),
        },
    )
    return CompareResult(comparison=comparison, slices=parts, run=run)


def _predicted_by(made: Predictions, path: Path) -> dict[str, Any]:
    """The model whose predictions a file holds; the file itself where it does not say."""
    if {"path", "sha256", "size_bytes"} <= made.artifact.keys():
        return {"inputs": [], "outputs": [], **made.artifact}
    return {"format": "predictions", "size_bytes": path.stat().st_size, "inputs": [], "outputs": [], **_file(path)}


def _file(path: Path) -> dict[str, str]:
    return {"path": str(path), "sha256": sha256_of(path)}


def _recorded_files(
    sides: dict[str, Predictions], digests: dict[str, str], files: dict[str, dict[str, str]]
) -> Iterator[Measurement]:
    """How many samples each prediction file holds, and where it lies: a gate reads the pairs from there."""
    for role, file in files.items():
        yield single_value(
            "samples", sides[role].n, artifact=digests[role], unit="1", origin=Origin.HOST, predictions=file
        )


def _warnings(before: Predictions, after: Predictions) -> list[str]:
    one, other = before.judged, after.judged
    if not one or not other or (one.get("sha256"), one.get("rows")) == (other.get("sha256"), other.get("rows")):
        return []
    return [
        f"the predictions say that they are of `{one.get('source')}` and of `{other.get('source')}`, whose content "
        "differs: labels and columns agree, but whether the samples do cannot be checked; predict both on one file"
    ]


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
