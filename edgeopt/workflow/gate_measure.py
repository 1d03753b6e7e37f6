"""What `gate --config` measures: the recipe applied, and the baseline and the result side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import Config, DataTable
from edgeopt.core.dataset import Dataset, Split
from edgeopt.core.target import HOST
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import EdgeoptError, InputError
from edgeopt.graph.calibration_rows import without_calibration
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import Verdict
from edgeopt.judge.rules import Rule
from edgeopt.store.store import Store
from edgeopt.workflow.baseline import Baseline
from edgeopt.workflow.demands import is_on_data, missing_columns, require, unanswerable_rules
from edgeopt.workflow.gate_case import Case
from edgeopt.workflow.inputs import Named, data_for, model_artifact, same_rows
from edgeopt.workflow.measured_pair import Judging, MeasuredPair, look_twice, measure_pair
from edgeopt.workflow.progress import Report
from edgeopt.workflow.recipe import (
    AppliedRecipe,
    Recipe,
    apply_recipe,
    ending_of,
    recipe_from_tables,
    recipe_lineage,
    split_for,
    takes_data,
)

RECORD_FOLDER = ".edgeopt"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What a measurement starts from: the original, the recipe, and the samples."""

    recipe: Recipe
    original: Artifact
    data: Dataset | None
    split: Split | None


def measured_case(
    settings: Config,
    folder: Path,
    rules: tuple[Rule, ...],
    verdict_on: Callable[[Sequence[Rule], Evidence], Verdict],
    *,
    faults: Sequence[EdgeoptError],
    held: Baseline | None,
    store: Store,
    cluster: str,
    cache: Named | None,
    seed: int,
    report: Report,
) -> tuple[Case, Verdict]:
    """Apply the recipe, measure what the rules ask for, and judge; nothing slow is red without a second look.

    The candidate is measured by turns with its baseline: the original, or what was accepted, whose model is taken from
    where it lay or from the record. Only where that is not to be had do the recorded figures stand in.

    Args:
        settings: The configuration.
        folder: Where it lies; its paths start there, and `.edgeopt/` in it takes what is made.
        rules: What is demanded.
        verdict_on: Judges rules on evidence.
        faults: What is wrong with further rules: all is told at once.
        held: The baseline; None for the original.
        store: The record.
        cluster: Column of samples that depend on each other; empty where none do.
        cache: Folder of the store that steps done before are taken from and others kept in; None for neither.
        seed: Seed of draws.
        report: Called with what is being done.

    Raises:
        InputError: Model, data, a rule, a step or a column is not usable.
    """
    ground = _ground(settings, folder, faults, seed)
    require([*faults, *data_faults(settings, rules, ground.data, cluster)])
    candidate, applied = _made(ground, folder, seed, report, cache=cache)
    kept = held.artifact(store, _made_path(folder, ground.original.path, "baseline")) if held else None
    models = (kept or ground.original, candidate)
    judging = Judging(
        data=_judged(ground, rules, models, settings, folder),
        rules=rules,
        metric=settings.data.metric if settings.data else None,
        cluster=cluster,
        slices=settings.data.slices if settings.data else (),
    )
    measured = measure_pair(models, judging, settings.bench, record=folder / RECORD_FOLDER, seed=seed, report=report)
    recorded = held.side(store) if held and kept is None else None

    def verdict_on_pair(demands: Sequence[Rule], pair: MeasuredPair) -> Verdict:
        return verdict_on(demands, _evidence(pair, recorded, seed, cluster))

    verdict, measured = look_twice(measured, rules, verdict_on_pair, settings.bench, seed=seed, report=report)
    case = Case(
        evidence=_evidence(measured, recorded, seed, cluster),
        measurements=measured.measurements,
        artifacts=measured.artifacts,
        compared={"steps": [step.as_json() for step in applied.steps], **measured.compared},
        warnings=(*applied.warnings, *_gone(held, recorded), *_elsewhere(settings), *measured.warnings),
    )
    return case, verdict


def preprocess_of(settings: Config) -> Preprocess:
    """`[preprocess]` of the configuration."""
    table = settings.preprocess
    return Preprocess(scale=table.scale, mean=table.mean, std=table.std, layout=table.layout)


