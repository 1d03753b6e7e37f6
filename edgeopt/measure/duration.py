"""How long measuring latency will take, estimated before it starts."""

from __future__ import annotations

from edgeopt.measure.latency import FOOTPRINT_PROCESSES, Plan, job_of

# A process starts, loads the runtime and the model in 0.3 to 0.6 s; a model is warm in about 0.1 s (virtual machine of
# 2 cores, under load).
_START_SECONDS = 0.4
_WARM_SECONDS = 0.1
_SETTLE_SECONDS = 0.002
# A model that is slower than the budget gets 4 blocks of 1 call and one before each, after 3 calls of warm-up.
_FEWEST_CALLS = 11


def expected_seconds(models: int, processes: int, *, call_seconds: float | None = None) -> float:
    """Expected time of `measure_models` with a twin of the base.

    Args:
        models: Models that are timed by turns, at least 1.
        processes: Fresh processes to time in.
        call_seconds: Time per call of such a model; None takes what the budget of a model allows at most.
    """
    job = job_of([], Plan())
    timed = job.budget_seconds + _WARM_SECONDS
    if call_seconds is not None:
        blocks = job.rounds * (_SETTLE_SECONDS + job.calls * call_seconds)
        timed = max(min(job.budget_seconds, blocks) + _WARM_SECONDS, _FEWEST_CALLS * call_seconds)
    alone = models * FOOTPRINT_PROCESSES * (_START_SECONDS + (call_seconds or 0.0))
    return alone + processes * (_START_SECONDS + (models + 1) * timed)
