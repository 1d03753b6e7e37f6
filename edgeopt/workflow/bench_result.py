"""What was timed: rows, comparisons with a base, and the record of both."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.core.run import Run
from edgeopt.core.target import HOST
from edgeopt.judge.latency import LatencyComparison, LatencySummary, summarize_latency
from edgeopt.judge.latency_patterns import latency_patterns
from edgeopt.measure.environment import environment
from edgeopt.measure.latency import Plan, Timing
from edgeopt.runners import runtime_of
from edgeopt.workflow.bench_estimates import EstimateRow, warnings_of
from edgeopt.workflow.soak import SoakRun


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
        soak: The model run without a pause; None where that was not asked for.
    """

    artifact: Artifact
    target: str
    runtime: str
    threads: int
    batch: int
    timing: Timing
    summary: LatencySummary
    soak: SoakRun | None = None

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
            **({"soak": self.soak.as_json()} if self.soak else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What `bench` gives.

    Attributes:
        run: The record.
        rows: What was measured of each model; the base comes first where there is one.
        figures: The same for the record, per row; two rows of one file have each its own.
        comparisons: Each further model against the base.
        noise: The base against itself, by turns with all the rest: what this machine makes of no difference.
        warnings: What the user should know.
        looks: Measurements that were pooled, each of as many processes.
        estimates: What is estimated of each model on each target that is not here; no part of the measurements.
    """

    run: Run
    rows: tuple[BenchRow, ...]
    figures: tuple[tuple[Measurement, ...], ...]
    comparisons: tuple[LatencyComparison, ...] = ()
    noise: LatencyComparison | None = None
    warnings: tuple[str, ...] = ()
    looks: int = 1
    estimates: tuple[EstimateRow, ...] = ()

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
        return {
            **sides,
            "comparison": comparison_json(self.comparisons[0]),
            "noise": comparison_json(self.noise) if self.noise else None,
        }


def bench_result(
    artifacts: Sequence[Artifact],
    plan: Plan,
    timings: Sequence[Timing],
    *,
    comparisons: Sequence[LatencyComparison] = (),
    noise: LatencyComparison | None = None,
    warnings: Sequence[str] = (),
    looks: int = 1,
    soaks: Sequence[SoakRun | None] = (),
) -> BenchResult:
    """Rows, comparisons and the record of what was timed.

    Args:
        artifacts: The models, the base first where there are comparisons.
        plan: How they were measured.
        timings: What was measured of each.
        comparisons: Each model but the first against the first.
        noise: The first against itself.
        warnings: What the user should know.
        looks: Measurements that were pooled, each of as many processes.
        soaks: Each model run without a pause, where that was asked for; None for one that was not.
    """
    rows = tuple(
        BenchRow(
            artifact=artifact,
            target=HOST,
            runtime=runtime_of(artifact.path, plan.runtime),
            threads=plan.threads,
            batch=plan.batch,
            timing=timing,
            summary=summarize_latency(timing.samples, calls_per_block=timing.calls_per_block),
            soak=soak,
        )
        for artifact, timing, soak in zip(artifacts, timings, soaks or [None] * len(timings), strict=True)
    )
    record = environment(threads=plan.threads)
    session = f"{record['date']} {secrets.token_hex(4)}"
    told = [*warnings, *_pattern_warnings(rows), *(text for soak in soaks if soak for text in soak.warnings)]
    roles = ["baseline" if comparisons else "candidate", *["candidate"] * (len(rows) - 1)]
    figures = tuple(row_measurements(row, session=session, looks=looks, noise=noise) for row in rows)
    run = Run(
        command="bench",
        environment=record,
        artifacts=tuple({**a.as_json(), "role": role} for a, role in zip(artifacts, roles, strict=True)),
        measurements=tuple(m for row in figures for m in row),
        own={
            "runs": [row.as_json() for row in rows],
            "comparison": comparison_json(comparisons[0]) if comparisons else None,
            "comparisons": [comparison_json(comparison) for comparison in comparisons],
            "noise": comparison_json(noise) if noise else None,
            "warnings": told,
        },
    )
    return BenchResult(
        run=run,
        rows=rows,
        figures=figures,
        comparisons=tuple(comparisons),
        noise=noise,
        warnings=tuple(told),
        looks=looks,
    )


def estimated_result(artifacts: Sequence[Artifact], rows: Sequence[EstimateRow]) -> BenchResult:
    """Rows and the record of what was estimated; it holds no measurement."""
    told = warnings_of(rows)
    run = Run(
        command="bench",
        environment=environment(),
        artifacts=tuple({**artifact.as_json(), "role": "candidate"} for artifact in artifacts),
        measurements=(),
        own={
            "runs": [row.as_json() for row in rows],
            "comparison": None,
            "comparisons": [],
            "noise": None,
            "warnings": told,
        },
    )
    return BenchResult(run=run, rows=(), figures=(), estimates=tuple(rows), warnings=tuple(told))


def with_estimates(result: BenchResult, rows: Sequence[EstimateRow]) -> BenchResult:
    """What was measured, and after it what was estimated."""
    told = warnings_of(rows)
    own = result.run.own
    own = {
        **own,
        "runs": [*own["runs"], *(row.as_json() for row in rows)],
        "warnings": [*own["warnings"], *told],
    }
    run = replace(result.run, own=own)
    return replace(result, run=run, estimates=tuple(rows), warnings=(*result.warnings, *told))


def _pattern_warnings(rows: Sequence[BenchRow]) -> list[str]:
    """What is in the samples besides chance: drift, throttling, two speeds."""
    return [
        f"`{row.artifact.path.name}`: {pattern.text}"
        for row in rows
        for pattern in latency_patterns(row.timing.samples, calls_per_block=row.timing.calls_per_block)
    ]


def row_measurements(
    row: BenchRow, *, session: str, looks: int = 1, noise: LatencyComparison | None = None
) -> tuple[Measurement, ...]:
    """The figures of a row for the record.

    Args:
        row: What was measured of a model.
        session: Equal ones mark samples that were taken in turn.
        looks: Measurements that were pooled, each of as many processes.
        noise: The base against itself, where it was measured.
    """
    digest = row.artifact.sha256
    counted = {"looks": looks} if looks > 1 else {}
    latency = Measurement(
        metric="latency",
        artifact=digest,
        target=row.target,
        unit="s",
        origin=Origin.HOST,
        samples=row.timing.samples,
        details={
            "runtime": row.runtime,
            "format": row.artifact.format,
            "threads": row.threads,
            "batch": row.batch,
            "calls_per_block": row.timing.calls_per_block,
            "session": session,
            **counted,
            **({"noise": noise.ratio} if noise else {}),
        },
    )
    load = replace(latency, metric="load", samples=tuple((value,) for value in row.timing.load), details=counted)
    memory = tuple((float(value),) for value in row.timing.memory)
    return (
        latency,
        load,
        replace(load, metric="memory", unit="B", samples=memory),
        single_value("size", row.artifact.size_bytes, artifact=digest, unit="B", origin=Origin.HOST),
        *((row.soak.measurement(),) if row.soak else ()),
    )


def comparison_json(comparison: LatencyComparison) -> dict[str, Any]:
    """A comparison under its JSON keys."""
    return {
        "ratio": comparison.ratio,
        "ci95": list(comparison.ci95),
        "verdict": comparison.verdict,
        "minimum_effect": comparison.minimum_effect,
        "unit": "1",
        "origin": Origin.HOST.value,
    }
