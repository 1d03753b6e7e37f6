"""`edgeopt bench --soak`: whether the speed of a model lasts, and whether its memory does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Measurement, Origin
from edgeopt.core.target import HOST
from edgeopt.errors import InputError
from edgeopt.judge.memory_growth import MemoryGrowth, memory_growth
from edgeopt.judge.soak import FEWEST_WINDOWS, Soak, early_late
from edgeopt.judge.soak_causes import Conditions
from edgeopt.judge.soak_findings import SOAK
from edgeopt.measure.environment import disturbance, noise_warnings
from edgeopt.measure.latency import Plan, Progress
from edgeopt.measure.soak import measure_soak
from edgeopt.measure.windows import Window
from edgeopt.runners import runtime_of
from edgeopt.units import Dimension, format_seconds, parse_quantity
from edgeopt.workflow.progress import Report

# Less shows neither heat nor a leak; more is for a test rig, and its record would hold nothing but averages.
SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 86_400.0
# Turbo budgets last half a minute, and small boards throttle after some minutes.
USUAL_SECONDS = 60.0
# A chip at rest wavers by some degrees.
_WARMER_CELSIUS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakRun:
    """One model that ran without a pause.

    Attributes:
        artifact: The model.
        plan: How it was measured.
        asked_seconds: How long it was to run.
        windows: What was measured, in the order taken.
        soak: The end held against the beginning.
        growth: How memory grew; None where the system does not tell it.
        warnings: What disturbed the run.
    """

    artifact: Artifact
    plan: Plan
    asked_seconds: float
    windows: tuple[Window, ...]
    soak: Soak
    growth: MemoryGrowth | None
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.windows[-1].end

    def as_json(self) -> dict[str, Any]:
        """The soak under its key of a row of `runs`."""
        return {
            **self.soak.as_json(),
            "origin": Origin.HOST.value,
            "seconds": self.seconds,
            "asked_seconds": self.asked_seconds,
            "windows": [window.as_json() for window in self.windows],
            "memory_growth": self.growth.as_json() if self.growth else None,
        }

    def measurement(self) -> Measurement:
        """The raw samples for the record, a tuple per window.

        The metric is `soak`: a rule about latency must not find times of a hot chip in the place of ordinary ones.
        """
        return Measurement(
            metric=SOAK,
            artifact=self.artifact.sha256,
            target=HOST,
            unit="s",
            origin=Origin.HOST,
            samples=tuple(window.samples for window in self.windows),
            details={
                "runtime": runtime_of(self.artifact.path, self.plan.runtime),
                "threads": self.plan.threads,
                "batch": self.plan.batch,
                "seconds": self.seconds,
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaks:
    """What `soak_models` gives.

    Attributes:
        runs: One per model; None for those that were not run, or too shortly to be judged.
        is_whole: Whether all were run to their end; else the command was interrupted.
        warnings: What the user should know of them together.
    """

    runs: tuple[SoakRun | None, ...]
    is_whole: bool
    warnings: tuple[str, ...]


def soak_seconds(text: str) -> float:
    """The seconds that `--soak` names.

    Raises:
        InputError: Not a time, or one too short or too long.
    """
    quantity = parse_quantity(text)
    if quantity.dimension is not Dimension.SECONDS:
        raise InputError(f"`--soak {text}` is not a time", hint="write a number and a unit: `--soak 10min`")
    if not SHORTEST_SECONDS <= quantity.value <= LONGEST_SECONDS:
        way = "short" if quantity.value < SHORTEST_SECONDS else "long"
        raise InputError(
            f"`--soak {text}` is too {way}: it takes {format_seconds(SHORTEST_SECONDS)} to 24 h",
            hint="chips grow hot within minutes: `--soak 10min`",
        )
    return quantity.value


def soak_models(artifacts: Sequence[Artifact], plan: Plan, seconds: float, *, report: Report) -> Soaks:
    """Run one model after the other, each for `seconds` without a pause.

    An interrupt ends all: what was soaked long enough to be judged is kept, that model's windows so far too.

    Args:
        artifacts: The models.
        plan: How to measure.
        seconds: How long each.
        report: Called with what is being done.

    Raises:
        InputError: A model is so slow that early and late hold too few calls.
        ToolFailed: The process crashed or hung.
        KeyboardInterrupt: It was interrupted before any model could be judged.
    """
    runs: list[SoakRun | None] = []
    is_whole = True
    for index, artifact in enumerate(artifacts):
        before = disturbance()
        soaking = measure_soak(artifact.path, plan, seconds=seconds, progress=_counter(report, index, len(artifacts)))
        is_whole = soaking.is_whole
        if not is_whole and len(soaking.windows) < FEWEST_WINDOWS:
            break
        warnings = noise_warnings(before, disturbance(), load=None, preempted=_preempted(soaking.windows))
        runs.append(soak_run(artifact, plan, seconds, soaking.windows, warnings))
        if not is_whole:
            break
    if not any(runs):
        raise KeyboardInterrupt
    missing = [artifact.path.name for artifact in artifacts[len(runs) :]]
    return Soaks(
        runs=(*runs, *[None] * len(missing)),
        is_whole=is_whole,
        warnings=(*_warm_starts([run for run in runs if run]), *(f"`{name}` was not soaked" for name in missing)),
    )


def soak_run(
    artifact: Artifact, plan: Plan, asked: float, windows: tuple[Window, ...], warnings: Sequence[str] = ()
) -> SoakRun:
    """The windows of one model, judged.

    Args:
        artifact: The model.
        plan: How it was measured.
        asked: How long it was to run, in seconds.
        windows: What was measured.
        warnings: What disturbed it.

    Raises:
        InputError: There are too few windows.
    """
    lengths = [now - before for before, now in pairwise((0.0, *(window.end for window in windows)))]
    conditions = Conditions(
        clock_hz=[window.clock_hz for window in windows],
        celsius=[window.celsius for window in windows],
        preemptions=[_rate(window.preemptions, length) for window, length in zip(windows, lengths, strict=True)],
    )
    lasted, told = windows[-1].end, [*warnings]
    if lasted < asked:
        told.append(f"stopped after {lasted:.0f} s of {asked:.0f} s: the figures are of that time")
    if lasted < USUAL_SECONDS:
        told.append(f"{lasted:.0f} s are too short for heat to show, and noise misleads: 10min is usual")
    return SoakRun(
        artifact=artifact,
        plan=plan,
        asked_seconds=asked,
        windows=windows,
        soak=early_late([window.samples for window in windows], conditions=conditions),
        growth=memory_growth([window.end for window in windows], [window.resident_bytes for window in windows]),
        warnings=tuple(f"`{artifact.path.name}`, soak: {text}" for text in told),
    )


def _counter(report: Report, index: int, count: int) -> Progress:
    """Seconds of all models together, so that the time that is left is that of the command."""
    return lambda done, total: report("soaking", index * total + done, count * total)


def _preempted(windows: Sequence[Window]) -> float:
    """Times a second that another process took the core; 0 where it is not told."""
    return sum(window.preemptions or 0 for window in windows) / windows[-1].end


def _rate(count: int | None, seconds: float) -> float | None:
    return None if count is None else count / seconds


def _warm_starts(runs: Sequence[SoakRun]) -> list[str]:
    """The models that began on a chip which the one before had warmed, as far as the system tells."""
    warnings = []
    for before, run in pairwise(runs):
        first, own = (one.windows[0].celsius for one in (runs[0], run))
        if first is None or own is None:
            at = ", on a chip as warm as that left it"
        elif own - first > _WARMER_CELSIUS:
            at = f", at {own:.0f} °C instead of {first:.0f} °C"
        else:
            continue
        name, other = run.artifact.path.name, before.artifact.path.name
        warnings.append(f"`{name}` began right after `{other}`{at}: soak it alone where its early speed matters")
    return warnings
