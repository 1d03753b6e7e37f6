"""Rules held against models that exist already, without a configuration: what the pytest fixtures judge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import BenchTable
from edgeopt.core.dataset import Dataset
from edgeopt.core.run import Run
from edgeopt.core.validation import validated
from edgeopt.data.preprocess import Preprocess
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import Verdict, judge
from edgeopt.judge.rules import Rule
from edgeopt.measure.environment import environment, machine_identity
from edgeopt.workflow.bench_result import BenchResult, row_measurements
from edgeopt.workflow.demands import demands_of, missing_columns, require, unanswerable_rules
from edgeopt.workflow.gate import GateResult, verdict_json
from edgeopt.workflow.inputs import Named, data_for, judged_rows, model_artifact, same_rows
from edgeopt.workflow.measured_pair import Judging, MeasuredPair, look_twice, measure_pair
from edgeopt.workflow.progress import Report, silent

Undecided = Literal["fail", "pass", "warn"]


def gate_pair(
    base: Named,
    candidate: Named,
    data: Named | None = None,
    *,
    rules: Sequence[str],
    record: Named,
    undecided: Undecided = "fail",
    preprocess: Preprocess | None = None,
    threads: int | None = None,
    processes: int | None = None,
    cluster: str = "",
    seed: int = 0,
    report: Report = silent,
) -> GateResult:
    """Measure of two models what the rules ask for, and judge.

    Args:
        base: The model to hold the candidate against.
        candidate: The other model.
        data: Samples for both, where a rule needs them; without those that either model was calibrated on.
        rules: What is demanded.
        record: The folder that takes predictions.
        undecided: What undecided rules make of the whole.
        preprocess: What is done to raw samples.
        threads: Threads per inference, where something is timed; by default as a gate does.
        processes: Fresh processes to time in; by default as a gate does.
        cluster: Column of samples that depend on each other; empty where none do.
        seed: Seed of inputs and of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: A rule, a model or the data is not usable.
        ToolFailed: A measuring process crashed.
    """
    demands, faults = demands_of(rules)
    models = (model_artifact(base), model_artifact(candidate))
    samples = data_for(models[1], data, preprocess) if data else None
    require(
        [
            *faults,
            *unanswerable_rules(demands, samples),
            *missing_columns([cluster] if cluster else [], samples, key="cluster"),
        ]
    )
    chosen = {"threads": threads, "processes": processes}
    bench = validated(BenchTable, {key: value for key, value in chosen.items() if value is not None}, where="arguments")
    judging = Judging(data=_judged(samples, models, data, preprocess), rules=demands, cluster=cluster)
    measured = measure_pair(models, judging, bench, record=Path(record), seed=seed, report=report)

    def verdict_on(some: Sequence[Rule], pair: MeasuredPair) -> Verdict:
        evidence = Evidence(candidate=pair.candidate, baseline=pair.original, seed=seed, cluster=cluster)
        return judge(some, evidence, undecided=undecided, today=datetime.now(UTC).date())

    verdict, measured = look_twice(measured, demands, verdict_on, bench, seed=seed, report=report)
    run = Run(
        command="gate",
        environment=environment(),
        artifacts=measured.artifacts,
        measurements=measured.measurements,
        own={**verdict_json(verdict, None), **measured.compared, "warnings": list(measured.warnings)},
    )
    return GateResult(verdict=verdict, run=run, warnings=measured.warnings)


def _judged(
    samples: Dataset | None, models: tuple[Artifact, Artifact], data: Named | None, preprocess: Preprocess | None
) -> tuple[Dataset, Dataset] | None:
    """The samples that count, as each model takes them; `samples` are bound to the second."""
    if samples is None or data is None:
        return None
    judged, (base, candidate) = judged_rows(samples, models), models
    return same_rows(judged, candidate, base, lambda model: data_for(model, data, preprocess)), judged


def judge_bench(
    result: BenchResult, rules: Sequence[str], *, undecided: Undecided = "fail", seed: int = 0
) -> dict[str, Verdict]:
    """The verdict on every model that was timed but the base, by path.

    Raises:
        InputError: A rule is not usable.
    """
    demands, faults = demands_of(rules)
    require(faults)
    session = result.run.environment["date"]
    sides = [
        Side(
            sha256=row.artifact.sha256,
            machine=machine_identity(),
            measurements=row_measurements(row, session=session, looks=result.looks, noise=result.noise),
        )
        for row in result.rows
    ]
    base = sides[0] if result.comparisons else None
    return {
        str(row.artifact.path): judge(
            demands,
            Evidence(candidate=side, baseline=base, seed=seed),
            undecided=undecided,
            today=datetime.now(UTC).date(),
        )
        for row, side in zip(result.rows, sides, strict=True)
        if side is not base
    }
