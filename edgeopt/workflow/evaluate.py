"""`edgeopt evaluate`: task metrics of one model on data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.artifact import Artifact
from edgeopt.core.dataset import Dataset
from edgeopt.core.files import require_writable
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.core.target import HOST
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.answers import Answers, answers_from_scores
from edgeopt.judge.bootstrap import bootstrap_interval
from edgeopt.judge.clusters import cluster_numbers
from edgeopt.judge.labels import check_labels
from edgeopt.judge.metrics import MetricValue, measure_metrics, suitable_metrics
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.slices import MOST_VALUES
from edgeopt.measure.environment import environment
from edgeopt.measure.predictions import predict
from edgeopt.workflow.inputs import Named, data_for, judged_rows, model_artifact, require_host, runtime_for
from edgeopt.workflow.prediction_file import write_predictions
from edgeopt.workflow.progress import Report, counter, silent
from edgeopt.workflow.sizes import size_measurement

_CUSTOM_RESAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult:
    """What `evaluate` gives.

    Attributes:
        artifact: The model.
        predictions: Scores, labels and slice columns per sample.
        metrics: Value, interval and number of samples per metric.
        run: The record.
    """

    artifact: Artifact
    predictions: Predictions
    metrics: dict[str, MetricValue]
    run: Run

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()


def evaluate(
    model: Named,
    data: Named,
    *,
    metrics: Sequence[str] = (),
    predictions: Named | None = None,
    cluster: str = "",
    target: str = HOST,
    runtime: str | None = None,
    threads: int = 1,
    preprocess: Preprocess | None = None,
    force: bool = False,
    seed: int = 0,
    report: Report = silent,
) -> EvaluateResult:
    """Measure how well a model does on labelled data.

    Args:
        model: The model file.
        data: Samples with labels; where they name parts, only `confirm` counts.
        metrics: Names, or `module:function` of (scores, labels); by default all that suit the task.
        predictions: An `.npz` file to write scores, labels and slice columns to.
        cluster: Column of samples that depend on each other, as frames of one video: intervals are over its values.
        target: Where; only `host` without a board.
        runtime: Name of the runner.
        threads: Threads per inference.
        preprocess: What is done to raw samples.
        force: Overwrite an existing predictions file.
        seed: Seed of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: The model, the data, its labels or a metric is not usable.
        Unsupported: The target is not this machine.
    """
    require_host(target, what="accuracy")
    if predictions:
        require_writable(Path(predictions), force=force)
    artifact = model_artifact(model)
    judged = judged_rows(data_for(artifact, data, preprocess), [artifact])
    if judged.labels is None:
        raise InputError(
            f"data `{judged.source}` has no labels (`y`)",
            hint="add them; without labels `edgeopt compare` still counts flips between two models",
        )
    made = predictions_of(artifact, judged, runtime=runtime, threads=threads, report=report)
    values = metric_values(made, metrics, seed, cluster)
    saved = write_predictions(made, Path(predictions), force=force) if predictions else None
    run = Run(
        command="evaluate",
        environment=environment(threads=threads),
        artifacts=(artifact.as_json(),),
        measurements=(size_measurement(artifact), *metric_measurements(artifact, values, saved)),
        own={
            "metrics": {name: value_json(value) for name, value in values.items()},
            "slices": _slices(made, metrics, seed, cluster),
            "predictions": saved,
            "judged": made.judged,
        },
    )
    return EvaluateResult(artifact=artifact, predictions=made, metrics=values, run=run)


def predictions_of(
    artifact: Artifact,
    judged: Dataset,
    *,
    runtime: str | None = None,
    threads: int = 1,
    report: Report = silent,
    stage: str = "evaluating",
) -> Predictions:
    """What a model says about `judged`, with its labels checked against it.

    Raises:
        InputError: The model fails on the samples, or the labels do not fit its output.
    """
    scores = predict(
        artifact.path,
        judged,
        runtime=runtime_for(artifact, runtime),
        threads=threads,
        progress=counter(report, stage),
    )
    labels = None if judged.labels is None else check_labels(scores, judged.labels, judged.source)
    return Predictions(
        scores=scores,
        labels=labels,
        columns=judged.columns,
        artifact={key: value for key, value in artifact.as_json().items() if key not in ("inputs", "outputs")},
        judged=judged.identity(),
    )


def metric_values(made: Predictions, names: Sequence[str], seed: int, cluster: str = "") -> dict[str, MetricValue]:
    """The metrics asked for: ours by name, the user's by `module:function`; by default all that suit the task.

    Args:
        made: Predictions with labels.
        names: Of metrics.
        seed: Seed of bootstraps.
        cluster: Column of samples that depend on each other; empty where none do.
    """
    own = [name for name in names if ":" not in name]
    values = measure_metrics(_answers(made, cluster), names=own or None, seed=seed) if own or not names else {}
    return values | {name: _custom_value(name, made, seed, cluster) for name in names if ":" in name}


def _answers(made: Predictions, cluster: str) -> Answers:
    assert made.labels is not None
    clusters = cluster_numbers(made.columns, cluster) if cluster else None
    return answers_from_scores(made.scores, made.labels, clusters=clusters)


def metric_measurements(
    artifact: Artifact, values: dict[str, MetricValue], saved: dict[str, str] | None
) -> tuple[Measurement, ...]:
    """The metrics for the record."""
    details: dict[str, Any] = {"predictions": saved} if saved else {}
    return tuple(
        single_value(
            name,
            value.value,
            artifact=artifact.sha256,
            unit="1",
            origin=Origin.HOST,
            n=value.n,
            ci95=[value.low, value.high],
            **details,
        )
        for name, value in values.items()
    )


def value_json(value: MetricValue) -> dict[str, Any]:
    """A metric under its JSON keys."""
    return {**value.as_json(), "origin": Origin.HOST.value}


def _custom_value(reference: str, made: Predictions, seed: int, cluster: str) -> MetricValue:
    from edgeopt.data.users_code import UsersCode, load_function

    function: Callable[..., Any] = load_function(reference, purpose="metric")
    scores, labels = made.scores, made.labels
    assert labels is not None
    with UsersCode(reference, purpose="metric"):
        value = float(function(scores, labels))
        low, high = bootstrap_interval(
            lambda rows: float(function(scores[rows], labels[rows])),
            made.n,
            seed=seed,
            resamples=_CUSTOM_RESAMPLES,
            clusters=cluster_numbers(made.columns, cluster) if cluster else None,
        )
    return MetricValue(value=value, low=low, high=high, n=made.n, unit="1")


def _slices(made: Predictions, names: Sequence[str], seed: int, cluster: str) -> list[dict[str, Any]]:
    """The metrics for each value of each column that has few values; our own metrics only."""
    answers = _answers(made, cluster)
    own = [name for name in names if ":" not in name]
    found = []
    for column, values in made.columns.items():
        distinct = np.unique(values)
        if not 1 < len(distinct) <= MOST_VALUES:
            continue
        for value in distinct:
            part = answers.rows(np.flatnonzero(values == value))
            chosen = [name for name in own or suitable_metrics(part) if name in suitable_metrics(part)]
            metrics = measure_metrics(part, names=chosen, seed=seed)
            entries = {name: value_json(entry) for name, entry in metrics.items()}
            found.append({"column": column, "value": value.item(), "metrics": entries})
    return found
