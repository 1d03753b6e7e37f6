"""From which file, by which steps, data, seed, versions and machine an artifact came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Any

from edgeopt.store.record import RunEntry
from edgeopt.store.tables import record_of_step, select_artifact, select_run, select_runs

# What of a run's environment a figure or a model can depend on.
_ENVIRONMENT = ("machine", "cpu", "architecture", "isa", "os", "python", "versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origination:
    """How an artifact came about.

    Attributes:
        step: Name of the step that made it.
        options: Options of the step.
        data: `source`, `sha256` and `samples` of the calibration data; empty where there was none.
        seed: Seed of the step's draws; None where it is not told.
        run: The run that made it; None for a cached step.
        environment: Machine and versions that it was made with.
    """

    step: str
    options: dict[str, Any]
    data: dict[str, Any]
    seed: int | None
    run: RunEntry | None = None
    environment: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """How it came about, under its JSON keys."""
        return {
            "step": self.step,
            "options": self.options,
            "data": self.data,
            "seed": self.seed,
            "run": self.run.as_json() if self.run else None,
            "environment": self.environment,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One artifact of a chain.

    Attributes:
        sha256: Its digest.
        path: Where it lay when it was recorded; empty where it never was.
        format: `onnx`, `tflite`, `torch`; empty where it is not told.
        size_bytes: Its size; None where it is not told.
        is_kept: Whether the store holds a copy.
        made: How it came about; None for one that came from outside.
    """

    sha256: str
    path: str = ""
    format: str = ""
    size_bytes: int | None = None
    is_kept: bool = False
    made: Origination | None = None

    def as_json(self) -> dict[str, Any]:
        """The artifact under its JSON keys."""
        return {
            "sha256": self.sha256,
            "path": self.path,
            "format": self.format,
            "size_bytes": self.size_bytes,
            "is_kept": self.is_kept,
            "made": self.made.as_json() if self.made else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A chain from the artifact that came from outside to the one that was asked for, and the runs of the latter."""

    chain: tuple[Generation, ...]
    runs: tuple[RunEntry, ...]

    def as_json(self) -> dict[str, Any]:
        """The lineage under its JSON keys."""
        return {
            "artifact": self.chain[-1].sha256,
            "chain": [generation.as_json() for generation in self.chain],
            "runs": [run.as_json() for run in self.runs],
        }


def trace(
    connection: Connection,
    sha256: str,
    *,
    is_kept: Callable[[str], bool],
    environment_of: Callable[[str], dict[str, Any]],
) -> Lineage:
    """The lineage of an artifact that the index knows.

    Args:
        connection: To the index.
        sha256: Of the artifact.
        is_kept: Whether the store holds the object of that digest.
        environment_of: The environment in the record, of a run or of a cached step, with that digest.
    """
    chain: list[Generation] = []
    current, seen = sha256, set[str]()
    while current and current not in seen:  # two steps that undo each other would make a circle
        seen.add(current)
        found = select_artifact(connection, current)
        made = _origination(connection, current, found, environment_of) if found and found["lineage"] else None
        facts = {key: found[key] for key in ("path", "format", "size_bytes")} if found else {}
        chain.append(Generation(sha256=current, is_kept=is_kept(current), made=made, **facts))
        current = str(found["lineage"].get("parent", "")) if found else ""
    return Lineage(chain=tuple(reversed(chain)), runs=tuple(select_runs(connection, artifact=sha256)))


def _origination(
    connection: Connection, sha256: str, found: dict[str, Any], environment_of: Callable[[str], dict[str, Any]]
) -> Origination:
    told, run = found["lineage"], found["made_by"]
    record = run or record_of_step(connection, sha256)
    environment = environment_of(record) if record else {}
    return Origination(
        step=str(told.get("step", "")),
        options=_dict(told.get("options")),
        data=_dict(told.get("data")),
        seed=told.get("seed"),
        run=select_run(connection, run) if run else None,
        environment={key: environment[key] for key in _ENVIRONMENT if key in environment},
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
