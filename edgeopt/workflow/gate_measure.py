"""What `gate --config` measures: the recipe applied, the original and the result on the same samples and by turns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import Config
from edgeopt.core.dataset import Dataset, Split, split_dataset
from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.compare import Predictions
from edgeopt.judge.evidence import Side
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.rules import Rule
from edgeopt.measure.environment import machine_identity
from edgeopt.workflow.evaluate import metric_measurements, metric_values, predictions_of
from edgeopt.workflow.inputs import data_for, model_artifact, runtime_for
from edgeopt.workflow.prediction_file import write_predictions
from edgeopt.workflow.progress import Report
from edgeopt.workflow.recipe import apply_recipe, recipe_from_tables

RECORD_FOLDER = ".edgeopt"
_TIMED = ("latency", "memory", "load")
_ON_DATA = (*METRICS, "flip_rate", "sqnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMeasurement:
    """Both models, measured alike."""

    original: Side
    candidate: Side
    measurements: tuple[Measurement, ...]
    artifacts: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


def measure_for_gate(
    settings: Config, folder: Path, rules: tuple[Rule, ...], *, seed: int, report: Report
) -> GateMeasurement:
    """Apply the recipe and measure what the rules ask for, and nothing else.

    Args:
        settings: The configuration.
        folder: Where it lies; its paths start there, and `.edgeopt/` in it takes what is made.
        rules: What is demanded.
        seed: Seed of draws.
        report: Called with what is being done.

    Raises:
        InputError: Model, data, a step or a slice column is not usable.
    """
    recipe = recipe_from_tables(settings.recipe.steps)
    original = model_artifact(folder / settings.model.path)
    data = _data(settings, folder, original)
    _require_columns(rules, data)
    split = split_dataset(data, samples=settings.data.samples if settings.data else 1, seed=seed) if data else None
    record = folder / RECORD_FOLDER
    record.mkdir(exist_ok=True)
    report("applying the recipe", 0, 1)
    path = record / f"{original.path.stem}.candidate.onnx"
    warnings = apply_recipe(recipe, original, path, split.calibration if split else None, seed=seed)
    report("applying the recipe", 1, 1)
    models = (original, model_artifact(path))
    timed, told = _timed(settings, models, rules, seed, report)
    sides = [_side(model, record, split, rules, timed, seed, report) for model in models]
    roles = ("baseline", "candidate")
    return GateMeasurement(
        original=sides[0],
        candidate=sides[1],
        measurements=tuple(m for side in sides for m in side.measurements),
        artifacts=tuple({**model.as_json(), "role": role} for model, role in zip(models, roles, strict=True)),
        warnings=(*warnings, *told),
    )


def preprocess_of(settings: Config) -> Preprocess:
    """`[preprocess]` of the configuration."""
    table = settings.preprocess
    return Preprocess(scale=table.scale, mean=tuple(table.mean), std=tuple(table.std), layout=table.layout)


def _data(settings: Config, folder: Path, original: Artifact) -> Dataset | None:
    if settings.data is None:
        return None
    source = settings.data.path
    located = source if ":" in source else str(folder / source)
    return data_for(original, located, preprocess_of(settings))


def _require_columns(rules: tuple[Rule, ...], data: Dataset | None) -> None:
    """Refuse rules that the data cannot answer, before anything is measured; all at once."""
    faults = []
    for rule in rules:
        if rule.metric in _ON_DATA and data is None:
            faults.append(f"rule `{rule.text}` needs `[data]`")
        elif rule.metric in METRICS and data is not None and data.labels is None:
            faults.append(f"rule `{rule.text}` needs labels (`y`) in `{data.source}`")
        elif rule.slice_column and data is not None and rule.slice_column not in data.columns:
            faults.append(f"rule `{rule.text}`: `{data.source}` has no column `{rule.slice_column}`")
    if faults:
        known = ", ".join(sorted(data.columns)) if data and data.columns else "none"
        raise InputError("; ".join(faults), hint=f"columns of the data: {known}")


def _timed(
    settings: Config, models: tuple[Artifact, Artifact], rules: tuple[Rule, ...], seed: int, report: Report
) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    if not any(rule.metric in _TIMED for rule in rules):
        return (), ()
    from edgeopt.measure.latency import Plan, measure_models
    from edgeopt.workflow.bench import bench_result
    from edgeopt.workflow.progress import counter

    plan = Plan(
        runtime=runtime_for(models[0], None),
        threads=settings.bench.threads,
        processes=settings.bench.processes,
        seed=seed,
    )
    timings = measure_models([model.path for model in models], plan, progress=counter(report, "measuring"))
    result = bench_result(list(models), plan, timings, has_base=True)
    return tuple(m for m in result.run.measurements if m.metric != "size"), result.warnings


def _side(
    model: Artifact,
    record: Path,
    split: Split | None,
    rules: tuple[Rule, ...],
    timed: tuple[Measurement, ...],
    seed: int,
    report: Report,
) -> Side:
    made: Predictions | None = None
    measured: tuple[Measurement, ...] = ()
    if split and len(split.judged) and any(rule.metric in _ON_DATA for rule in rules):
        made = predictions_of(model, split.judged, report=report, stage=f"evaluating {model.path.name}")
        saved = write_predictions(made, record / f"{model.sha256[:16]}.predictions.npz", force=True)
        if made.labels is not None:
            names = sorted({rule.metric for rule in rules if rule.metric in METRICS})
            measured = metric_measurements(model, metric_values(made, names, seed), saved) if names else ()
    size = single_value("size", model.size_bytes, artifact=model.sha256, unit="B", origin=Origin.HOST)
    own = tuple(m for m in timed if m.artifact == model.sha256)
    return Side(
        sha256=model.sha256, machine=machine_identity(), measurements=(size, *measured, *own), predictions=made
    )
