"""A base beside its candidates: the noise of the machine counts, and red is looked at twice."""

import pytest

from edgeopt.graph.load import onnx_artifact
from edgeopt.measure.latency import Plan
from edgeopt.workflow.by_turns import time_by_turns

PROCESSES = 6


@pytest.fixture
def compared(small_models, save_model, scripted_times):
    """Times `base.onnx` against `new.onnx` with the given times; gives the result and the jobs."""

    def run(**seconds):
        jobs = scripted_times(**seconds)
        artifacts = [onnx_artifact(save_model(small_models.mlp(), f"{name}.onnx")) for name in ("base", "new")]
        return time_by_turns(artifacts, Plan(processes=PROCESSES)), jobs

    return run


def timed(jobs):
    return [job for job in jobs if job.kind == "latency"]


def test_the_base_runs_twice_in_every_process(compared):
    result, jobs = compared()

    names = [[path.rsplit("/")[-1] for path in job.models] for job in timed(jobs)]
    assert names == [["base.onnx", "new.onnx", "base.onnx"]] * PROCESSES
    assert result.noise.ratio == pytest.approx(1, abs=0.01)
    assert len(result.rows) == 2


@pytest.mark.parametrize(("new", "verdict"), [(0.001, "same"), (0.0008, "faster")])
def test_what_is_not_slower_is_looked_at_once(compared, new, verdict):
    result, jobs = compared(new=new)

    assert result.comparisons[0].verdict == verdict
    assert len(timed(jobs)) == PROCESSES


def test_what_is_slower_both_times_is_called_so(compared):
    result, jobs = compared(new=0.0015)

    assert result.comparisons[0].verdict == "slower"
    assert result.comparisons[0].ratio == pytest.approx(1 / 1.5, rel=0.01)
    assert [job.turn for job in timed(jobs)] == list(range(2 * PROCESSES))
    assert len(result.rows[0].timing.samples) == 2 * PROCESSES
    assert result.warnings == ()


def test_what_is_slower_only_at_first_is_undecided_and_that_is_said(compared):
    result, _ = compared(new=[0.0015] * PROCESSES + [0.001])

    assert result.comparisons[0].verdict == "undecided"
    assert result.warnings[0] == (
        "`new.onnx` looked slower at first, and not in a second look: measure again on a quieter machine"
    )
    assert "6 of 12 processes are 50% slower than the others" in result.warnings[1]


def test_the_record_holds_the_noise_beside_the_comparison(compared):
    result, _ = compared(new=0.0008)

    record = result.as_json()
    assert record["noise"].keys() == record["comparison"].keys()
    assert result.latency_json()["noise"]["verdict"] == "same"
    assert set(result.latency_json()) == {"baseline", "candidate", "comparison", "noise"}
    assert "samples" not in result.latency_json()["baseline"]
