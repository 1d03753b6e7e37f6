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
from edgeopt.judge.compare import compare_predictions
from edgeopt.judge.confirm import judge_twice
from edgeopt.judge.evidence import Side
from edgeopt.judge.gate import Verdict
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule
from edgeopt.judge.slices import SliceComparison, compare_slices
from edgeopt.judge.usable import unusable_rules
from edgeopt.measure.environment import machine_identity
from edgeopt.measure.latency import Plan
from edgeopt.workflow.bench_result import BenchResult
from edgeopt.workflow.by_turns import second_plan, time_by_turns, time_once
from edgeopt.workflow.demands import require
from edgeopt.workflow.evaluate import metric_measurements, metric_values, predictions_of
from edgeopt.workflow.prediction_file import write_predictions
from edgeopt.workflow.progress import Report
from edgeopt.workflow.sizes import size_measurement

_TIMED = ("latency", "memory", "load")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPair:
    """Both models, measured alike.

    Attributes:
        models: The artifacts of both.
        original: The baseline.
        candidate: What is held against it.
        latency: One against the other, as `quantize` records it; None where no rule asks for it.
        accuracy: One against the other, as `compare` records it; None without data.
        slices: The same for every slice.
        warnings: What the user should know.
    """

    models: tuple[Artifact, Artifact]
    original: Side
    candidate: Side
    latency: dict[str, Any] | None
    accuracy: dict[str, Any] | None
    slices: tuple[SliceComparison, ...]
    warnings: tuple[str, ...]

    @property
    def artifacts(self) -> tuple[dict[str, Any], ...]:
        """The JSON form of both."""
        roles = ("baseline", "candidate")
        return tuple({**model.as_json(), "role": role} for model, role in zip(self.models, roles, strict=True))

    @property
    def compared(self) -> dict[str, Any]:
        """Both beside each other, under the JSON keys of a record."""
        return {
            "latency": self.latency,
            "accuracy": self.accuracy,
            "slices": [part.as_json() for part in self.slices],
        }

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All figures of both."""
        return (*self.original.measurements, *self.candidate.measurements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What is judged, on what.

    Attributes:
        data: The samples that count, as each model takes them; None where no rule needs them.
        rules: What is demanded.
        metric: The metric that leads; None takes the task's.
        cluster: Column of samples that depend on each other; empty where none do.
        slices: Columns to compare by; without any, all that have few values.
    """

    data: tuple[Dataset, Dataset] | None
    rules: tuple[Rule, ...]
    metric: str | None = None
    cluster: str = ""
    slices: tuple[str, ...] = ()


def measure_pair(
    models: tuple[Artifact, Artifact],
    judging: Judging,
    bench: BenchTable,
    *,
    record: Path,
    seed: int,
    report: Report,
) -> MeasuredPair:
    """Measure what the rules ask for, and nothing else.

    Args:
        models: The baseline and the candidate.
        judging: What is judged.
        bench: How latency is measured.
        record: The folder that takes predictions.
        seed: Seed of inputs and bootstraps.
        report: Called with what is being done.

    Raises:
        InputError: A metric does not suit the data, or a model fails on it.
    """
    judged, rules = judging.data, judging.rules
    before, after = predictions = (
        [
            predictions_of(model, samples, report=report, stage=model.path.name)
            for model, samples in zip(models, judged, strict=True)
        ]
        if judged
        else [None, None]
    )
    # Before anything is timed: rules that do not suit the predictions end the command here, all of them at once.
    require(unusable_rules(rules, after) if after else [])
    metrics = [_metrics(m, made, judging, record, seed) for m, made in zip(models, predictions, strict=True)]
    accuracy: dict[str, Any] | None = None
    slices: tuple[SliceComparison, ...] = ()
    if before and after:
        options: dict[str, Any] = {"metric": judging.metric, "seed": seed, "cluster": judging.cluster}
        accuracy = compare_predictions(before, after, **options).as_json()
        slices = compare_slices(before, after, columns=judging.slices, **options)
    timing = _timing(bench, models, rules, seed, report)
    original, candidate = (
        Side(
            sha256=model.sha256,
            machine=machine_identity(),
            measurements=(*(timing.figures[row] if timing else (size_measurement(model),)), *measured),
            predictions=made,
        )
        for row, (model, measured, made) in enumerate(zip(models, metrics, predictions, strict=True))
    )
    return MeasuredPair(
        models=models,
        original=original,
        candidate=candidate,
        latency=timing.latency_json() if timing else None,
        accuracy=accuracy,
        slices=slices,
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
) -> tuple[Verdict, MeasuredPair]:
    """The verdict on what was measured, and the pair with all looks at it: nothing slow is red without a second one."""
    seen = measured

    def pair_verdict(demands: Sequence[Rule], sides: tuple[Side, Side]) -> Verdict:
        nonlocal seen
        seen = replace(measured, original=sides[0], candidate=sides[1])
        return verdict_on(demands, seen)

    def measure_again(_: tuple[Rule, ...]) -> tuple[tuple[Measurement, ...], tuple[Measurement, ...]]:
        plan = second_plan(_plan(bench, seed))
        timing = time_once(measured.models, plan, report=report)
        return timing.figures[0], timing.figures[1]

    verdict = judge_twice(rules, (measured.original, measured.candidate), pair_verdict, measure_again)
    return verdict, seen


def _timing(
    bench: BenchTable, models: tuple[Artifact, Artifact], rules: Sequence[Rule], seed: int, report: Report
) -> BenchResult | None:
    if not any(rule.metric in _TIMED for rule in rules):
        return None
    return time_by_turns(models, _plan(bench, seed), report=report)


def _plan(bench: BenchTable, seed: int) -> Plan:
    return Plan(threads=bench.threads, processes=bench.processes, seed=seed)


def _metrics(
    model: Artifact, made: Predictions | None, judging: Judging, record: Path, seed: int
) -> tuple[Measurement, ...]:
    """The metrics that rules ask for, with predictions saved beside them."""
    if made is None:
        return ()
    saved = write_predictions(made, record / f"{model.sha256[:16]}.predictions.npz", force=True)
    names = sorted({rule.metric for rule in judging.rules if rule.metric in METRICS})
    if not names or made.labels is None:
        return ()
    return metric_measurements(model, metric_values(made, names, seed, judging.cluster), saved)
