"""What a gate holds the candidate against: the original, or what was accepted last, in a file or in the record."""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.config import Config
from edgeopt.core.files import replacing, require_writable, write_text
from edgeopt.core.run import Run, json_text
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Side
from edgeopt.store.store import Store
from edgeopt.workflow.gate_case import candidate_entry, judgeable, read_record, recorded_side
from edgeopt.workflow.inputs import Named, model_artifact
from edgeopt.workflow.record import record_run

# `baseline = "store"`: the run that was accepted last, as the record beside the configuration holds it.
IN_STORE = "store"
FIRST = "the first baseline"
_RUN_ID = re.compile(r"[0-9a-fA-F]{4,64}")
# Where CI systems say who started the job.
_CI_USERS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR", "BUILDKITE_BUILD_CREATOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline, or the place where the first one will be kept.

    Attributes:
        name: How the user named it.
        path: The file that keeps it; None in the record.
        record: The run that was accepted; None before the first.
    """

    name: str
    path: Path | None = None
    record: Run | None = None

    def side(self, store: Store) -> Side | None:
        """What was recorded of it, with predictions that the record may keep; None before the first."""
        return recorded_side(self.record, store, where=self.name) if self.record else None

    @property
    def accepted(self) -> dict[str, Any] | None:
        """Who accepted it, when and why; None where that is not told."""
        told = self.record.own.get("accepted") if self.record else None
        return told if isinstance(told, dict) else None

    def is_at_hand(self, store: Store) -> bool:
        """Whether its model is still to be had, so that it can be measured again."""
        if self.record is None:
            return False
        entry = candidate_entry(self.record, where=self.name)
        digest, path = str(entry["sha256"]), Path(str(entry["path"]))
        found = _readable(path) if path.is_file() else None
        return store.objects.has(digest) or (found is not None and found.sha256 == digest)

    def artifact(self, store: Store, place: Path) -> Artifact | None:
        """Its model, if it is still to be had: where it lay, else from the record, which is copied to `place`."""
        if self.record is None:
            return None
        entry = candidate_entry(self.record, where=self.name)
        digest, path = str(entry["sha256"]), Path(str(entry["path"]))
        place = place.with_suffix(path.suffix)  # it may be of another format than today's model
        for there in (path, place):
            if there.is_file() and (found := _readable(there)) and found.sha256 == digest:
                return found
        if not store.objects.has(digest):
            return None
        with replacing(place, force=True) as temporary:
            temporary.write_bytes(store.objects.read(digest))
        return model_artifact(place)

    def require_keepable(self) -> None:
        """Refuse, before anything is measured, a file that may not be written.

        Raises:
            InputError: It is a folder or a device, or its folder is missing or not writable.
        """
        if self.path:
            require_writable(self.path, force=True)

    def keep(self, run: Run, store: Store) -> None:
        """Keep `run`, which was accepted, and its model: in the record, and in the file where there is one.

        Raises:
            InputError: The record or the file cannot be written.
        """
        record_run(run, store=store)
        if self.path:
            write_text(self.path, json_text(run.as_json()), force=True)


def find_baseline(
    named: Named | None, settings: Config | None, config: Path, store: Store, *, accept: bool
) -> Baseline | None:
    """The baseline that is asked for; None for the original model.

    Args:
        named: A run record, or the beginning of the id of a recorded run; None takes that of the configuration.
        settings: The configuration.
        config: Where it lies; its paths start there.
        store: The record beside it.
        accept: A new baseline is to be kept, so that the file need not exist.

    Raises:
        InputError: There is no such record, or it cannot be read.
    """
    if named is not None:
        path = Path(named)
        if path.exists() or (accept and not _is_run_id(str(named))):
            return _in_file(path, str(named))
        if _is_run_id(str(named)):
            return Baseline(name=str(named), record=judgeable(store.load_run(str(named)), where=str(named)))
        return Baseline(name=str(named), path=path, record=read_record(path))
    kept = settings.gate.baseline if settings else None
    if kept == IN_STORE:
        entry = store.latest_accepted(config.name)
        record = judgeable(store.load_run(entry.id), where=entry.id[:12]) if entry else None
        return Baseline(name=IN_STORE, record=record)
    return _in_file(config.parent / kept, kept) if kept else None


def acceptance(baseline: Baseline | None, config: Path, *, by: str | None, reason: str | None) -> dict[str, Any]:
    """Who accepts, when and why, for the record.

    Args:
        baseline: What is replaced, or where the first one goes.
        config: The configuration that it belongs to.
        by: Who; by default the user that CI names, else the one who is logged in.
        reason: Why; not needed for the first.

    Raises:
        InputError: There is nowhere to keep it, or a baseline is to be replaced without a reason.
    """
    if baseline is None or (baseline.path is None and baseline.name != IN_STORE):
        raise InputError(
            "`--accept` has no file to write",
            hint=f'name one: `baseline = "baseline.json"` under [gate], or "{IN_STORE}" for the local record',
        )
    baseline.require_keepable()
    if baseline.record and not reason:
        raise InputError(
            f"`--accept` replaces the baseline `{baseline.name}` and does not say why",
            hint='give the reason: `--reason "retrained on the data of May"`',
        )
    return {
        "by": by or _user(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": reason or FIRST,
        "config": config.name,
        "replaces": candidate_entry(baseline.record, where=baseline.name)["sha256"] if baseline.record else None,
    }


def _in_file(path: Path, name: str) -> Baseline:
    return Baseline(name=name, path=path, record=read_record(path) if path.exists() else None)


def _is_run_id(text: str) -> bool:
    return _RUN_ID.fullmatch(text) is not None


def _readable(path: Path) -> Artifact | None:
    """The model at `path`; None where it cannot be read, since something else lies there now."""
    try:
        return model_artifact(path)
    except InputError:
        return None


def _user() -> str:
    named = next((os.environ[name] for name in _CI_USERS if os.environ.get(name)), "")
    try:
        return named or getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "unknown"
