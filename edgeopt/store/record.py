"""What the store writes as JSON: runs and cached steps, and the entries that its index holds of them.

History: schema 1 of a step, the first. A run has the schema of `edgeopt.core.run`, and a key `stored`: the files that
belong to it, each with `role`, `path`, `sha256`, `size_bytes`, `is_kept` and `reason` (why it is not). A step has a key
`environment` where it was told: machine and versions that it was done with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal

from edgeopt.core.run import Run, json_text, run_from_json
from edgeopt.errors import InputError
from edgeopt.store.headline import headline
from edgeopt.store.looks import is_looks_record
from edgeopt.store.objects import is_digest

STEP_SCHEMA = 1
STORED = "stored"
CANDIDATE = "candidate"
_RUN_KEYS = {"schema", "edgeopt", "command"}
_ACCEPTED_KEYS = ("by", "date", "reason", "config")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """What a list of runs shows of one.

    Attributes:
        id: SHA-256 of its record.
        date: When it was measured, ISO 8601 in UTC; empty where the record does not tell.
        command: The command that made it.
        version: Version of edgeopt that made it.
        machine: Identity of the machine it ran on; empty where the record does not tell.
        candidate: Name of the model that it is about; empty where there is none.
        headline: `verdict` and a few `figures`.
        accepted: `by`, `date`, `reason` and `config` (name of the configuration) of a run that was accepted as a
            baseline; None for one that was not.
    """

    id: str
    date: str
    command: str
    version: str
    machine: str
    candidate: str
    headline: dict[str, Any]
    accepted: dict[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry under its JSON keys."""
        record = asdict(self)
        record["edgeopt"] = record.pop("version")
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedStep:
    """A step that need not be done again.

    Attributes:
        key: What `step_key` gave.
        artifact: SHA-256 of what the step made.
        details: What the step said of it.
        date: When it was done, ISO 8601 in UTC.
    """

    key: str
    artifact: str
    details: dict[str, Any]
    date: str


def entry_of_run(sha256: str, record: dict[str, Any]) -> RunEntry:
    """The entry of a run whose record has the digest `sha256`."""
    environment = record["environment"]
    return RunEntry(
        id=sha256,
        date=utc_date(environment.get("date")),
        command=record["command"],
        version=record["edgeopt"],
        machine=str(environment.get("machine", "")),
        candidate=_candidate(record["artifacts"]),
        headline=headline(record),
        accepted=_accepted(record),
    )


def run_of_record(record: dict[str, Any], *, where: str) -> Run:
    """The run as it was given to the store.

    Raises:
        InputError: Not a run, or one of a newer schema.
    """
    return run_from_json({key: value for key, value in record.items() if key != STORED}, where=where)


def step_record(step: CachedStep, artifact: dict[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON form of a cached step, of the artifact that it made, and of what it was made with."""
    return {
        "schema": STEP_SCHEMA,
        "step_key": step.key,
        "date": step.date,
        "made": artifact,
        "details": step.details,
        "environment": dict(environment),
    }


def step_of_record(record: dict[str, Any]) -> CachedStep:
    """The step that `step_record` wrote down."""
    return CachedStep(
        key=record["step_key"], artifact=record["made"]["sha256"], details=record["details"], date=record["date"]
    )


def record_bytes(record: dict[str, Any]) -> bytes:
    """A record as it is stored.

    Raises:
        InputError: It holds something that JSON does not know.
    """
    try:
        return json_text(record, indent=None).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the run cannot be written as JSON: {error}") from error


def kind_of_record(content: bytes) -> tuple[Literal["run", "step", "looks", "file"], dict[str, Any]]:
    """Whether an object is a run, a cached step, looks of dropped runs or another file; the record of all but that."""
    if not content.startswith(b"{"):
        return "file", {}
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return "file", {}
    if record.keys() >= _RUN_KEYS:
        return "run", record
    if _is_step(record):
        return "step", record
    return ("looks", record) if is_looks_record(record) else ("file", {})


def utc_date(text: Any) -> str:
    """An ISO 8601 date in UTC with seconds, which sorts as text; empty where `text` is none."""
    try:
        date = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return ""
    return date.astimezone(UTC).isoformat(timespec="seconds")


def _is_step(record: dict[str, Any]) -> bool:
    made = record.get("made")
    return (
        record.get("schema") == STEP_SCHEMA
        and isinstance(record.get("step_key"), str)
        and isinstance(record.get("date"), str)
        and isinstance(record.get("details"), dict)
        and isinstance(made, dict)
        and is_digest(made.get("sha256"))
    )


def _accepted(record: dict[str, Any]) -> dict[str, str] | None:
    """Who accepted the run, when, why and for which configuration; None where the record does not tell all of it."""
    told = record.get("accepted")
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in _ACCEPTED_KEYS):
        return None
    return {key: told[key] for key in _ACCEPTED_KEYS}


def _candidate(artifacts: list[dict[str, Any]]) -> str:
    """Name of the last artifact that is a candidate: those before it are further ones, or bases."""
    named = [entry for entry in artifacts if entry.get("role", CANDIDATE) == CANDIDATE]
    return PurePath(str(named[-1].get("path", ""))).name if named else ""
