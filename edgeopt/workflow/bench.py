"""`edgeopt bench`: latency, load time, throughput and memory of models here, estimates of targets that are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgeopt.core.artifact import Artifact
from edgeopt.core.profiles import load_target
from edgeopt.core.target import HOST
from edgeopt.errors import InputError, Unsupported
from edgeopt.measure.latency import PROCESSES, Plan, measure_models
from edgeopt.runners import runtime_of
from edgeopt.workflow.bench_estimates import estimate_models, require_estimable, require_no_estimate_options
from edgeopt.workflow.bench_result import BenchResult, bench_result, estimated_result, with_estimates
from edgeopt.workflow.by_turns import time_by_turns
from edgeopt.workflow.inputs import Named, model_artifact, models_or_default, runtime_for
from edgeopt.workflow.progress import Report, counter, silent
from edgeopt.workflow.soak import soak_models, soak_seconds

Metric = Literal["latency", "memory", "instructions", "energy"]
_MEASURED_HERE = ("latency", "memory")


class SoakInterrupted(KeyboardInterrupt):
    """An interrupt in the middle of a soak, with what was measured until then.

    Args:
        result: As `bench` would have given it, of the time until the interrupt.
    """

    def __init__(self, result: BenchResult) -> None:
        super().__init__()
        self.result = result


def bench(
    *models: Named,
    against: Named | None = None,
    target: str | Sequence[str] = HOST,
    metric: Metric = "latency",
    runtime: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    batch: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
    processes: int = PROCESSES,
    seed: int = 0,
    soak: str | None = None,
    explain: bool = False,
    report: Report = silent,
) -> BenchResult:
    """Time models in fresh processes, interleaved; estimate what they take on targets that are not here.

    Args:
        models: Model files; without any, that of ./edgeopt.toml, else the bundled one.
        against: A base that the models are compared with, on samples taken in turn with theirs.
        target: Where; `host` is measured, others are estimated from published measurements.
        metric: `latency` and `memory` are both measured, `latency` and `energy` both estimated.
        runtime: Name of the runner of models of its formats; others, and without it all, have that of their format. Of
            an estimate one that has data, as in `litert`, `ncnn` or `x-cube-ai-9`; the first of the target without it.
        dtype: What the estimated kernels compute in; what the model is without it.
        threads: Threads per inference: 1 where measured, those that have data where estimated.
        batch: Samples per inference, for models with a free batch axis.
        shapes: Shape per input name, for models with other free axes.
        processes: Fresh processes to time in.
        seed: Seed of the inputs and of the bootstrap.
        soak: A time like `10min`: run each model that long without a pause too, one after the other, and hold the end
            against the beginning.
        explain: Whether estimates hold the cost of every kernel and what bounds it.
        report: Called with what is being done.

    Raises:
        InputError: A model or an option is not usable.
        Unsupported: The metric cannot be measured here, or there is no data to estimate it from.
        ToolFailed: A measuring process crashed or hung.
        SoakInterrupted: An interrupt ended a soak that can be judged; it holds the result so far.
    """
    targets = (target,) if isinstance(target, str) else tuple(target)
    away = [name for name in targets if not load_target(name).is_host]
    fixed = {name: list(lengths) for name, lengths in (shapes or {}).items()}
    if away:
        require_estimable(
            away, metric=metric, batch=batch, shapes=fixed, against=against is not None, soak=soak is not None
        )
        artifacts = [model_artifact(path) for path in models_or_default(models)]
        estimates = estimate_models(
            artifacts, away, metric=metric, runtime=runtime, dtype=dtype, threads=threads, explain=explain
        )
        if len(away) == len(targets):
            return estimated_result(artifacts, estimates)
        measured = bench(
            *models, metric=metric, runtime=runtime, threads=threads, processes=processes, seed=seed, report=report
        )
        return with_estimates(measured, estimates)
    require_no_estimate_options(dtype=dtype, explain=explain)
    if metric not in _MEASURED_HERE:
        raise Unsupported(f"`{metric}` cannot be measured here yet", hint="`--metric latency` measures time and memory")
    seconds = None if soak is None else soak_seconds(soak)
    if against and soak:
        raise InputError(
            "`--soak` runs a model without a pause, `--against` takes models by turns: each would rest, and heat the "
            "chip for the other",
            hint="edgeopt bench NEW BASE --soak 10min runs one after the other",
        )
    paths = [Path(against), *map(Path, models)] if against else list(models_or_default(models))
    artifacts = [model_artifact(path) for path in paths]
    if against and len(artifacts) < 2:
        raise InputError("`--against` needs a model to compare with the base", hint="edgeopt bench NEW --against BASE")
    _require_inputs(fixed, artifacts)
    _require_use(runtime, artifacts)
    plan = Plan(
        runtime=runtime,
        threads=threads or 1,
        processes=processes,
        batch=batch,
        shapes=fixed,
        seed=seed,
    )
    if against:
        return time_by_turns(artifacts, plan, report=report)
    timings = measure_models(paths, plan, progress=counter(report, "measuring"))
    if seconds is None:
        return bench_result(artifacts, plan, timings.models, warnings=timings.warnings)
    soaks = soak_models(artifacts, plan, seconds, report=report)
    warnings = (*timings.warnings, *soaks.warnings)
    result = bench_result(artifacts, plan, timings.models, warnings=warnings, soaks=soaks.runs)
    if not soaks.is_whole:
        raise SoakInterrupted(result)
    return result


def _require_use(runtime: str | None, artifacts: Sequence[Artifact]) -> None:
    """Refuse a runtime that runs none of the models."""
    if runtime and all(runtime_of(artifact.path, runtime) != runtime for artifact in artifacts):
        runtime_for(artifacts[0], runtime)


def _require_inputs(shapes: Mapping[str, Sequence[int]], artifacts: Sequence[Artifact]) -> None:
    names = {spec.name for artifact in artifacts for spec in artifact.inputs}
    for name in shapes:
        if name not in names:
            raise InputError(f"`--shape {name}=…`: no model has that input", hint="inputs: " + ", ".join(sorted(names)))
