"""`edgeopt runs`: what was recorded, listed, shown, traced and cleaned up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError
from edgeopt.store.store import Store
from edgeopt.units import Dimension, parse_quantity

LIMIT = 20
_DAYS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(d|w)\s*")
_DAY_SECONDS = {"d": 86_400.0, "w": 7 * 86_400.0}


def list_runs(*, limit: int = LIMIT, store: Store | None = None) -> dict[str, Any]:
    """The latest runs, and how many there are.

    Args:
        limit: How many at most.
        store: Of what; by default that of the working directory.
    """
    place = store or Store.find()
    entries = place.runs(limit)
    return {
        "store": str(place.folder),
        "total": place.count(),
        "runs": [entry.as_json() for entry in entries],
        "warnings": place.warnings,
    }


def show_run(run: str, *, store: Store | None = None) -> dict[str, Any]:
    """The record of a run, and under `stored` the files that belong to it.

    Args:
        run: Beginning of its id.
        store: Of what; by default that of the working directory.

    Raises:
        InputError: There is no such run, or more than one, or its record is damaged.
    """
    place = store or Store.find()
    record = place.load_record(run)
    return {**record, "warnings": [*record.get("warnings", []), *place.warnings]} if place.warnings else record


def trace_lineage(named: str, *, store: Store | None = None) -> dict[str, Any]:
    """From which file, by which steps, data, seed, versions and machine an artifact came.

    Args:
        named: A model or prediction file, or the beginning of a run's id or of an artifact's digest.
        store: Of what; by default that of the working directory.

    Raises:
        InputError: Nothing of that name was recorded, or more than one thing.
    """
    place = store or Store.find()
    lineage = place.lineage(_digest_of_file(Path(named), place) if Path(named).is_file() else named)
    return {**lineage.as_json(), "warnings": place.warnings}


def collect_garbage(
    *, keep: int | None = None, older_than: str | None = None, dry_run: bool = False, store: Store | None = None
) -> dict[str, Any]:
    """Drop old runs, and then what nothing names.

    Args:
        keep: How many of the latest runs stay; None for all.
        older_than: Runs and cached steps older than that go, as in `30d`; None for none.
        dry_run: Only say what would go.
        store: Of what; by default that of the working directory.

    Raises:
        InputError: `older_than` is no time, or the store cannot be written.
    """
    place = store or Store.find()
    seconds = None if older_than is None else seconds_of_age(older_than)
    garbage = place.collect_garbage(keep=keep, older_than_seconds=seconds, dry_run=dry_run)
    return {"store": str(place.folder), **garbage.as_json(), "left": place.count(), "warnings": place.warnings}


def seconds_of_age(text: str) -> float:
    """The time that `text` names, in seconds: `30d`, `2w`, or any time that rules take.

    Raises:
        InputError: It is none.
    """
    if match := _DAYS.fullmatch(text):
        return float(match[1]) * _DAY_SECONDS[match[2]]
    hint = "write it as `30d`, `2w` or `12h`"
    try:
        quantity = parse_quantity(text)
    except InputError as error:
        raise InputError(f"`{text}` is not a time", hint=hint) from error
    if quantity.dimension is not Dimension.SECONDS or quantity.value < 0:
        raise InputError(f"`{text}` is not a time", hint=hint)
    return quantity.value


def _digest_of_file(path: Path, store: Store) -> str:
    """The digest under which a file was recorded: that of a model with external data covers all its files."""
    sha256 = sha256_of(path)
    if store.knows(sha256) or path.suffix != ".onnx":
        return sha256
    from edgeopt.workflow.inputs import model_artifact

    return model_artifact(path).sha256
