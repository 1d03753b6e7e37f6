"""What the rules of a gate are held against, from records or a measurement, and what its own record keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeopt.core.files import sha256_of
from edgeopt.core.measurement import Measurement
from edgeopt.core.run import Run, run_from_file
from edgeopt.errors import EdgeoptError, InputError, near_names
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule
from edgeopt.judge.usable import unusable_rules
from edgeopt.store.store import Store
from edgeopt.workflow.prediction_file import read_predictions

CANDIDATE, BASELINE = "candidate", "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Evidence, and what the record keeps of it.

    Attributes:
        evidence: What the rules are held against.
        measurements: All figures.
        artifacts: The JSON form of the models.
        compared: Keys of the record that set both models beside each other.
        warnings: What the user should know.
    """

    evidence: Evidence
    measurements: tuple[Measurement, ...]
    artifacts: tuple[dict[str, Any], ...]
    compared: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def judged(self) -> dict[str, Any]:
        """Which samples were judged (see `Dataset.identity`); empty where that is not known."""
        predictions = self.evidence.candidate.predictions
        return predictions.judged if predictions else {}


def recorded_case(paths: Sequence[Path], held: Side | None, store: Store, *, seed: int, cluster: str) -> Case:
    """The evidence in run records, merged by artifact: the candidate is the one that is not marked as a baseline.

    Args:
        paths: The records.
        held: What to hold the candidate against; None takes the baseline that the records hold.
        store: Where predictions may be kept that no longer lie where they did.
        seed: Seed of bootstraps.
        cluster: Column of samples that depend on each other; empty where none do.

    Raises:
        InputError: A record cannot be read, or they hold no candidate or several.
    """
    records = [read_record(path) for path in paths]
    artifacts: dict[str, dict[str, Any]] = {}
    for entry in (entry for record in records for entry in record.artifacts):
        artifacts[entry["sha256"]] = {**artifacts.get(entry["sha256"], {}), **entry}
    candidates = [digest for digest, entry in artifacts.items() if entry.get("role", CANDIDATE) == CANDIDATE]
    if len(candidates) != 1:
        named = ", ".join(str(artifacts[digest]["path"]) for digest in candidates) or "none"
        raise InputError(
            f"the runs hold {len(candidates)} candidates ({named})",
            hint="give runs of one candidate; `--baseline RUN.json` names the run of what it is held against",
        )
    measurements = tuple(m for record in records for m in record.measurements)
    digest = next((found for found, entry in artifacts.items() if entry.get("role") == BASELINE), None)
    baseline = held or (side_of(digest, measurements, store) if digest else None)
    evidence = Evidence(
        candidate=side_of(candidates[0], measurements, store), baseline=baseline, seed=seed, cluster=cluster
    )
    return Case(evidence=evidence, measurements=measurements, artifacts=tuple(artifacts.values()))


def unusable_on(evidence: Evidence, rules: Sequence[Rule]) -> list[EdgeoptError]:
    """Why some of `rules` cannot be judged on the evidence's predictions; nothing where there are none."""
    predictions = evidence.candidate.predictions
    if predictions is None:
        return []
    faults: list[EdgeoptError] = [*unusable_rules(rules, predictions)]
    if evidence.cluster and evidence.cluster not in predictions.columns:
        hint = near_names(evidence.cluster, predictions.columns) if predictions.columns else "add it to the data"
        faults.append(InputError(f"the data has no column `{evidence.cluster}` to cluster by", hint=hint))
    return faults


def recorded_side(record: Run, store: Store, *, where: str) -> Side:
    """The candidate of a recorded run, which is the baseline of this one.

    Raises:
        InputError: It holds none.
    """
    return side_of(candidate_entry(record, where=where)["sha256"], record.measurements, store)


def candidate_entry(record: Run, *, where: str) -> dict[str, Any]:
    """The JSON form of the candidate of a run.

    Raises:
        InputError: It holds none.
    """
    entry = next((entry for entry in record.artifacts if entry.get("role", CANDIDATE) == CANDIDATE), None)
    if entry is None:
        raise InputError(f"baseline `{where}` holds no artifact", hint="write one with `edgeopt gate --accept`")
    return entry


def read_record(path: Path) -> Run:
    """The run in a file, ready to be judged (see `judgeable`).

    Raises:
        InputError: It cannot be read, or lacks what judging needs.
    """
    return judgeable(run_from_file(path), where=str(path))


def judgeable(record: Run, *, where: str) -> Run:
    """A run, with each measurement told which machine it comes from: others may be merged with it.

    Raises:
        InputError: An artifact has no digest or path, or a measurement no samples.
    """
    if not all({"sha256", "path"} <= entry.keys() for entry in record.artifacts):
        raise InputError(f"`{where}` holds an artifact without `sha256` or `path`", hint="write it with `--json` again")
    if not all(m.samples and all(m.samples) for m in record.measurements):
        raise InputError(f"`{where}` holds a measurement without samples", hint="write it with `--json` again")
    machine = {"machine": str(record.environment.get("machine", ""))}
    told = tuple(replace(m, details={**machine, **m.details}) for m in record.measurements)
    return replace(record, measurements=told)


def side_of(digest: str, measurements: Sequence[Measurement], store: Store) -> Side:
    """What was measured of the artifact of that digest, with its predictions where they are to be had."""
    own = tuple(m for m in measurements if m.artifact == digest)
    return Side(sha256=digest, measurements=own, predictions=_predictions(own, store))


def _predictions(measurements: Sequence[Measurement], store: Store) -> Predictions | None:
    """The predictions that the last record names, where they lie or as the store keeps them; None if they are gone."""
    files = [m.details["predictions"] for m in measurements if isinstance(m.details.get("predictions"), dict)]
    if not files:
        return None
    path, digest = Path(str(files[-1].get("path"))), str(files[-1].get("sha256"))
    if path.is_file() and sha256_of(path) == digest:
        return read_predictions(path)
    try:
        return read_predictions(store.object_path(digest))
    except InputError:
        return None