def _evidence(pair: MeasuredPair, recorded: Side | None, seed: int, cluster: str) -> Evidence:
    return Evidence(candidate=pair.candidate, baseline=recorded or pair.original, seed=seed, cluster=cluster)


def _ground(settings: Config, folder: Path, faults: Sequence[EdgeoptError], seed: int) -> _Ground:
    try:
        recipe = recipe_from_tables(settings.recipe.steps)
        original = model_artifact(folder / settings.model.path)
        data = _data(settings, folder, original)
        split = split_for(recipe, data, samples=settings.data.samples, seed=seed) if settings.data and data else None
    except EdgeoptError as error:
        if faults:
            require([*faults, error])
        raise
    return _Ground(recipe=recipe, original=original, data=data, split=split)


def located_data(table: DataTable, folder: Path) -> str:
    """Where the data of a configuration in `folder` lies; a `module:function` has no folder."""
    is_module = ":" in table.path and not table.path.partition(":")[0].endswith(".py")
    return table.path if is_module else str(folder / table.path)


def data_faults(settings: Config, rules: Sequence[Rule], data: Dataset | None, cluster: str) -> list[EdgeoptError]:
    """Why the data cannot answer some rules, or lacks columns that are named beside them."""
    slices = settings.data.slices if settings.data else ()
    clusters = [cluster] if cluster else []
    return [
        *unanswerable_rules(rules, data),
        *missing_columns(slices, data, key="[data] slices"),
        *missing_columns(clusters, data, key="cluster"),
    ]


def _data(settings: Config, folder: Path, original: Artifact) -> Dataset | None:
    return None if settings.data is None else _read(settings, folder, original)


def _read(settings: Config, folder: Path, model: Artifact) -> Dataset:
    """The data of a configuration that names some, bound to a model."""
    assert settings.data is not None
    return data_for(model, located_data(settings.data, folder), preprocess_of(settings))


def _made(
    ground: _Ground, folder: Path, seed: int, report: Report, *, cache: Named | None
) -> tuple[Artifact, AppliedRecipe]:
    """The candidate, which says what it was made from, and its steps with what they warn of."""
    named = ground.original.path.with_suffix(ending_of(ground.recipe, ground.original))
    path = _made_path(folder, named, "candidate")
    calibration = ground.split.calibration if ground.split and takes_data(ground.recipe) else None
    samples = ground.split.calibration if ground.split else None
    applied = apply_recipe(ground.recipe, ground.original, path, samples, seed=seed, cache=cache, report=report)
    lineage = recipe_lineage(ground.recipe, ground.original, calibration, seed=seed)
    return replace(model_artifact(path), lineage=lineage), applied


def _judged(
    ground: _Ground, rules: Sequence[Rule], models: tuple[Artifact, Artifact], settings: Config, folder: Path
) -> tuple[Dataset, Dataset] | None:
    """The samples that count for both, as each takes them; None where no rule needs them."""
    if ground.split is None or not len(ground.split.judged) or not any(map(is_on_data, rules)):
        return None
    judged = without_calibration(ground.split.judged, [model.path for model in models])
    if not len(judged):
        raise InputError(
            f"every sample of `{judged.source}` was calibrated on by the baseline or the candidate",
            hint="judge on samples of their own: name parts in a column `part`",
        )
    before, after = (
        same_rows(judged, ground.original, model, lambda other: _read(settings, folder, other)) for model in models
    )
    return before, after


def _gone(held: Baseline | None, recorded: Side | None) -> list[str]:
    if held is None or recorded is None:
        return []
    return [
        f"the model of baseline `{held.name}` is neither where it lay nor in the record, so what was recorded of it "
        "counts: its latency was not timed by turns with the candidate's; `--accept` keeps a copy"
    ]


def _elsewhere(settings: Config) -> list[str]:
    others = [target for target in settings.bench.targets if target != HOST]
    told = "measured on this machine only; nothing is known of " + ", ".join(f"`{target}`" for target in others)
    return [f"{told} ([bench] targets)"] if others else []


def _made_path(folder: Path, named: Path, role: str) -> Path:
    """Where a model of that role goes, called as `named` is, with its ending."""
    record = folder / RECORD_FOLDER
    try:
        record.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder `{record}` cannot be made: {error.strerror}", hint="put edgeopt.toml where you may write"
        ) from error
    return record / f"{named.stem}.{role}{named.suffix}"
