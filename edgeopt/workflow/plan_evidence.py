"""What earlier runs tell a plan: the records that the user gives, the baseline, and the latest of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeopt.core.run import Run, run_from_file
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Evidence
from edgeopt.judge.plan.history import History
from edgeopt.measure.environment import machine_identity
from edgeopt.store.store import Store
from edgeopt.workflow.gate_case import side_of

_CANDIDATE, _BASELINE = "candidate", "baseline"
_SHOWN_DIGITS = 12
# Older runs of the store are not looked at, and of those about the model no more are opened: the latest that knows is
# believed.
_MOST_RUNS = 50
_MOST_RELEVANT = 5


def given_history(paths: Sequence[Path], store: Store) -> History:
    """The records that the user gives, as one: they are about one candidate.

    Args:
        paths: The records, at least one.
        store: Where predictions may be kept.

    Raises:
        InputError: A record cannot be read.
    """
    records = [run_from_file(path) for path in paths]
    merged = replace(
        records[-1],
        artifacts=tuple(entry for record in records for entry in record.artifacts),
        measurements=tuple(m for record in records for m in record.measurements),
        own={key: value for record in records for key, value in record.own.items() if value is not None},
    )
    commands = {record.command for record in records}
    told = replace(merged, command="compare" if "compare" in commands else merged.command)
    history = history_of(told, ", ".join(f"`{path}`" for path in paths), store)
    return replace(history, is_given=True, is_here=all(map(_is_here, records)))


def stored_histories(model: str, store: Store, warnings: list[str]) -> Iterator[History]:
    """The latest runs of the store: those about the model of digest `model`, and of others what they tell of noise.

    Args:
        model: Digest of the original model.
        store: The record.
        warnings: Takes what cannot be read.
    """
    relevant = 0
    for entry in store.runs(_MOST_RUNS):
        try:
            run = store.load_run(entry.id)
        except InputError as error:
            warnings.append(f"run `{entry.id[:_SHOWN_DIGITS]}` is not used: {error.message}")
            continue
        name = f"run {entry.id[:_SHOWN_DIGITS]} ({entry.command}, {entry.date[:10]})"
        is_about = any(artifact.get("sha256") == model for artifact in run.artifacts)
        if is_about and relevant < _MOST_RELEVANT:
            relevant += 1
            yield history_of(run, name, store)
        elif noise := _noise(run):
            yield History(name=name, noise=noise, processes=_processes(run), is_here=_is_here(run))


def history_of(run: Run, name: str, store: Store) -> History:
    """What one run tells.

    Args:
        run: The run.
        name: How it is called in the plan.
        store: Where predictions may be kept.
    """
    return History(
        name=name,
        evidence=_evidence(run, store),
        comparison=_comparison(run),
        noise=_noise(run),
        processes=_processes(run),
        is_here=_is_here(run),
    )


def _evidence(run: Run, store: Store) -> Evidence | None:
    """Candidate and baseline of a run; None where it names no candidate, as a comparison of prediction files."""
    roles = {str(entry.get("role", _CANDIDATE)): str(entry.get("sha256", "")) for entry in run.artifacts}
    measured = [m for m in run.measurements if m.samples and all(m.samples)]
    if _CANDIDATE not in roles:
        return None
    base = roles.get(_BASELINE)
    return Evidence(
        candidate=side_of(roles[_CANDIDATE], measured, store), baseline=side_of(base, measured, store) if base else None
    )


def _comparison(run: Run) -> dict[str, Any]:
    """What the run records of both models beside each other."""
    told = run.own if run.command == "compare" else run.own.get("accuracy")
    return told if isinstance(told, dict) else {}


def _noise(run: Run) -> dict[str, Any] | None:
    latency = run.own.get("latency")
    noise = run.own.get("noise") or (latency.get("noise") if isinstance(latency, dict) else None)
    return noise if isinstance(noise, dict) else None


def _processes(run: Run) -> int:
    return max((len(m.samples) for m in run.measurements if m.metric == "latency"), default=0)


def _is_here(run: Run) -> bool:
    return run.environment.get("machine") == machine_identity()
