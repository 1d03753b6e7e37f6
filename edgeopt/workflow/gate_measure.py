"""What `gate --config` measures: the recipe applied, and the original and the result side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import Config
from edgeopt.core.dataset import Dataset, split_dataset
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError
from edgeopt.judge.rules import Rule
from edgeopt.workflow.inputs import Named, data_for, model_artifact
from edgeopt.workflow.measured_pair import MeasuredPair, is_on_data, measure_pair, require_answers
from edgeopt.workflow.progress import Report
from edgeopt.workflow.recipe import apply_recipe, recipe_from_tables, recipe_lineage

RECORD_FOLDER = ".edgeopt"


def measure_for_gate(
    settings: Config, folder: Path, rules: tuple[Rule, ...], *, seed: int, report: Report, cache: Named | None = None
) -> MeasuredPair:
    """Apply the recipe and measure what the rules ask for, and nothing else.

    Args:
        settings: The configuration.
        folder: Where it lies; its paths start there, and `.edgeopt/` in it takes what is made.
        rules: What is demanded.
        seed: Seed of draws.
        report: Called with what is being done.
        cache: Folder of the store that steps done before are taken from and others kept in; None for neither.

    Raises:
        InputError: Model, data, a step or a slice column is not usable.
    """
    recipe = recipe_from_tables(settings.recipe.steps)
    original = model_artifact(folder / settings.model.path)
    data = _data(settings, folder, original)
    require_answers(rules, data)
    split = split_dataset(data, samples=settings.data.samples, seed=seed) if settings.data and data else None
    path = _record_folder(folder) / f"{original.path.stem}.candidate.onnx"
    calibration = split.calibration if split else None
    applied = apply_recipe(recipe, original, path, calibration, seed=seed, cache=cache, report=report)
    lineage = recipe_lineage(recipe, original, calibration, seed=seed)
    judged = split.judged if split and len(split.judged) and any(map(is_on_data, rules)) else None
    models = (original, replace(model_artifact(path), lineage=lineage))
    measured = measure_pair(models, judged, rules, settings.bench, record=path.parent, seed=seed, report=report)
    return replace(measured, steps=applied.steps, warnings=(*applied.warnings, *measured.warnings))


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


def _record_folder(folder: Path) -> Path:
    record = folder / RECORD_FOLDER
    try:
        record.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder `{record}` cannot be made: {error.strerror}", hint="put edgeopt.toml where you may write"
        ) from error
    return record
