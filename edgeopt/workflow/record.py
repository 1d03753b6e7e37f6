"""A run recorded in the store, with copies of the models and prediction files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeopt.core.run import Run
from edgeopt.store.record import RunEntry
from edgeopt.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What `record_run` gives.

    Attributes:
        entry: The run as `edgeopt runs list` shows it.
        warnings: What the user should know of the store.
    """

    entry: RunEntry
    warnings: tuple[str, ...]


def record_run(run: Run, *, store: Store | None = None) -> Recorded:
    """Record a run: what `edgeopt runs` lists, shows and traces.

    Commands do so themselves unless `--no-record` is given. Functions of the Python API do not: give their result's
    `run` to this one.

    Args:
        run: The run.
        store: Where; by default `.edgeopt` in the working directory, or what EDGEOPT_STORE names.

    Raises:
        InputError: The store cannot be written.
    """
    place = store or Store.find()
    entry = place.add_run(run, _files(run))
    return Recorded(entry=entry, warnings=tuple(place.warnings))


def _files(run: Run) -> dict[str, Path]:
    """Role -> file that the run names; a role that is there twice gets a number."""
    files: dict[str, Path] = {}
    for role, path in _named_files(run):
        if path in files.values():
            continue
        number = sum(name == role or name.startswith(f"{role} ") for name in files) + 1
        files[role if number == 1 else f"{role} {number}"] = path
    return files


def _named_files(run: Run) -> Iterator[tuple[str, Path]]:
    for artifact in run.artifacts:
        if artifact.get("path"):
            yield str(artifact.get("role", "candidate")), Path(str(artifact["path"]))
    for holder in (run.own, *(measurement.details for measurement in run.measurements)):
        predictions = holder.get("predictions")
        if isinstance(predictions, dict) and predictions.get("path"):
            yield "predictions", Path(str(predictions["path"]))
