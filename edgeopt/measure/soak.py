"""Sustained speed: one model without a pause, long enough for heat and clocks to show."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeopt.errors import ToolFailed
from edgeopt.measure.latency import WORKER, Plan, Progress, accepted, crash, job_of
from edgeopt.measure.windows import Window, window_from_json
from edgeopt.measure.worker import Job

# Start, loading, warm-up and the last call of a slow model.
_SPARE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaking:
    """What a soak of one model gave.

    Attributes:
        windows: What was measured, in the order taken.
        is_whole: Whether it went on to its end; else it was interrupted.
    """

    windows: tuple[Window, ...]
    is_whole: bool

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.windows[-1].end if self.windows else 0.0


def measure_soak(path: Path, plan: Plan, *, seconds: float, progress: Progress | None = None) -> Soaking:
    """Run a model for so long; an interrupt (Ctrl-C) ends it early and leaves what was measured so far.

    Args:
        path: The model file.
        plan: How to measure; its processes do not matter, since one process soaks.
        seconds: How long.
        progress: Called with (done, total) seconds.

    Raises:
        InputError: The runtime does not take the model.
        ToolFailed: The process crashed or hung.
    """
    tell = progress or (lambda _done, _total: None)
    job = replace(job_of([path], plan), kind="soak", budget_seconds=seconds)
    windows: list[Window] = []
    try:
        tell(0, round(seconds))
        with closing(_answers(job, timeout_seconds=seconds + _SPARE_SECONDS)) as answers:
            for answer in answers:
                if "end" in accepted(answer):
                    windows.append(window_from_json(answer))
                    tell(min(round(seconds), round(windows[-1].end)), round(seconds))
    except KeyboardInterrupt:
        return Soaking(windows=tuple(windows), is_whole=False)
    return Soaking(windows=tuple(windows), is_whole=True)


def _answers(job: Job, *, timeout_seconds: float) -> Generator[dict[str, Any], None, None]:
    """What the process writes, line by line; it ends with the generator, if not before."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr,
        subprocess.Popen(
            WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        has_hung = threading.Event()
        watchdog = threading.Timer(timeout_seconds, _stop, (process, has_hung))
        watchdog.daemon = True
        watchdog.start()
        end = 0.0
        try:
            with suppress(BrokenPipeError), process.stdin:  # it may crash before it reads; its exit code tells
                process.stdin.write(job.as_json())
            for line in process.stdout:
                if line.endswith("\n"):  # else it was cut off
                    answer = json.loads(line)
                    end = answer.get("end", end)
                    yield answer
            code = process.wait()
        finally:
            watchdog.cancel()
            process.kill()
        if has_hung.is_set():
            raise ToolFailed(
                f"soaking `{job.models[0]}` took over {timeout_seconds:.0f} s and was stopped",
                hint="does the model loop? `edgeopt inspect` shows its MACs",
            )
        if code != 0:
            stderr.seek(0)
            raise crash(job, code, stderr.read(), when=f"after {end:.0f} s of the soak" if end else "")


def _stop(process: subprocess.Popen[str], has_hung: threading.Event) -> None:
    has_hung.set()
    process.kill()
