"""What `bench` adds to the figure that it reports: its median against a plain loop over the same call."""

import statistics
import time

from places import DIGITS

from edgeopt.measure.latency import Plan, measure_models
from edgeopt.measure.worker import Job, random_feeds
from edgeopt.runners import runner_named


def _plain_loop(calls: int = 300) -> float:
    """Median seconds of a call in this process, without edgeopt around it."""
    job = Job(kind="latency", models=(), runtimes=(), threads=1, shapes={})
    with runner_named("onnxruntime").open(DIGITS.model) as session:
        call = session.call(random_feeds(session.inputs, job))
        samples = []
        for _ in range(calls):
            start = time.perf_counter()
            call()
            samples.append(time.perf_counter() - start)
    return statistics.median(samples[calls // 3 :])


def test_reported_latency_beside_a_plain_loop(benchmark):
    plan = Plan(processes=4)

    timings = benchmark.pedantic(measure_models, args=([DIGITS.model], plan), rounds=2)

    reported = statistics.median(value for process in timings.models[0].samples for value in process)
    benchmark.extra_info["reported_over_plain"] = reported / _plain_loop()
    assert reported > 0
