"""What earlier runs tell a plan: the records that the user gives, the baseline, and the latest of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeopt.core.run import Run
from edgeopt.errors import InputError
from edgeopt.judge.evidence import Evidence
from edgeopt.judge.plan.history import History
from edgeopt.measure.environment import machine_identity
from edgeopt.store.store import Store
from edgeopt.workflow.baseline import Baseline
from edgeopt.workflow.gate_case import BASELINE, CANDIDATE, judgeable, read_record, side_of

_SHOWN_DIGITS = 12
# Older runs of the store are not looked at, and of those about the model no more are opened: the latest that knows is
# believed.
_MOST_RUNS = 50
_MOST_RELEVANT = 5


def given_history(paths: Sequence[Path], evidence: Evidence) -> History:
    """The records that are given to be judged, as one.

    Args:
        paths: Where they lie, at least one.
        evidence: What they hold, as a gate reads it.

    Raises:
        InputError: A record cannot be read.
    """
    records = [read_record(path) for path in paths]
    compared = [told for told in map(_comparison, records) if told]
    timed = next((record for record in records if _noise(record)), records[0])
    return History(
        name=", ".join(f"`{path}`" for path in paths),
        evidence=evidence,
        comparison=compared[-1] if compared else {},
        noise=_noise(timed),
        processes=_processes(timed),
        is_here=all(map(_is_here, records)),
        is_given=True,
    )


def held_history(held: Baseline, store: Store, cluster: str) -> History | None:
    """The run that was accepted as the baseline; None before the first."""
    return _history(held.record, f"baseline `{held.name}`", store, cluster) if held.record else None


def stored_histories(model: str, store: Store, cluster: str, warnings: list[str]) -> Iterator[History]:
    """The latest runs of the store: those about the model of digest `model`, and of others what they tell of noise.

    Args:
        model: Digest of the original model.
        store: The record.
        cluster: Column of samples that depend on each other; empty where none do.
        warnings: Takes what cannot be read.
    """
    relevant = 0
    for entry in store.runs(_MOST_RUNS):
        try:
            run = judgeable(store.load_run(entry.id), where=entry.id[:_SHOWN_DIGITS])
        except InputError as error:
            warnings.append(f"run `{entry.id[:_SHOWN_DIGITS]}` is not used: {error.message}")
            continue
        name = f"run {entry.id[:_SHOWN_DIGITS]} ({entry.command}, {entry.date[:10]})"
        is_about = any(artifact.get("sha256") == model for artifact in run.artifacts)
        if is_about and relevant < _MOST_RELEVANT:
            relevant += 1
            yield _history(run, name, store, cluster)
        elif noise := _noise(run):
            yield History(name=name, noise=noise, processes=_processes(run), is_here=_is_here(run))


def _history(run: Run, name: str, store: Store, cluster: str) -> History:
    return History(
        name=name,
        evidence=_evidence(run, store, cluster),
        comparison=_comparison(run),
        noise=_noise(run),
        processes=_processes(run),
        is_here=_is_here(run),
    )


def _evidence(run: Run, store: Store, cluster: str) -> Evidence | None:
    """Candidate and baseline of a run; None where it names no candidate."""
    roles = {str(entry.get("role", CANDIDATE)): str(entry["sha256"]) for entry in run.artifacts}
    if CANDIDATE not in roles:
        return None
    base = roles.get(BASELINE)
    return Evidence(
        candidate=side_of(roles[CANDIDATE], run.measurements, store),
        baseline=side_of(base, run.measurements, store) if base else None,
        cluster=cluster,
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
