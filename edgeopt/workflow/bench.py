"""`edgeopt bench`: latency, load time, throughput and memory of models on a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, Unsupported
from edgeopt.judge.latency import LatencyComparison, LatencySummary, compare_latency, summarize_latency
from edgeopt.measure.environment import environment
from edgeopt.measure.latency import PROCESSES, Plan, Timing, Timings, measure_models
from edgeopt.workflow.inputs import Named, model_artifact, models_or_default, require_host, runtime_for
from edgeopt.workflow.progress import Report, counter, silent

Metric = Literal["latency", "memory", "instructions", "energy"]
_MEASURED_HERE = ("latency", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """What was measured of one model on one target.

    Attributes:
        artifact: The model.
        target: Where.
        runtime: Name of the runner.
        threads: Threads per inference.
        batch: Samples per inference.
        timing: Raw samples.
        summary: Latency summed up, in seconds.
    """

    artifact: Artifact
    target: str
    runtime: str
    threads: int
    batch: int
    timing: Timing
    summary: LatencySummary

    @property
    def load_seconds(self) -> float:
        """Median time to load the model."""
        return sorted(self.timing.load)[len(self.timing.load) // 2]

    @property
    def memory_bytes(self) -> int:
        """Median peak resident memory of a process that does nothing but infer with it."""
        return sorted(self.timing.memory)[len(self.timing.memory) // 2]

    @property
    def model_memory_bytes(self) -> int:
        """Of `memory_bytes`, what came with the model."""
        return self.memory_bytes - sorted(self.timing.memory_before)[len(self.timing.memory_before) // 2]

    @property
    def throughput(self) -> float:
        """Samples per second, one call after the other."""
        return self.batch / self.summary.mean

    def as_json(self) -> dict[str, Any]:
        """The row under `runs`."""
        return {
            "artifact": self.artifact.sha256,
            "path": str(self.artifact.path),
            "target": self.target,
            "runtime": self.runtime,
            "threads": self.threads,
            "batch": self.batch,
            "origin": Origin.HOST.value,
            "latency": {
                "samples": [list(process) for process in self.timing.samples],
                "median": self.summary.median,
                "p50": self.summary.median,
                "p90": self.summary.p90,
                "ci95": list(self.summary.ci95),
                "unit": "s",
            },
            "load": {"value": self.load_seconds, "unit": "s"},
            "throughput": {"value": self.throughput, "unit": "1/s"},
            "memory": {"value": self.memory_bytes, "model": self.model_memory_bytes, "unit": "B"},
            "energy": None,
            "instructions": None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What `bench` gives: rows, and each further model compared with the base where there is one."""

    run: Run
    rows: tuple[BenchRow, ...]
    comparisons: tuple[LatencyComparison, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return self.run.as_json()

    def latency_json(self) -> dict[str, Any]:
        """The first candidate's latency beside the base's, summed up."""
        sides = {}
        for role, row in zip(("baseline", "candidate"), self.rows, strict=False):
            record = row.as_json()
            summary = {key: value for key, value in record["latency"].items() if key != "samples"}
            sides[role] = {**summary, "origin": record["origin"]}
        return {**sides, "comparison": comparison_json(self.comparisons[0])}


def bench(
    *models: Named,
    against: Named | None = None,
    target: str | Sequence[str] = HOST,
    metric: Metric = "latency",
    runtime: str | None = None,
    threads: int = 1,
    batch: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
    processes: int = PROCESSES,
    seed: int = 0,
    report: Report = silent,
) -> BenchResult:
    """Time models in fresh processes, interleaved.

    Args:
        models: Model files; without any, that of ./edgeopt.toml, else the bundled one.
        against: A base that the models are compared with, on samples taken in turn with theirs.
        target: Where; only `host` can be measured without a board.
        metric: `latency` and `memory` are both measured; others need what is not here yet.
        runtime: Name of the runner; by default the one of the model's format.
        threads: Threads per inference.
        batch: Samples per inference, for models with a free batch axis.
        shapes: Shape per input name, for models with other free axes.
        processes: Fresh processes to time in.
        seed: Seed of the inputs and of the bootstrap.
        report: Called with what is being done.

    Raises:
        InputError: A model or an option is not usable.
        Unsupported: The target or metric cannot be measured here.
        ToolFailed: A measuring process crashed or hung.
    """
    for name in (target,) if isinstance(target, str) else target:
        require_host(name, what=metric)
    if metric not in _MEASURED_HERE:
        raise Unsupported(f"`{metric}` cannot be measured here yet", hint="`--metric latency` measures time and memory")
    paths = [Path(against), *map(Path, models)] if against else list(models_or_default(models))
    artifacts = [model_artifact(path) for path in paths]
    if against and len(artifacts) < 2:
        raise InputError("`--against` needs a model to compare with the base", hint="edgeopt bench NEW --against BASE")
    fixed = {name: list(lengths) for name, lengths in (shapes or {}).items()}
    _require_inputs(fixed, artifacts)
    plan = Plan(
        runtime=runtime_for(artifacts[0], runtime),
        threads=threads,
        processes=processes,
        batch=batch,
        shapes=fixed,
        seed=seed,
    )
    timings = measure_models(paths, plan, progress=counter(report, "measuring"))
    return bench_result(artifacts, plan, timings, has_base=against is not None)


def bench_result(artifacts: Sequence[Artifact], plan: Plan, timings: Timings, *, has_base: bool) -> BenchResult:
    """Rows, comparisons and the record of what was timed."""
    rows = tuple(
        BenchRow(
            artifact=artifact,
            target=HOST,
            runtime=plan.runtime,
            threads=plan.threads,
            batch=plan.batch,
            timing=timing,
            summary=summarize_latency(timing.samples, calls_per_block=timing.calls_per_block, seed=plan.seed),
        )
        for artifact, timing in zip(artifacts, timings.models, strict=True)
    )
    comparisons = tuple(_compared(rows[0], row, plan.seed) for row in rows[1:]) if has_base else ()
    record = environment(threads=plan.threads)
    roles = ["baseline", *["candidate"] * (len(rows) - 1)] if has_base else ["candidate"] * len(rows)
    run = Run(
        command="bench",
        environment=record,
        artifacts=tuple({**a.as_json(), "role": role} for a, role in zip(artifacts, roles, strict=True)),
        measurements=tuple(m for row in rows for m in row_measurements(row, session=record["date"])),
        own={
            "runs": [row.as_json() for row in rows],
            "comparison": comparison_json(comparisons[0]) if comparisons else None,
            "comparisons": [comparison_json(comparison) for comparison in comparisons],
            "warnings": list(timings.warnings),
        },
    )
    return BenchResult(run=run, rows=rows, comparisons=comparisons, warnings=timings.warnings)


def row_measurements(row: BenchRow, *, session: str) -> tuple[Measurement, ...]:
    """The figures of a row for the record; equal `session`s mark samples that were taken in turn."""
    digest = row.artifact.sha256
    latency = Measurement(
        metric="latency",
        artifact=digest,
        target=row.target,
        unit="s",
        origin=Origin.HOST,
        samples=row.timing.samples,
        details={
            "runtime": row.runtime,
            "threads": row.threads,
            "batch": row.batch,
            "calls_per_block": row.timing.calls_per_block,
            "session": session,
        },
    )
    load = replace(latency, metric="load", samples=tuple((value,) for value in row.timing.load), details={})
    memory = tuple((float(value),) for value in row.timing.memory)
    return (
        latency,
        load,
        replace(load, metric="memory", unit="B", samples=memory),
        single_value("size", row.artifact.size_bytes, artifact=digest, unit="B", origin=Origin.HOST),
    )


def comparison_json(comparison: LatencyComparison) -> dict[str, Any]:
    """A comparison under its JSON keys."""
    return {
        "ratio": comparison.ratio,
        "ci95": list(comparison.ci95),
        "verdict": comparison.verdict,
        "minimum_effect": comparison.minimum_effect,
    }


def _compared(base: BenchRow, row: BenchRow, seed: int) -> LatencyComparison:
    calls = min(base.timing.calls_per_block, row.timing.calls_per_block)
    return compare_latency(base.timing.samples, row.timing.samples, calls_per_block=calls, seed=seed)


def _require_inputs(shapes: Mapping[str, Sequence[int]], artifacts: Sequence[Artifact]) -> None:
    names = {spec.name for artifact in artifacts for spec in artifact.inputs}
    for name in shapes:
        if name not in names:
            raise InputError(f"`--shape {name}=…`: no model has that input", hint="inputs: " + ", ".join(sorted(names)))
