"""`edgeopt runs`: what was recorded, listed, shown, traced and cleaned up."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError
from edgeopt.store.prefix import SHOWN_DIGITS
from edgeopt.store.store import FOLDER, Store
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
    above = None if entries else _store_above(place)
    return {
        "store": str(place.folder),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "total": place.count(),
        "runs": [entry.as_json() for entry in entries],
        "above": str(above) if above else None,
        "warnings": place.warnings,
    }


def runs_to_complete(prefix: str, *, store: Store | None = None) -> list[tuple[str, str]]:
    """The beginning of an id and what the run is, of the latest runs whose id begins with `prefix`.

    Args:
        prefix: What was typed.
        store: Of what; by default that of the working directory.
    """
    entries = (store or Store.find()).runs_like(prefix, LIMIT)
    return [(entry.id[:SHOWN_DIGITS], f"{entry.command} {entry.candidate} {entry.date}") for entry in entries]


def show_run(run: str | None = None, *, store: Store | None = None) -> dict[str, Any]:
    """The record of a run, and under `stored` the files that belong to it.

    Args:
        run: Beginning of its id; by default that of the latest.
        store: Of what; by default that of the working directory.

    Raises:
        InputError: There is no such run, or more than one, or its record is damaged.
    """
    place = store or Store.find()
    if run is None:
        latest = place.runs(1)
        if not latest:
            raise InputError(f"nothing is recorded in `{place.folder}`", hint="`edgeopt quantize` or `gate` records")
        run = latest[0].id
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
    is_file = Path(named).is_file()
    lineage = place.lineage(_digest_of_file(Path(named), place) if is_file else named)
    return {"named": named if is_file else None, **lineage.as_json(), "warnings": place.warnings}


def collect_garbage(
    *, keep: int | None = None, older_than: str | None = None, dry_run: bool = False, store: Store | None = None
) -> dict[str, Any]:
    """Drop old runs, and then what nothing names.

    Args:
        keep: How many of the latest runs stay, with the cached steps whose results they name; None for all.
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


def _store_above(store: Store) -> Path | None:
    """The nearest store in a folder above; commands do not look there, so that none writes where nobody looks."""
    if store.folder.name != FOLDER:
        return None
    beside = store.folder.absolute().parent
    return next((folder / FOLDER for folder in beside.parents if (folder / FOLDER / "objects").is_dir()), None)


def _digest_of_file(path: Path, store: Store) -> str:
    """The digest under which a file was recorded: that of a model with external data covers all its files."""
    sha256 = sha256_of(path)
    if store.knows(sha256) or path.suffix != ".onnx":
        return sha256
    from edgeopt.workflow.inputs import model_artifact

    return model_artifact(path).sha256
