"""Runs and artifacts by the beginning of their digest, as people type it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from sqlite3 import Connection

from edgeopt.errors import InputError
from edgeopt.store.record import CANDIDATE, RunEntry
from edgeopt.store.tables import (
    artifact_ids,
    artifacts_of_run,
    run_ids,
    select_artifact,
    select_run,
    select_runs,
    select_runs_like,
)

SHOWN_DIGITS = 12
_PREFIX = re.compile(r"[0-9a-f]{1,64}")
_MOST_OFFERED = 5


def one_run(connection: Connection, prefix: str) -> str:
    """Id of the run that begins with `prefix`.

    Raises:
        InputError: There is none, or more than one; the hint lists what may be meant.
    """
    found = run_ids(connection, _checked(prefix), limit=_MOST_OFFERED + 1) if _checked(prefix) else []
    if not found:
        raise InputError(f"no run begins with `{prefix}`", hint=_latest(connection))
    if len(found) > 1:
        raise _ambiguous(prefix, "runs", [_run_text(connection, run) for run in found])
    return found[0]


def runs_like(connection: Connection, prefix: str, *, limit: int) -> list[RunEntry]:
    """Runs whose id begins with `prefix`, the latest first, at most `limit`; all begin with an empty one."""
    digits = _checked(prefix)
    return select_runs_like(connection, digits, limit=limit) if digits or not prefix else []


def one_artifact(connection: Connection, prefix: str) -> str:
    """Digest of the artifact that begins with `prefix`, or of the candidate of the run that does.

    Raises:
        InputError: There is none, or more than one; the hint lists what may be meant. Or the run is about no artifact.
    """
    digits = _checked(prefix)
    runs = run_ids(connection, digits, limit=_MOST_OFFERED + 1) if digits else []
    # Records are not artifacts, but a run may name the file of another as its own.
    artifacts = [sha256 for sha256 in artifact_ids(connection, digits, limit=_MOST_OFFERED + 1) if sha256 not in runs]
    if not digits or not runs + artifacts:
        raise InputError(f"no artifact and no run begins with `{prefix}`", hint=_latest(connection))
    if len(runs + artifacts) > 1:
        named = [_run_text(connection, run) for run in runs]
        raise _ambiguous(
            prefix, "runs or artifacts", [*named, *(_artifact_text(connection, sha256) for sha256 in artifacts)]
        )
    return artifacts[0] if artifacts else _candidate(connection, runs[0])


def _checked(prefix: str) -> str:
    """`prefix` in lower case; empty where it is not hexadecimal."""
    digits = prefix.strip().lower()
    return digits if _PREFIX.fullmatch(digits) else ""


def _candidate(connection: Connection, run: str) -> str:
    named = artifacts_of_run(connection, run)
    found = [sha256 for sha256, role in named.items() if role == CANDIDATE] or list(named)
    if not found:
        raise InputError(
            f"run `{run[:SHOWN_DIGITS]}` is about no artifact", hint="it compared files of predictions; name a model"
        )
    return found[-1]


def _latest(connection: Connection) -> str:
    latest = select_runs(connection, limit=_MOST_OFFERED)
    if not latest:
        return "nothing is recorded here yet; `edgeopt quantize`, `bench`, `evaluate`, `compare` and `gate` record"
    return f"the latest runs: {_joined(map(_entry_text, latest))}; `edgeopt runs list` shows more"


def _ambiguous(prefix: str, what: str, named: list[str]) -> InputError:
    number = f"more than {_MOST_OFFERED}" if len(named) > _MOST_OFFERED else str(len(named))
    return InputError(f"{number} {what} begin with `{prefix}`", hint=f"type more of it: {_joined(named)}")


def _run_text(connection: Connection, run: str) -> str:
    entry = select_run(connection, run)
    return _entry_text(entry) if entry else run[:SHOWN_DIGITS]


def _entry_text(entry: RunEntry) -> str:
    return f"{entry.id[:SHOWN_DIGITS]} ({' '.join((entry.command, entry.candidate)).strip()}, {entry.date})"


def _artifact_text(connection: Connection, sha256: str) -> str:
    found = select_artifact(connection, sha256)
    return f"{sha256[:SHOWN_DIGITS]} ({found['path'] if found else ''})"


def _joined(texts: Iterable[str]) -> str:
    listed = list(texts)
    return ", ".join(listed[:_MOST_OFFERED]) + (", ..." if len(listed) > _MOST_OFFERED else "")
