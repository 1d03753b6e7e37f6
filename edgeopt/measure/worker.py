"""The fresh process that measures: reads a job from stdin, writes samples to stdout, both JSON.

A soak writes a line per window as it goes, so that what was measured is known however it ends. The process imports
nothing but the runtime, so that the memory and the caches that it sees are those of inference.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import EdgeoptError, Unsupported
from edgeopt.measure.sensors import find_sensors, preemptions
from edgeopt.measure.windows import soak_windows
from edgeopt.runners import runner_named
from edgeopt.runners.protocol import Session

# A block begins with unrecorded calls, so that caches, clock and thread pools are those of the model that it times.
_SETTLE_SECONDS = 0.002
_SETTLE_SECONDS_THREADED = 0.005  # the other session's idle threads spin for about a millisecond before they sleep
# Warm-up ends when the medians of two windows in a row stay within 2 % of the one before.
_WARM_UP_TOLERANCE = 0.02
_WARM_UP_WINDOW_SECONDS = 0.01
_WARM_UP_LIMIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process measures.

    Attributes:
        kind: `latency` times all models in turn; `footprint` loads one and reports load time and memory; `soak` runs
            one without a pause.
        models: Paths, opened in this order.
        runtimes: Name of the runner of each.
        threads: Threads per inference.
        cpus: CPUs to run on; empty leaves that to the system.
        batch: Length of free batch axes.
        shapes: Shape per input name, where the user fixed one.
        rounds: Blocks per model, even, so that each order comes up equally often.
        calls: Most timed calls per block.
        budget_seconds: Time per model; slow models get fewer blocks and calls. A soak lasts this long.
        turn: Number of this process; odd ones begin with the last model.
        seed: Seed of the inputs.
    """

    kind: str
    models: tuple[str, ...]
    runtimes: tuple[str, ...]
    threads: int
    cpus: tuple[int, ...] = ()
    batch: int = 1
    shapes: dict[str, list[int]]
    rounds: int = 20
    calls: int = 10
    budget_seconds: float = 0.5
    turn: int = 0
    seed: int = 0

    def as_json(self) -> str:
        """The job as the worker reads it."""
        return json.dumps(asdict(self))


def random_feeds(inputs: tuple[TensorSpec, ...], job: Job) -> dict[str, Any]:
    """One batch of standard normal floats, of integers drawn from all where they stand for reals, else of zeros."""
    generator = np.random.default_rng(job.seed)
    feeds = {}
    for spec in inputs:
        shape = tuple(job.shapes.get(spec.name) or spec.concrete_shape(job.batch))
        try:
            dtype = np.dtype(spec.dtype)
        except TypeError as error:
            raise Unsupported(
                f"input `{spec.name}` is `{spec.dtype}`, which NumPy has no numbers for", hint="give it float inputs"
            ) from error
        if spec.quantization:
            limits = np.iinfo(dtype)
            feeds[spec.name] = generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
            continue
        values = generator.standard_normal(shape) if dtype.kind == "f" else np.zeros(shape)
        feeds[spec.name] = values.astype(dtype)
    return feeds


def measure_latency(job: Job) -> dict[str, Any]:
    """Seconds per call of each model, in blocks, interleaved A B B A."""
    order = list(range(len(job.models)))
    sessions: dict[int, Session] = {index: _opened(job, index) for index in _rotated(order, job.turn)}
    calls = [_checked_call(sessions[index], job) for index in order]
    gc.disable()
    warm = [_warm_up(call) for call in calls]
    settle = _SETTLE_SECONDS if job.threads == 1 else _SETTLE_SECONDS_THREADED
    plan = _plan(job, max(seconds for seconds, _ in warm), settle)
    blocks: list[list[list[float]]] = [[] for _ in order]
    switches, start = (preemptions() or 0), time.perf_counter()
    for turn in range(plan.rounds):
        for index in _rotated(order, job.turn + turn):
            blocks[index].append(_timed_block(calls[index], plan.calls, settle))
    elapsed = time.perf_counter() - start
    return {
        "blocks": blocks,
        "is_warm": [is_stable for _, is_stable in warm],
        "preempted_per_second": ((preemptions() or 0) - switches) / elapsed,
    }


