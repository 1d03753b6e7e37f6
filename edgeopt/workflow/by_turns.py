"""A base and its candidates timed by turns, beside the noise of this machine, with a second look before red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeopt.core.artifact import Artifact
from edgeopt.judge.latency import MINIMUM_EFFECT, LatencyComparison, compare_latency
from edgeopt.measure.latency import Plan, Timing, Timings, measure_models
from edgeopt.workflow.bench_result import BenchResult, bench_result
from edgeopt.workflow.progress import Report, counter, silent

# An effect counts when it is at least twice what the base shows against itself in the same processes.
_NOISE_FACTOR = 2


def time_by_turns(artifacts: Sequence[Artifact], plan: Plan, *, report: Report = silent) -> BenchResult:
    """Time the first artifact and the others by turns, and compare.

    The base runs twice in every process: what it shows against itself is the noise of this machine now, and no effect
    below twice that counts. A candidate that looks slower is measured once more in fresh processes; only what is slower
    both times is called so.

    Args:
        artifacts: The base, then the candidates.
        plan: How to measure.
        report: Called with what is being done.

    Raises:
        InputError: The runtime does not take a model.
        ToolFailed: A measuring process crashed or hung.
    """
    paths = [artifact.path for artifact in artifacts]
    first = measure_models(paths, plan, has_twin=True, progress=counter(report, "measuring"))
    comparisons = _comparisons(first)
    if not any(comparison.verdict == "slower" for comparison in comparisons):
        return _result(artifacts, plan, first, comparisons, first.warnings)
    again = replace(plan, first_turn=plan.first_turn + plan.processes)
    second = measure_models(paths, again, has_twin=True, progress=counter(report, "confirming"))
    pooled = _joined(first, second)
    confirmed = [
        _confirmed(*looks) for looks in zip(comparisons, _comparisons(second), _comparisons(pooled), strict=True)
    ]
    return _result(
        artifacts, plan, pooled, confirmed, (*pooled.warnings, *_unconfirmed(artifacts, comparisons, confirmed))
    )


def _comparisons(timings: Timings) -> list[LatencyComparison]:
    noise = _noise(timings)
    effect = max(MINIMUM_EFFECT, _NOISE_FACTOR * abs(noise.ratio - 1))
    base, *candidates = timings.models
    return [_compared(base, candidate, effect) for candidate in candidates]


def _noise(timings: Timings) -> LatencyComparison:
    assert timings.twin is not None
    return _compared(timings.models[0], timings.twin, MINIMUM_EFFECT)


def _compared(base: Timing, candidate: Timing, effect: float) -> LatencyComparison:
    calls = min(base.calls_per_block, candidate.calls_per_block)
    return compare_latency(base.samples, candidate.samples, calls_per_block=calls, minimum_effect=effect)


def _confirmed(first: LatencyComparison, second: LatencyComparison, pooled: LatencyComparison) -> LatencyComparison:
    """The pooled comparison; undecided where the second look does not bear a slower one out."""
    if first.verdict == "slower" and second.verdict != "slower":
        return replace(pooled, verdict="undecided")
    return pooled


def _unconfirmed(
    artifacts: Sequence[Artifact], first: Sequence[LatencyComparison], final: Sequence[LatencyComparison]
) -> list[str]:
    return [
        f"`{artifact.path.name}` looked slower at first, and not in a second look: measure again on a quieter machine"
        for artifact, look, verdict in zip(artifacts[1:], first, final, strict=True)
        if look.verdict == "slower" and verdict.verdict == "undecided"
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
) -> BenchResult:
    noise = _noise(timings)
    return bench_result(artifacts, plan, timings.models, comparisons=comparisons, noise=noise, warnings=warnings)
