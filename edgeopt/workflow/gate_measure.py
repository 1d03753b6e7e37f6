"""What `gate --config` measures: the recipe applied, the original and the result on the same samples and by turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import Config
from edgeopt.core.dataset import Dataset, split_dataset
from edgeopt.core.measurement import Measurement
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.compare import compare_predictions
from edgeopt.judge.evidence import Side
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule
from edgeopt.measure.environment import machine_identity
from edgeopt.measure.latency import Plan
from edgeopt.workflow.bench_result import BenchResult
from edgeopt.workflow.by_turns import time_by_turns
from edgeopt.workflow.evaluate import metric_measurements, metric_values, predictions_of, size_measurement
from edgeopt.workflow.inputs import data_for, model_artifact, runtime_for
from edgeopt.workflow.prediction_file import write_predictions
from edgeopt.workflow.progress import Report
from edgeopt.workflow.recipe import apply_recipe, recipe_from_tables

RECORD_FOLDER = ".edgeopt"
_TIMED = ("latency", "memory", "load")
_ON_DATA = (*METRICS, "flip_rate", "sqnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMeasurement:
    """Both models, measured alike.

    Attributes:
        models: The artifacts of both.
        original: The model that the recipe was applied to.
        candidate: What came of it.
        latency: One against the other, as `quantize` records it; None where no rule asks for it.
        accuracy: One against the other, as `compare` records it; None without data.
        warnings: What the user should know.
    """

    models: tuple[Artifact, Artifact]
    original: Side
    candidate: Side
    latency: dict[str, Any] | None
    accuracy: dict[str, Any] | None
    warnings: tuple[str, ...]

    @property
    def artifacts(self) -> tuple[dict[str, Any], ...]:
        """The JSON form of both."""
        roles = ("baseline", "candidate")
        return tuple({**model.as_json(), "role": role} for model, role in zip(self.models, roles, strict=True))

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All figures of both."""
        return (*self.original.measurements, *self.candidate.measurements)


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
    split = split_dataset(data, samples=settings.data.samples, seed=seed) if settings.data and data else None
    path = _record_folder(folder) / f"{original.path.stem}.candidate.onnx"
    warnings = apply_recipe(recipe, original, path, split.calibration if split else None, seed=seed, report=report)
    models = (original, model_artifact(path))
    judged = split.judged if split and len(split.judged) and any(rule.metric in _ON_DATA for rule in rules) else None
    predictions = [predictions_of(m, judged, report=report, stage=m.path.name) if judged else None for m in models]
    metrics = [  # before anything is timed: a metric that does not suit the data ends the command here
        _metrics(model, made, rules, path.parent, seed) for model, made in zip(models, predictions, strict=True)
    ]
    timing = _timing(settings, models, rules, seed, report)
    original_side, candidate_side = (
        Side(
            sha256=model.sha256,
            machine=machine_identity(),
            measurements=(*_figures_of(model, timing), *measured),
            predictions=made,
        )
        for model, measured, made in zip(models, metrics, predictions, strict=True)
    )
    before, after = predictions
    return GateMeasurement(
        models=models,
        original=original_side,
        candidate=candidate_side,
        latency=timing.latency_json() if timing else None,
        accuracy=compare_predictions(before, after, seed=seed).as_json() if before and after else None,
        warnings=(*warnings, *(timing.warnings if timing else ())),
    )


def time_again(
    settings: Config, measured: GateMeasurement, rules: tuple[Rule, ...], *, seed: int, report: Report
) -> GateMeasurement:
    """`measured` with its latency, load time and memory from fresh processes; for a second look at `rules`."""
    timing = _timing(settings, measured.models, rules, seed + 1, report)
    sides = [
        replace(side, measurements=(*side.measurements, *_figures_of(model, timing)))
        for side, model in zip((measured.original, measured.candidate), measured.models, strict=True)
    ]
    return replace(measured, original=sides[0], candidate=sides[1])


def preprocess_of(settings: Config) -> Preprocess:
    """`[preprocess]` of the configuration."""
    table = settings.preprocess
    return Preprocess(scale=table.scale, mean=table.mean, std=table.std, layout=table.layout)


def _data(settings: Config, folder: Path, original: Artifact) -> Dataset | None:
    if settings.data is None:
        return None
    source = settings.data.path
    is_module = ":" in source and not source.partition(":")[0].endswith(".py")
    located = source if is_module else str(folder / source)
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


def _record_folder(folder: Path) -> Path:
    record = folder / RECORD_FOLDER
    try:
        record.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"folder `{record}` cannot be made: {error.strerror}") from error
    return record


def _timing(
    settings: Config, models: tuple[Artifact, Artifact], rules: tuple[Rule, ...], seed: int, report: Report
) -> BenchResult | None:
    if not any(rule.metric in _TIMED for rule in rules):
        return None
    plan = Plan(
        runtime=runtime_for(models[0], None),
        threads=settings.bench.threads,
        processes=settings.bench.processes,
        seed=seed,
    )
    return time_by_turns(models, plan, report=report)


def _figures_of(model: Artifact, timing: BenchResult | None) -> tuple[Measurement, ...]:
    """Size, and what was timed."""
    size = size_measurement(model)
    own = [m for m in timing.run.measurements if m.artifact == model.sha256] if timing else []
    return (size, *(m for m in own if m.metric != "size"))


def _metrics(
    model: Artifact, made: Predictions | None, rules: tuple[Rule, ...], record: Path, seed: int
) -> tuple[Measurement, ...]:
    """The metrics that rules ask for, with predictions saved beside them."""
    if made is None:
        return ()
    saved = write_predictions(made, record / f"{model.sha256[:16]}.predictions.npz", force=True)
    names = sorted({rule.metric for rule in rules if rule.metric in METRICS})
    return (
        metric_measurements(model, metric_values(made, names, seed), saved) if names and made.labels is not None else ()
    )
