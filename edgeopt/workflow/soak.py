"""`edgeopt bench --soak`: whether the speed of a model lasts, and whether its memory does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeopt.core.artifact import Artifact
from edgeopt.core.measurement import Measurement, Origin
from edgeopt.core.target import HOST
from edgeopt.errors import InputError
from edgeopt.judge.memory_growth import MemoryGrowth, memory_growth
from edgeopt.judge.soak import Soak, early_late
from edgeopt.measure.environment import disturbance, noise_warnings
from edgeopt.measure.latency import Plan
from edgeopt.measure.soak import measure_soak
from edgeopt.measure.windows import Window
from edgeopt.units import Dimension, format_seconds, parse_quantity
from edgeopt.workflow.progress import Report

# Less shows neither heat nor a leak; more is for a test rig, and its record would hold nothing but averages.
SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakRun:
    """One model that ran without a pause.

    Attributes:
        artifact: The model.
        plan: How it was measured.
        seconds: How long it was to run.
        windows: What was measured, in the order taken.
        soak: The end held against the beginning.
        growth: How memory grew; None where the system does not tell it.
        warnings: What disturbed the run, and what is wrong with it.
    """

    artifact: Artifact
    plan: Plan
    seconds: float
    windows: tuple[Window, ...]
    soak: Soak
    growth: MemoryGrowth | None
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The soak under its key of a row of `runs`."""
        return {
            **self.soak.as_json(),
            "origin": Origin.HOST.value,
            "seconds": self.seconds,
            "windows": [window.as_json() for window in self.windows],
            "memory_growth": self.growth.as_json() if self.growth else None,
        }

    def measurement(self) -> Measurement:
        """The raw samples for the record, a tuple per window.

        The metric is `soak`: a rule about latency must not find times of a hot chip in the place of ordinary ones.
        """
        return Measurement(
            metric="soak",
            artifact=self.artifact.sha256,
            target=HOST,
            unit="s",
            origin=Origin.HOST,
            samples=tuple(window.samples for window in self.windows),
            details={
                "runtime": self.plan.runtime,
                "threads": self.plan.threads,
                "batch": self.plan.batch,
                "seconds": self.seconds,
            },
        )


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


def soak_models(artifacts: Sequence[Artifact], plan: Plan, seconds: float, *, report: Report) -> tuple[SoakRun, ...]:
    """Run one model after the other, each for `seconds` without a pause.

    Raises:
        InputError: A model is so slow that early and late hold too few calls.
        ToolFailed: The process crashed or hung.
    """
    total = round(seconds) * len(artifacts)

    def run(index: int, artifact: Artifact) -> SoakRun:
        def tell(done: int, _total: int) -> None:
            report("soaking", round(seconds) * index + done, total)

        before = disturbance()
        windows = measure_soak(artifact.path, plan, seconds=seconds, progress=tell)
        noise = noise_warnings(before, disturbance(), load=None, preempted=_preempted(windows))
        return _soak_run(artifact, plan, seconds, windows, noise)

    return tuple(run(index, artifact) for index, artifact in enumerate(artifacts))


def _soak_run(
    artifact: Artifact, plan: Plan, seconds: float, windows: tuple[Window, ...], noise: Sequence[str]
) -> SoakRun:
    soak = early_late([window.samples for window in windows])
    growth = memory_growth([window.end for window in windows], [window.resident_bytes for window in windows])
    told = [*noise, *([soak.text] if soak.verdict == "slows" else [])]
    if growth and growth.verdict == "grows":
        told.append(growth.text)
    return SoakRun(
        artifact=artifact,
        plan=plan,
        seconds=seconds,
        windows=windows,
        soak=soak,
        growth=growth,
        warnings=tuple(f"`{artifact.path.name}`, soak: {text}" for text in told),
    )


def _preempted(windows: Sequence[Window]) -> float:
    """Times a second that another process took the core; 0 where it is not told."""
    return sum(window.preemptions or 0 for window in windows) / windows[-1].end
