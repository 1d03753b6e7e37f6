"""A model and its baseline measured for a gate: on the same samples, and by turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import BenchTable
from edgeopt.core.dataset import Dataset
from edgeopt.core.measurement import Measurement
from edgeopt.errors import InputError
from edgeopt.judge.compare import compare_predictions
from edgeopt.judge.confirm import confirmed, suspects
from edgeopt.judge.evidence import Side
from edgeopt.judge.gate import Verdict
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule
from edgeopt.measure.environment import machine_identity
from edgeopt.measure.latency import Plan
from edgeopt.workflow.bench_result import BenchResult
from edgeopt.workflow.by_turns import time_by_turns
from edgeopt.workflow.evaluate import metric_measurements, metric_values, predictions_of, size_measurement
from edgeopt.workflow.inputs import runtime_for
from edgeopt.workflow.prediction_file import write_predictions
from edgeopt.workflow.progress import Report
from edgeopt.workflow.step_cache import AppliedStep

_TIMED = ("latency", "memory", "load")
_ON_DATA = (*METRICS, "flip_rate", "sqnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPair:
    """Both models, measured alike.

    Attributes:
        models: The artifacts of both.
        original: The baseline.
        candidate: What is held against it.
        latency: One against the other, as `quantize` records it; None where no rule asks for it.
        accuracy: One against the other, as `compare` records it; None without data.
        warnings: What the user should know.
        steps: What made the candidate from the original.
    """

    models: tuple[Artifact, Artifact]
    original: Side
    candidate: Side
    latency: dict[str, Any] | None
    accuracy: dict[str, Any] | None
    warnings: tuple[str, ...]
    steps: tuple[AppliedStep, ...] = ()

    @property
    def artifacts(self) -> tuple[dict[str, Any], ...]:
        """The JSON form of both."""
        roles = ("baseline", "candidate")
        return tuple({**model.as_json(), "role": role} for model, role in zip(self.models, roles, strict=True))

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All figures of both."""
        return (*self.original.measurements, *self.candidate.measurements)


def measure_pair(
    models: tuple[Artifact, Artifact],
    judged: Dataset | None,
    rules: tuple[Rule, ...],
    bench: BenchTable,
    *,
    record: Path,
    seed: int,
    report: Report,
) -> MeasuredPair:
    """Measure what the rules ask for, and nothing else.

    Args:
        models: The baseline and the candidate.
        judged: The samples that count; None where no rule needs them.
        rules: What is demanded.
        bench: How latency is measured.
        record: The folder that takes predictions.
        seed: Seed of inputs and bootstraps.
        report: Called with what is being done.

    Raises:
        InputError: A metric does not suit the data, or a model fails on it.
    """
    predictions = [predictions_of(m, judged, report=report, stage=m.path.name) if judged else None for m in models]
    metrics = [  # before anything is timed: a metric that does not suit the data ends the command here
        _metrics(model, made, rules, record, seed) for model, made in zip(models, predictions, strict=True)
    ]
    timing = _timing(bench, models, rules, seed, report)
    original, candidate = (
        Side(
            sha256=model.sha256,
            machine=machine_identity(),
            measurements=(*_figures_of(model, timing), *measured),
            predictions=made,
        )
        for model, measured, made in zip(models, metrics, predictions, strict=True)
    )
    before, after = predictions
    return MeasuredPair(
        models=models,
        original=original,
        candidate=candidate,
        latency=timing.latency_json() if timing else None,
        accuracy=compare_predictions(before, after, seed=seed).as_json() if before and after else None,
        warnings=timing.warnings if timing else (),
    )


def look_twice(
    measured: MeasuredPair,
    rules: tuple[Rule, ...],
    verdict_on: Callable[[Sequence[Rule], MeasuredPair], Verdict],
    bench: BenchTable,
    *,
    seed: int,
    report: Report,
) -> Verdict:
    """The verdict on what was measured: nothing slow is red without a second look."""
    verdict = verdict_on(rules, measured)
    suspected = suspects(rules, verdict)
    if not suspected:
        return verdict
    timing = _timing(bench, measured.models, suspected, seed + 1, report)
    sides = [
        replace(side, measurements=(*side.measurements, *_figures_of(model, timing)))
        for side, model in zip((measured.original, measured.candidate), measured.models, strict=True)
    ]
    again = replace(measured, original=sides[0], candidate=sides[1])
    return confirmed(verdict, verdict_on(suspected, again))


def is_on_data(rule: Rule) -> bool:
    """Whether samples are needed to judge the rule."""
    return rule.metric in _ON_DATA


def require_answers(rules: Sequence[Rule], data: Dataset | None) -> None:
    """Refuse rules that the data cannot answer, before anything is measured; all at once.

    Raises:
        InputError: There is no data, it has no labels, or it lacks a slice column.
    """
    faults = []
    for rule in rules:
        if is_on_data(rule) and data is None:
            faults.append(f"rule `{rule.text}` needs `[data]`")
        elif rule.metric in METRICS and data is not None and data.labels is None:
            faults.append(f"rule `{rule.text}` needs labels (`y`) in `{data.source}`")
        elif rule.slice_column and data is not None and rule.slice_column not in data.columns:
            faults.append(f"rule `{rule.text}`: `{data.source}` has no column `{rule.slice_column}`")
    if faults:
        known = ", ".join(sorted(data.columns)) if data and data.columns else "none"
        raise InputError("; ".join(faults), hint=f"columns of the data: {known}")


def _timing(
    bench: BenchTable, models: tuple[Artifact, Artifact], rules: Sequence[Rule], seed: int, report: Report
) -> BenchResult | None:
    if not any(rule.metric in _TIMED for rule in rules):
        return None
    plan = Plan(runtime=runtime_for(models[0], None), threads=bench.threads, processes=bench.processes, seed=seed)
    return time_by_turns(models, plan, report=report)


def _figures_of(model: Artifact, timing: BenchResult | None) -> tuple[Measurement, ...]:
    """Size, and what was timed."""
    size = size_measurement(model)
    own = [m for m in timing.run.measurements if m.artifact == model.sha256] if timing else []
    return (size, *(m for m in own if m.metric != "size"))


def _metrics(
    model: Artifact, made: Predictions | None, rules: Sequence[Rule], record: Path, seed: int
) -> tuple[Measurement, ...]:
    """The metrics that rules ask for, with predictions saved beside them."""
    if made is None:
        return ()
    saved = write_predictions(made, record / f"{model.sha256[:16]}.predictions.npz", force=True)
    names = sorted({rule.metric for rule in rules if rule.metric in METRICS})
    return (
        metric_measurements(model, metric_values(made, names, seed), saved) if names and made.labels is not None else ()
    )
