"""The process that measures: real small jobs, and a scripted clock for the order and the number of calls."""

import gc
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import InputError, Unsupported
from edgeopt.measure import worker
from edgeopt.measure.worker import Job, measure_footprint, measure_latency, random_feeds

MILLISECOND = 1_000_000


def job(*models, **options):
    runtimes = ("onnxruntime",) * len(models)
    return Job(**{"kind": "latency", "threads": 1, "shapes": {}, **options, "models": models, "runtimes": runtimes})


@pytest.fixture(autouse=True)
def _collects_garbage_again():
    yield
    gc.enable()


class Clock:
    """Time that passes only when a scripted model is called."""

    def __init__(self):
        self.now = 0
        self.called = []

    def perf_counter_ns(self):
        return self.now

    def perf_counter(self):
        return self.now * 1e-9


class ScriptedRunner:
    """A runner whose models take the times that their script says, the last one for ever."""

    def __init__(self, clock, scripts):
        self.clock = clock
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.opened = []

    def open(self, path, **_options):
        self.opened.append(path.name)
        return SimpleNamespace(inputs=(), infer=lambda _feeds: {}, call=lambda _feeds: lambda: self.infer(path.name))

    def infer(self, name):
        script = self.scripts[name]
        self.clock.now += script.pop(0) if len(script) > 1 else script[0]
        self.clock.called.append(name)


@pytest.fixture
def scripted(monkeypatch):
    """Runs a latency job on scripted models: nanoseconds per call by name; gives the answer, the clock, the runner."""

    def run(scripts, **options):
        clock = Clock()
        runner = ScriptedRunner(clock, scripts)
        monkeypatch.setattr(worker, "time", clock)
        monkeypatch.setattr(worker, "runner_named", lambda _: runner)
        return measure_latency(job(*scripts, **options)), clock, runner

    return run


def test_every_model_gets_its_blocks_of_calls(scripted):
    answer, _, _ = scripted({"a": [MILLISECOND], "b": [2 * MILLISECOND]})

    first, second = answer["blocks"]
    assert first == [pytest.approx([0.001] * 10)] * 20
    assert second == [pytest.approx([0.002] * 10)] * 20
    assert answer["is_warm"] == [True, True]
    assert answer["preempted_per_second"] >= 0


@pytest.mark.parametrize(("turn", "order"), [(0, "abba" * 2), (1, "baab" * 2)])
def test_blocks_are_interleaved_and_the_next_process_begins_with_the_other_model(scripted, turn, order):
    _, clock, runner = scripted({"a": [MILLISECOND], "b": [MILLISECOND]}, turn=turn, rounds=4, calls=3)

    called = "".join(clock.called)
    assert runner.opened == list(order[:2])
    assert called.endswith(order.replace("a", "aaaaa").replace("b", "bbbbb"))


def test_a_block_begins_with_calls_that_are_not_timed(scripted):
    answer, clock, _ = scripted({"a": [MILLISECOND]}, rounds=4, calls=3)

    timed = sum(len(block) for block in answer["blocks"][0])
    assert timed == 12
    assert len(clock.called) > timed + 4 * 2


def test_a_slow_model_gets_few_blocks_of_one_call(scripted):
    answer, _, _ = scripted({"a": [300 * MILLISECOND]})

    assert [len(block) for block in answer["blocks"][0]] == [1, 1, 1, 1]


def test_warm_up_lasts_until_times_are_stable(scripted):
    falling = [int((1 + 20 * 0.5 ** (number / 20)) * MILLISECOND) for number in range(400)]

    answer, _, _ = scripted({"a": [*falling, MILLISECOND]}, rounds=4, calls=3)

    assert answer["is_warm"] == [True]
    assert max(value for block in answer["blocks"][0] for value in block) < 0.0012


def test_a_model_that_never_settles_is_told(scripted):
    growing = [int(MILLISECOND * 1.05**number) for number in range(100)]

    answer, _, _ = scripted({"a": growing}, rounds=4, calls=1)

    assert answer["is_warm"] == [False]


def test_a_real_model_is_timed_and_its_memory_told(small_models, save_model, monkeypatch):
    monkeypatch.setattr(worker, "_WARM_UP_LIMIT_SECONDS", 0.05)
    path = str(save_model(small_models.mlp()))

    answer = measure_latency(job(path, path, rounds=4, calls=2))
    footprint = measure_footprint(job(path))

    assert [[len(block) for block in blocks] for blocks in answer["blocks"]] == [[2] * 4] * 2
    assert all(value > 0 for blocks in answer["blocks"] for block in blocks for value in block)
    assert footprint.keys() == {"load", "memory", "memory_before"}
    assert footprint["load"] > 0
    assert footprint["memory"] >= footprint["memory_before"] > 1_000_000


@pytest.mark.parametrize("measure", [measure_latency, measure_footprint])
def test_a_shape_that_the_model_does_not_take_is_bad_input(small_models, save_model, measure):
    path = str(save_model(small_models.conv()))

    with pytest.raises(InputError, match="ONNX Runtime failed on these inputs"):
        measure(job(path, shapes={"image": [1, 3, 9, 9, 9]}))


def test_inputs_are_normal_floats_and_zeros_for_integers():
    specs = (
        TensorSpec(name="image", shape=("batch", 3, "height"), dtype="float32"),
        TensorSpec(name="tokens", shape=("batch", 4), dtype="int64"),
        TensorSpec(name="fixed", shape=(2, 4), dtype="float16"),
    )

    feeds = random_feeds(specs, job("m", batch=5, shapes={"image": [5, 3, 7]}))

    assert {name: (array.shape, str(array.dtype)) for name, array in feeds.items()} == {
        "image": ((5, 3, 7), "float32"),
        "tokens": ((5, 4), "int64"),
        "fixed": ((2, 4), "float16"),
    }
    assert not feeds["tokens"].any()
    assert 0.5 < feeds["image"].std() < 1.5


def test_a_type_that_numpy_does_not_have_is_unsupported():
    specs = (TensorSpec(name="x", shape=("batch", 3), dtype="float7"),)

    with pytest.raises(Unsupported, match="input `x` is `float7`"):
        random_feeds(specs, job("m"))


def test_inputs_follow_the_seed():
    specs = (TensorSpec(name="x", shape=("batch", 8), dtype="float32"),)

    first, again, other = (random_feeds(specs, job("m", seed=seed))["x"] for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_job_survives_the_way_to_the_process():
    wanted = job("a.onnx", "b.onnx", cpus=(1,), shapes={"x": [1, 3]}, turn=3)

    read = Job(**json.loads(wanted.as_json()))

    assert (read.models, read.cpus, read.shapes, read.turn) == (["a.onnx", "b.onnx"], [1], {"x": [1, 3]}, 3)


def test_a_failure_that_edgeopt_knows_is_part_of_the_answer(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(job("nowhere.onnx").as_json()))

    worker.main()

    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["message"]) == ("InputError", "model `nowhere.onnx` does not exist")
