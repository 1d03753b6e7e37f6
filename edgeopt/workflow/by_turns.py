"""A base and its candidates timed by turns, beside the noise of this machine, with a second look before red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeopt.core.artifact import Artifact
from edgeopt.judge.latency import LatencyComparison
from edgeopt.judge.second_look import Look, is_suspect, verdict_of_one, verdict_of_two
from edgeopt.measure.latency import Plan, Timing, Timings, measure_models
from edgeopt.workflow.bench_result import BenchResult, bench_result
from edgeopt.workflow.progress import Report, counter, silent


def time_by_turns(artifacts: Sequence[Artifact], plan: Plan, *, report: Report = silent) -> BenchResult:
    """Time the first artifact and the others by turns, and compare.

    The base runs twice in every process: what it shows against itself is the noise of this machine now, and no effect
    below twice that counts. A candidate that looks slower is measured once more in fresh processes, and called so only
    where that bears it out (`edgeopt.judge.second_look`).

    Args:
        artifacts: The base, then the candidates.
        plan: How to measure.
        report: Called with what is being done.

    Raises:
        InputError: The runtime does not take a model.
        ToolFailed: A measuring process crashed or hung.
    """
    first = _measured(artifacts, plan, report, "measuring")
    looks = _looks(first)
    suspected = [is_suspect(look) for look in looks]
    if not any(suspected):
        return _result(artifacts, plan, first, [verdict_of_one(look) for look in looks], first.warnings)
    second = _measured(artifacts, second_plan(plan), report, "confirming")
    pooled = _joined(first, second)
    final = [verdict_of_two(*both) for both in zip(looks, _looks(second), strict=True)]
    warnings = (*pooled.warnings, *_unconfirmed(artifacts, suspected, final))
    return _result(artifacts, plan, pooled, final, warnings, looks=2)


def time_once(artifacts: Sequence[Artifact], plan: Plan, *, report: Report = silent) -> BenchResult:
    """One look, the second of a gate that has its own suspects; otherwise as `time_by_turns`."""
    timings = _measured(artifacts, plan, report, "confirming")
    return _result(artifacts, plan, timings, [verdict_of_one(look) for look in _looks(timings)], timings.warnings)


def second_plan(plan: Plan) -> Plan:
    """The plan of a second look, whose processes go on counting."""
    return replace(plan, first_turn=plan.first_turn + plan.processes)


def _measured(artifacts: Sequence[Artifact], plan: Plan, report: Report, stage: str) -> Timings:
    paths = [artifact.path for artifact in artifacts]
    return measure_models(paths, plan, has_twin=True, progress=counter(report, stage))


def _looks(timings: Timings) -> list[Look]:
    """One per candidate."""
    base, *candidates = timings.models
    return [_look(base, candidate, timings) for candidate in candidates]


def _look(base: Timing, candidate: Timing, timings: Timings) -> Look:
    assert timings.twin is not None
    return Look(
        base=base.samples,
        candidate=candidate.samples,
        twin=timings.twin.samples,
        calls_per_block=min(base.calls_per_block, candidate.calls_per_block),
    )


def _unconfirmed(
    artifacts: Sequence[Artifact], suspected: Sequence[bool], final: Sequence[LatencyComparison]
) -> list[str]:
    return [
        f"`{artifact.path.name}` looked slower at first, and not in a second look: measure again on a quieter machine"
        for artifact, was_suspect, verdict in zip(artifacts[1:], suspected, final, strict=True)
        if was_suspect and verdict.verdict != "slower"
    ]


def _joined(first: Timings, second: Timings) -> Timings:
    """Both measurements as one."""
    assert first.twin is not None
    assert second.twin is not None
    return Timings(
        models=tuple(one.joined(other) for one, other in zip(first.models, second.models, strict=True)),
        twin=first.twin.joined(second.twin),
        warnings=tuple(dict.fromkeys((*first.warnings, *second.warnings))),
    )


def _result(
    artifacts: Sequence[Artifact],
    plan: Plan,
    timings: Timings,
    comparisons: Sequence[LatencyComparison],
    warnings: Sequence[str],
    *,
    looks: int = 1,
) -> BenchResult:
    noise = _look(timings.models[0], timings.models[0], timings).noise
    return bench_result(
        artifacts, plan, timings.models, comparisons=comparisons, noise=noise, warnings=warnings, looks=looks
    )
