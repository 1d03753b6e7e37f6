"""`edgeopt gate --plan`: what the rules need, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt._version import __version__
from edgeopt.core.artifact import Artifact
from edgeopt.core.config import CONFIG_NAME, Config, GateTable, load_config
from edgeopt.core.dataset import Array, Dataset
from edgeopt.core.measurement import Origin
from edgeopt.core.run import SCHEMA
from edgeopt.errors import EdgeoptError
from edgeopt.graph.calibration_rows import without_calibration
from edgeopt.judge.plan.history import History
from edgeopt.judge.plan.nouns import RulePlan
from edgeopt.judge.plan.outline import Situation
from edgeopt.judge.plan.rules import plan_rules
from edgeopt.judge.rules import HOST
from edgeopt.measure.duration import expected_seconds
from edgeopt.measure.latency import PROCESSES
from edgeopt.store.store import Store
from edgeopt.workflow.baseline import find_baseline
from edgeopt.workflow.demands import demands_of, require
from edgeopt.workflow.gate_case import recorded_case, unusable_on
from edgeopt.workflow.gate_measure import data_faults, located_data
from edgeopt.workflow.inputs import Named, model_artifact
from edgeopt.workflow.plan_evidence import given_history, held_history, stored_histories
from edgeopt.workflow.recipe import recipe_from_tables, split_for

_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """What `plan_gate` gives.

    Attributes:
        rules: What each rule needs, in the order of the rules.
        samples: Samples that the next gate judges; None without data.
        processes: Fresh processes that it times in.
        histories: Names of the earlier runs that were at hand.
        warnings: What the user should know.
    """

    rules: tuple[RulePlan, ...]
    samples: int | None
    processes: int
    histories: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints. It is no run: it holds no measurement, and every figure of it is an estimate."""
        return {
            "schema": SCHEMA,
            "edgeopt": __version__,
            "command": "gate",
            "origin": Origin.ESTIMATED.value,
            "samples": self.samples,
            "processes": self.processes,
            "histories": list(self.histories),
            "plan": [rule.as_json() for rule in self.rules],
            "warnings": list(self.warnings),
        }


def plan_gate(
    *runs: Named,
    config: Named | None = None,
    baseline: Named | None = None,
    rules: Sequence[str] = (),
    cluster: str | None = None,
    seed: int = 0,
) -> GatePlan:
    """Say what every rule needs, without running a model, timing or writing anything.

    Args:
        runs: Records that tell of earlier measurements; those of the store are asked after them.
        config: The configuration; by default ./edgeopt.toml.
        baseline: A run record to hold the candidate against, or the beginning of the id of a recorded run; by default
            that of the configuration, else the original.
        rules: Rules besides those of the configuration.
        cluster: Column of samples that depend on each other; by default that of the configuration.
        seed: Seed of the calibration draw, which takes samples from those that are judged.

    Raises:
        InputError: A rule, a record, the configuration or the data is not usable; all rules that cannot be used are
            listed at once.
    """
    path = Path(config or CONFIG_NAME)
    settings = load_config(path) if config or path.exists() or not runs else None
    policy, store = settings.gate if settings else GateTable(), Store.find(path.parent)
    demands, faults = demands_of([*policy.rules, *rules], policy.waiver)
    held = find_baseline(baseline, settings, path, store, accept=False)
    columns = cluster or (settings.data.cluster if settings and settings.data else None) or ""
    paths, side = [Path(run) for run in runs], held.side(store) if held else None
    case = recorded_case(paths, side, store, seed=seed, cluster=columns) if paths else None
    ground = _ground(settings, path.parent, faults, seed) if settings else _Ground()
    if settings and (settings.data or not paths):
        faults += data_faults(settings, demands, ground.data, columns)
    require([*faults, *(unusable_on(case.evidence, demands) if case else [])])

    warnings = ground.warnings()
    given = given_history(paths, case.evidence) if case else None
    accepted = held_history(held, store, columns) if held else None
    stored = stored_histories(ground.model.sha256, store, columns, warnings) if ground.model else ()
    situation = replace(
        _at_hand(ground.judged, given, columns={rule.slice_column for rule in demands if rule.slice_column}),
        cluster=columns,
        processes=settings.bench.processes if settings else PROCESSES,
        held_processes=_timed_processes(accepted) if held and not held.is_at_hand(store) else 0,
        histories=(*(history for history in (given, accepted) if history), *stored),
        seconds=lambda count, call: expected_seconds(_PAIR, count, call_seconds=call),
    )
    return GatePlan(
        rules=plan_rules(demands, situation),
        samples=situation.samples,
        processes=situation.processes,
        histories=tuple(history.name for history in situation.histories),
        warnings=(*warnings, *store.warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the next gate starts from: the original, the data as it lies there, and the samples that it judges."""

    model: Artifact | None = None
    data: Dataset | None = None
    judged: Dataset | None = None

    def warnings(self) -> list[str]:
        """What the user should know of it."""
        if self.judged is None or len(self.judged):
            return []
        return [f"no sample of `{self.judged.source}` is left to judge on: calibration takes them all"]


def _ground(settings: Config, folder: Path, faults: Sequence[EdgeoptError], seed: int) -> _Ground:
    """What the configuration names; rows, labels and columns count, not what a model would make of the samples."""
    from edgeopt.data.read import read_dataset

    try:
        model = model_artifact(folder / settings.model.path)
        if settings.data is None:
            return _Ground(model=model)
        data = replace(read_dataset(located_data(settings.data, folder), model.inputs), inputs={})
        recipe = recipe_from_tables(settings.recipe.steps)
        judged = split_for(recipe, data, samples=settings.data.samples, seed=seed).judged
        return _Ground(model=model, data=data, judged=without_calibration(judged, [model.path]))
    except EdgeoptError as error:
        if faults:
            require([*faults, error])
        raise


def _timed_processes(accepted: History | None) -> int:
    """How many processes an accepted baseline was timed in, whose model is gone so that it is not timed again."""
    timed = accepted.evidence.candidate.find("latency", HOST) if accepted and accepted.evidence else None
    return len(timed.samples) if timed else 0


def _at_hand(judged: Dataset | None, given: History | None, *, columns: Iterable[str]) -> Situation:
    """The samples that the next gate judges: of the data, else those of the records that are given."""
    if judged is not None:
        counts = {name: _counts(name, judged.columns[name]) for name in columns} if len(judged) else {}
        return Situation(samples=len(judged) or None, slices=counts, has_labels=judged.labels is not None)
    if given is None or given.evidence is None:
        return Situation()
    predictions = given.evidence.candidate.predictions
    if predictions is not None:
        counts = {name: _counts(name, predictions.columns[name]) for name in columns if name in predictions.columns}
        return Situation(samples=predictions.n, slices=counts, has_labels=predictions.labels is not None)
    told = given.comparison.get("n")
    return Situation(samples=told if isinstance(told, int) and told > 0 else None)


def _counts(name: str, column: Array) -> dict[str, int]:
    """`column=value` -> samples."""
    return {f"{name}={value}": int(count) for value, count in zip(*np.unique(column, return_counts=True), strict=True)}
