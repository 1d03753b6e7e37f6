"""Latency, load time and memory from fresh processes."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeopt import errors
from edgeopt.core.host import usable_cpus
from edgeopt.errors import InputError, ToolFailed
from edgeopt.measure.environment import disturbance, load_average, noise_warnings
from edgeopt.measure.worker import Job
from edgeopt.runners import runtime_of

PROCESSES = 10
FOOTPRINT_PROCESSES = 3
WORKER = (sys.executable, "-m", "edgeopt.measure.worker")
_TIMEOUT_SECONDS = 600

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to measure.

    Attributes:
        runtime: Name of the runner of models of its formats; None, and for other models, that of their format.
        threads: Threads per inference, at least 1.
        processes: Fresh processes to time in, at least 2.
        batch: Length of free batch axes.
        shapes: Shape per input name, where the user fixed one.
        seed: Seed of the inputs.
        first_turn: Number of the first process; a later measurement goes on counting.
    """

    runtime: str | None = None
    threads: int = 1
    processes: int = PROCESSES
    batch: int = 1
    shapes: dict[str, list[int]] = field(default_factory=dict)
    seed: int = 0
    first_turn: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= len(usable_cpus()):
            raise InputError(
                f"`--threads {self.threads}`: this machine has 1 to {len(usable_cpus())} for us",
                hint="give one of these",
            )
        if self.processes < 2:
            raise InputError(
                f"`--processes {self.processes}`: an interval needs at least 2", hint=f"{PROCESSES} is a good number"
            )
        if self.batch < 1:
            raise InputError(f"`--batch {self.batch}`: a batch has at least 1 sample", hint="1 is the default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What was measured of one model.

    Attributes:
        latency: Seconds per call: process -> block -> call.
        load: Seconds to load the model, one per process.
        memory: Peak resident bytes of a process that loads it and infers, one per process.
        memory_before: Of these, the bytes before it was loaded (interpreter and libraries), one per process.
    """

    latency: tuple[tuple[tuple[float, ...], ...], ...]
    load: tuple[float, ...]
    memory: tuple[int, ...]
    memory_before: tuple[int, ...]

    @property
    def samples(self) -> tuple[tuple[float, ...], ...]:
        """Seconds per call, per process in order."""
        return tuple(tuple(value for block in process for value in block) for process in self.latency)

    def joined(self, other: Timing) -> Timing:
        """Both measurements as one, processes in order."""
        return Timing(
            latency=self.latency + other.latency,
            load=self.load + other.load,
            memory=self.memory + other.memory,
            memory_before=self.memory_before + other.memory_before,
        )

    @property
    def calls_per_block(self) -> int:
        """Calls that were timed in a row; the smallest over all processes."""
        return min(len(block) for process in self.latency for block in process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Timings of several models, taken interleaved.

    Attributes:
        models: One per model.
        twin: The first model once more, in the same processes; None where it was not asked for.
        warnings: What disturbed them.
    """

    models: tuple[Timing, ...]
    twin: Timing | None = None
    warnings: tuple[str, ...]


def measure_models(
    paths: Sequence[Path], plan: Plan, *, has_twin: bool = False, progress: Progress | None = None
) -> Timings:
    """Time models against each other in fresh processes, interleaved; then load each one alone.

    Args:
        paths: Model files, each timed in every process.
        plan: How to measure.
        has_twin: Time the first model twice in every process, which shows the noise of this machine.
        progress: Called with (done, total) processes.

    Raises:
        InputError: The runtime does not take a model.
        ToolFailed: A process crashed or hung.
    """
    base = job_of([*paths, paths[0]] if has_twin else paths, plan)
    alone = [replace(job_of([path], plan), kind="footprint") for path in paths for _ in range(FOOTPRINT_PROCESSES)]
    turns = range(plan.first_turn, plan.first_turn + plan.processes)
    jobs = [*alone, *(replace(base, turn=turn) for turn in turns)]
    load, before = load_average(), disturbance()
    answers = []
    for done, job in enumerate(jobs):
        if progress:
            progress(done, len(jobs))
        answers.append(run_job(job))
    if progress:
        progress(len(jobs), len(jobs))
    timed = answers[len(alone) :]
    preempted = statistics.median(answer["preempted_per_second"] for answer in timed)
    warnings = noise_warnings(before, disturbance(), load=load, preempted=preempted)
    cold = sum(not all(answer["is_warm"]) for answer in timed)
    if cold > len(timed) // 2:
        warnings.append(f"latency was not stable after 1 s of warm-up in {cold} of {len(timed)} processes")
    return Timings(
        models=tuple(_timing(index, answers[: len(alone)], timed) for index in range(len(paths))),
        twin=_timing(len(paths), [], timed) if has_twin else None,
        warnings=tuple(warnings),
    )


def job_of(paths: Sequence[Path], plan: Plan) -> Job:
    """The latency job of one process: all models, on the fastest cores."""
    return Job(
        kind="latency",
        models=tuple(str(path) for path in paths),
        runtimes=tuple(runtime_of(path, plan.runtime) for path in paths),
        threads=plan.threads,
        cpus=tuple(usable_cpus()[: plan.threads]),
        batch=plan.batch,
        shapes=plan.shapes,
        seed=plan.seed,
    )


def run_job(job: Job, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> dict[str, Any]:
    """What a fresh process answers to `job`.

    Raises:
        EdgeoptError: The failure that the process reports.
        ToolFailed: It crashed or hung.
    """
    try:
        result = subprocess.run(
            WORKER, input=job.as_json(), capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f"measuring `{job.models[0]}` took over {timeout_seconds:.0f} s and was stopped",
            hint="does the model loop? `edgeopt inspect` shows its MACs",
        ) from error
    if result.returncode != 0:
        raise crash(job, result.returncode, result.stderr)
    return accepted(json.loads(result.stdout))


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """What the process says, unless that is a failure.

    Raises:
        EdgeoptError: That failure.
    """
    if "error" in answer:
        failure = answer["error"]
        raise getattr(errors, failure["kind"])(failure["message"], hint=failure["hint"])
    return answer


def crash(job: Job, code: int, stderr: str, *, when: str = "") -> ToolFailed:
    """The failure of a process that ended without an answer.

    Args:
        job: What it was to measure.
        code: Its exit code; negative where a signal ended it.
        stderr: What it said last.
        when: How far it had come, where that is known.
    """
    models, later = ", ".join(f"`{model}`" for model in job.models), f" {when}" if when else ""
    hint = f"run it alone: {' '.join(WORKER)} (job on stdin)"
    if code < 0:
        return ToolFailed(
            f"{' or '.join(dict.fromkeys(job.runtimes))} crashed on {models}{later} ({signal.Signals(-code).name})",
            hint=hint,
        )
    last = stderr.strip().splitlines()[-1:] or ["no message"]
    return ToolFailed(f"measuring {models} failed{later}: {last[0]}", hint=hint)


def _timing(index: int, alone: list[dict[str, Any]], timed: list[dict[str, Any]]) -> Timing:
    own = alone[index * FOOTPRINT_PROCESSES : (index + 1) * FOOTPRINT_PROCESSES]
    return Timing(
        latency=tuple(tuple(tuple(block) for block in answer["blocks"][index]) for answer in timed),
        load=tuple(answer["load"] for answer in own),
        memory=tuple(answer["memory"] for answer in own),
        memory_before=tuple(answer["memory_before"] for answer in own),
    )
