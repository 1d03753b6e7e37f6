"""The JSON record of one command that measured something.

History: schema 1, the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeopt._version import __version__
from edgeopt.core.files import require_regular_file
from edgeopt.core.measurement import Measurement, measurement_from_json
from edgeopt.errors import InputError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Artifacts, the environment they were measured in, and the measurements.

    Attributes:
        command: The command that made it, as in `bench`.
        environment: Processor, versions, load and what else the figures depend on.
        artifacts: The JSON form of each artifact that was measured.
        measurements: All figures, raw.
        own: Keys of the command's own (see COMMANDS in the documentation).
        version: Version of edgeopt that wrote it.
    """

    command: str
    environment: dict[str, Any]
    artifacts: tuple[dict[str, Any], ...]
    measurements: tuple[Measurement, ...]
    own: dict[str, Any] = field(default_factory=dict)
    version: str = __version__

    def as_json(self) -> dict[str, Any]:
        """The record that is written and that `--json` prints."""
        return {
            "schema": SCHEMA,
            "edgeopt": self.version,
            "command": self.command,
            "environment": self.environment,
            "artifacts": list(self.artifacts),
            "measurements": [measurement.as_json() for measurement in self.measurements],
            **self.own,
        }


_RUN_HINT = "write one with `edgeopt bench --json > run.json`"
_SHARED_KEYS: dict[str, type] = {
    "schema": int,
    "edgeopt": str,
    "command": str,
    "environment": dict,
    "artifacts": list,
    "measurements": list,
}


def run_from_json(record: Any, *, where: str) -> Run:
    """The run that `Run.as_json` wrote.

    Raises:
        InputError: Not such a record, or one of a newer schema.
    """
    if not isinstance(record, dict) or not record.keys() >= _SHARED_KEYS.keys():
        raise InputError(f"`{where}` is not a run of edgeopt", hint=_RUN_HINT)
    if record["schema"] != SCHEMA:
        raise InputError(
            f"`{where}` has schema `{record['schema']}`, this edgeopt reads {SCHEMA}", hint="upgrade edgeopt"
        )
    strange = [key for key, kind in _SHARED_KEYS.items() if not isinstance(record[key], kind)]
    if strange or not all(isinstance(artifact, dict) for artifact in record["artifacts"]):
        raise InputError(
            f"`{where}` is not a run of edgeopt: `{[*strange, 'artifacts'][0]}` holds something else", hint=_RUN_HINT
        )
    return Run(
        command=record["command"],
        environment=record["environment"],
        artifacts=tuple(record["artifacts"]),
        measurements=tuple(measurement_from_json(entry) for entry in record["measurements"]),
        own={key: value for key, value in record.items() if key not in _SHARED_KEYS},
        version=record["edgeopt"],
    )


def run_from_file(path: Path) -> Run:
    """The run in a JSON file.

    Raises:
        InputError: The file cannot be read, is not JSON, holds a key twice, or is not a run.
    """
    require_regular_file(path, what="run")
    try:
        record = json.loads(
            path.read_text(encoding="utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"`{path}` is not JSON: {error}", hint=_RUN_HINT) from error
    return run_from_json(record, where=str(path))


def json_text(record: Any, *, indent: int | None = 2) -> str:
    """A JSON document that every reader accepts: no NaN, no infinity; on one line where `indent` is None."""
    return json.dumps(_finite(record), indent=indent, allow_nan=False, ensure_ascii=False) + "\n"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"`{name}` is not a number that JSON knows")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two equal keys Python would silently keep the last, others the first."""
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key `{next(key for key in keys if keys.count(key) > 1)}` is there twice")
    return record


def _finite(value: Any) -> Any:
    """`value` with NaN and infinities as null, since JSON has no such numbers."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