def measure_footprint(job: Job) -> dict[str, Any]:
    """Load time in seconds and peak resident memory in bytes of one model in a process of its own."""
    runner_named(job.runtimes[0]).load_runtime()
    before = peak_memory_bytes()
    start = time.perf_counter()
    session = _opened(job, 0)
    load = time.perf_counter() - start
    call = _checked_call(session, job)
    for _ in range(2):
        call()
    return {"load": load, "memory": peak_memory_bytes(), "memory_before": before}


def _opened(job: Job, index: int) -> Session:
    return runner_named(job.runtimes[index]).open(Path(job.models[index]), threads=job.threads)


def _checked_call(session: Session, job: Job) -> Callable[[], object]:
    """The call that is timed, after one inference that says in edgeopt's words what is wrong with shapes or values."""
    feeds = random_feeds(session.inputs, job)
    session.infer(feeds)
    return session.call(feeds)


def peak_memory_bytes() -> int:
    """Peak resident memory of this process in bytes.

    VmHWM and not `ru_maxrss`, which a child inherits from the process that started it.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass(frozen=True, slots=True)
class _Plan:
    rounds: int
    calls: int


def _plan(job: Job, call_seconds: float, settle: float) -> _Plan:
    """Blocks and calls per block that fit the budget: at least 4 blocks of 1 call."""
    calls = max(1, min(job.calls, round(job.budget_seconds / job.rounds / call_seconds)))
    block_seconds = max(settle, call_seconds) + calls * call_seconds
    fitting = int(job.budget_seconds / block_seconds) // 2 * 2
    return _Plan(max(4, min(job.rounds, fitting)), calls)


def _rotated(order: list[int], turn: int) -> list[int]:
    """The order of models in one round: forwards and backwards by turns, so that drift weighs on all alike."""
    return order if turn % 2 == 0 else order[::-1]


def _warm_up(call: Callable[[], object]) -> tuple[float, bool]:
    """(seconds of a warm call, whether it became stable within the limit)."""
    deadline = time.perf_counter() + _WARM_UP_LIMIT_SECONDS
    call()
    medians: list[float] = []
    while time.perf_counter() < deadline or len(medians) < 2:
        medians.append(_window_median(call))
        if len(medians) > 2 and _are_stable(medians[-3:]):
            return medians[-1], True
    return medians[-1], False


def _window_median(call: Callable[[], object]) -> float:
    samples: list[float] = []
    end = time.perf_counter() + _WARM_UP_WINDOW_SECONDS
    while not samples or time.perf_counter() < end:
        start = time.perf_counter_ns()
        call()
        samples.append((time.perf_counter_ns() - start) * 1e-9)
    return float(np.median(samples))


def _are_stable(medians: list[float]) -> bool:
    pairs = itertools.pairwise(medians)
    return all(abs(after / before - 1) <= _WARM_UP_TOLERANCE for before, after in pairs)


def _timed_block(call: Callable[[], object], calls: int, settle: float) -> list[float]:
    clock = time.perf_counter_ns
    settled = clock() + int(settle * 1e9)
    call()
    while clock() < settled:
        call()
    samples = []
    for _ in range(calls):
        start = clock()
        call()
        samples.append((clock() - start) * 1e-9)
    return samples


def measure_soak(job: Job) -> dict[str, Any]:
    """How many windows a soak of one model had; each is a line on stdout as soon as it is over.

    The garbage collector is on, as in an application: what it would free is no leak. It need not look at what was there
    before.
    """
    session = _opened(job, 0)
    call = _checked_call(session, job)
    _warm_up(call)
    gc.collect()
    gc.freeze()
    windows = 0
    for window in soak_windows(call, seconds=job.budget_seconds, sensors=find_sensors(job.cpus)):
        sys.stdout.write(json.dumps(window.as_json()) + "\n")
        sys.stdout.flush()
        windows += 1
    return {"windows": windows}


_KINDS = {"latency": measure_latency, "footprint": measure_footprint, "soak": measure_soak}


def main() -> None:
    """Run the job on stdin; a failure that edgeopt knows is part of the answer."""
    job = Job(**json.load(sys.stdin))
    if job.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job.cpus)
    try:
        answer = _KINDS[job.kind](job)
    except EdgeoptError as error:
        answer = {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
