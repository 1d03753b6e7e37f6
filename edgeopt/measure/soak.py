"""Sustained speed: one model without a pause, long enough for heat and clocks to show."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from edgeopt.measure.latency import Plan, Progress, job_of, run_job
from edgeopt.measure.windows import Window, window_from_json

_REPORT_SECONDS = 0.5
_SPARE_SECONDS = 60


def measure_soak(path: Path, plan: Plan, *, seconds: float, progress: Progress | None = None) -> tuple[Window, ...]:
    """What one model shows in each window of a soak, in a fresh process.

    Args:
        path: The model file.
        plan: How to measure; its processes do not matter, since one process soaks.
        seconds: How long, at least 1.
        progress: Called with (done, total) seconds.

    Raises:
        InputError: The runtime does not take the model.
        ToolFailed: The process crashed or hung.
    """
    job = replace(job_of([path], plan), kind="soak", budget_seconds=seconds)
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(ended, seconds, progress), daemon=True)
    teller.start()
    try:
        answer = run_job(job, timeout_seconds=seconds + _SPARE_SECONDS)
    finally:
        ended.set()
        teller.join()
    return tuple(map(window_from_json, answer["windows"]))


def _tell(ended: threading.Event, seconds: float, progress: Progress | None) -> None:
    """Say how much of the time has gone, from beside the process that is waited for."""
    gone = 0.0
    while progress and not ended.wait(_REPORT_SECONDS):
        gone = min(seconds, gone + _REPORT_SECONDS)
        progress(round(gone), round(seconds))
