"""`edgeopt.bench(..., soak=...)`: what is run without a pause, what is told of it, and what is refused."""

import json

import numpy as np
import pytest

import edgeopt
import edgeopt.errors
from edgeopt.core.run import run_from_json
from edgeopt.errors import InputError
from edgeopt.measure.soak import Soaking
from edgeopt.measure.windows import Window
from edgeopt.workflow.bench import SoakInterrupted
from edgeopt.workflow.gate_pair import judge_bench
from edgeopt.workflow.soak import soak_seconds


@pytest.fixture
def models(small_models, save_model):
    return [save_model(small_models.mlp(), "base.onnx"), save_model(small_models.conv(), "new.onnx")]


@pytest.fixture
def scripted_soak(monkeypatch):
    """Plays back a soak of 60 windows: slower from the middle on, with memory that leaks. Gives what was asked for.

    `interrupted` is, per model, how many windows there were when the interrupt came; None for all of them.
    """

    def play(*, slowdown=0.0, leak=0, tells_memory=True, preemptions=0, celsius=(None,), interrupted=(None,)):
        asked = []

        def soak(path, plan, *, seconds, progress):
            generator = np.random.default_rng(plan.seed)
            number = len(asked)
            asked.append((path, plan, seconds))
            windows = tuple(
                Window(
                    end=(index + 1) * seconds / 60,
                    samples=tuple((0.001 * (1 + slowdown * (index >= 30)) * generator.normal(1, 0.001, 20)).tolist()),
                    preemptions=preemptions,
                    clock_hz=None,
                    celsius=celsius[number % len(celsius)],
                    resident_bytes=50_000_000 + leak * index if tells_memory else None,
                )
                for index in range(60)
            )
            count = interrupted[number % len(interrupted)]
            progress(round(seconds), round(seconds))
            return Soaking(windows=windows[:count], is_whole=count is None)

        monkeypatch.setattr("edgeopt.workflow.soak.measure_soak", soak)
        return asked

    return play


def test_the_row_of_a_model_holds_its_soak(models, scripted_times, scripted_soak):
    scripted_times()
    asked = scripted_soak(slowdown=0.25, celsius=(70.0,))

    result = edgeopt.bench(models[0], processes=2, soak="1 min", batch=4, seed=5)

    record = result.as_json()
    soak = record["runs"][0]["soak"]
    keys = {"early", "late", "unit", "ratio", "ci95", "verdict", "minimum_effect", "text", "origin"}
    assert soak.keys() == keys | {"seconds", "asked_seconds", "windows", "memory_growth"}
    assert (soak["unit"], soak["origin"], soak["verdict"]) == ("s", "host", "slows")
    assert (soak["seconds"], soak["asked_seconds"]) == (60.0, 60.0)
    assert soak["late"] / soak["early"] == pytest.approx(1.25, rel=0.01)
    assert [len(window["samples"]) for window in soak["windows"]] == [20] * 60
    assert {window["celsius"] for window in soak["windows"]} == {70.0}
    assert soak["memory_growth"]["verdict"] == "steady"
    assert "the last third takes 25" in soak["text"]
    assert "the chip went from 70 to 70 °C" in soak["text"]
    assert [(path, plan.batch, plan.seed, seconds) for path, plan, seconds in asked] == [(models[0], 4, 5, 60.0)]


def test_no_rule_about_latency_finds_the_times_of_a_soak(models, scripted_times, scripted_soak):
    scripted_times(base=0.002)
    scripted_soak()

    record = edgeopt.bench(models[0], processes=2, soak="10 s").as_json()

    run = run_from_json(json.loads(json.dumps(record)), where="a test")
    assert [m.metric for m in run.measurements] == ["latency", "load", "memory", "size", "soak"]
    soak = run.measurements[-1]
    assert [len(window) for window in soak.samples] == [20] * 60
    assert (soak.unit, soak.details["seconds"], soak.details["threads"]) == ("s", 10.0, 1)


def test_models_soak_one_after_the_other(models, scripted_times, scripted_soak):
    scripted_times()
    asked = scripted_soak()

    result = edgeopt.bench(*models, processes=2, soak="10 s")

    assert [path for path, *_ in asked] == models
    assert [row.soak.artifact.path for row in result.rows] == models


@pytest.mark.parametrize(
    ("celsius", "told"),
    [
        ((None,), "`new.onnx` began right after `base.onnx`, on a chip as warm as that left it"),
        ((45.0, 61.0), "`new.onnx` began right after `base.onnx`, at 61 °C instead of 45 °C"),
        ((45.0, 47.0), ""),
    ],
)
def test_a_model_that_began_on_a_warm_chip_is_told(models, scripted_times, scripted_soak, celsius, told):
    scripted_times()
    scripted_soak(celsius=celsius)

    warnings = edgeopt.bench(*models, processes=2, soak="1 min").warnings

    assert [text.partition(": soak it alone")[0] for text in warnings if "began right after" in text] == [told] * bool(
        told
    )


def test_a_soak_of_seconds_is_said_to_be_too_short(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak()

    short, long = (edgeopt.bench(models[0], processes=2, soak=time).warnings for time in ("10 s", "1 min"))

    assert [text for text in short if "10 s are too short for heat to show" in text]
    assert not [text for text in long if "too short" in text]


def test_an_interrupt_leaves_what_can_be_judged(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(slowdown=0.25, interrupted=(None, 48))

    with pytest.raises(SoakInterrupted) as ended:
        edgeopt.bench(*models, models[0], processes=2, soak="10 min")

    result = ended.value.result
    first, second, third = (row.soak for row in result.rows)
    assert (first.seconds, second.seconds, third) == (600.0, 480.0, None)
    assert second.soak.verdict == "slows"
    assert "soak" not in result.as_json()["runs"][2]
    assert "`new.onnx`, soak: stopped after 480 s of 600 s: the figures are of that time" in result.warnings
    assert "`base.onnx` was not soaked" in result.warnings


def test_an_interrupt_soon_after_the_first_model_leaves_that_one(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(interrupted=(None, 5))

    with pytest.raises(SoakInterrupted) as ended:
        edgeopt.bench(*models, processes=2, soak="10 min")

    assert [bool(row.soak) for row in ended.value.result.rows] == [True, False]


def test_an_interrupt_before_anything_can_be_judged_leaves_nothing(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(interrupted=(5,))

    with pytest.raises(KeyboardInterrupt) as ended:
        edgeopt.bench(*models, processes=2, soak="10 min")

    assert not isinstance(ended.value, SoakInterrupted)


def test_a_leak_is_told_with_its_pace(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(leak=200_000)

    result = edgeopt.bench(models[0], processes=2, soak="1 min")

    assert result.rows[0].soak.growth.verdict == "grows"
    assert "memory grows steadily, by 720 MB an hour" in result.as_json()["runs"][0]["soak"]["memory_growth"]["text"]


def test_a_system_that_tells_no_memory_has_no_verdict_on_it(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(tells_memory=False)

    assert edgeopt.bench(models[0], processes=2, soak="1 min").as_json()["runs"][0]["soak"]["memory_growth"] is None


def test_other_work_on_the_core_is_a_warning(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(preemptions=200)

    warnings = edgeopt.bench(models[0], processes=2, soak="1 min").warnings

    assert any("base.onnx`, soak: the measurement was preempted 200 times a second" in text for text in warnings)


def test_without_a_soak_the_row_has_none(models, scripted_times):
    scripted_times()

    assert "soak" not in edgeopt.bench(models[0], processes=2).as_json()["runs"][0]


@pytest.mark.parametrize(("text", "seconds"), [("10min", 600), ("5 s", 5), ("1 h", 3600), ("24h", 86_400)])
def test_a_soak_is_a_time_with_a_unit(text, seconds):
    assert soak_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"soak": "10"}, "`--soak 10` is not a time"),
        ({"soak": "5 MB"}, "`--soak 5 MB` is not a time"),
        ({"soak": "soon"}, "`soon` is not a quantity"),
        ({"soak": ""}, "`` is not a quantity"),
        ({"soak": "4 s"}, "too short: it takes 5.00 s to 24 h"),
        ({"soak": "-10 min"}, "too short"),
        ({"soak": "25 h"}, "too long"),
        ({"soak": "10 min", "target": "rpi4"}, "`--soak` needs measurements, there are none of `rpi4`"),
    ],
)
def test_what_is_no_soak_is_refused_before_anything_runs(models, scripted_times, scripted_soak, options, message):
    jobs, soaks = scripted_times(), scripted_soak()

    with pytest.raises(edgeopt.errors.EdgeoptError, match=message):
        edgeopt.bench(models[0], **options)

    assert jobs == soaks == []


def test_a_base_does_not_go_with_a_soak(models, scripted_times, scripted_soak):
    jobs, soaks = scripted_times(), scripted_soak()

    with pytest.raises(InputError, match="takes models by turns") as failure:
        edgeopt.bench(models[1], against=models[0], soak="10 min")

    assert failure.value.hint
    assert jobs == soaks == []


def test_progress_counts_the_seconds_of_all_models(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak()
    told = []

    edgeopt.bench(*models, processes=2, soak="10 s", report=lambda *step: told.append(step))

    assert told[-2:] == [("soaking", 10, 20), ("soaking", 20, 20)]


def test_rules_about_a_soak_are_judged_for_pytest_too(models, scripted_times, scripted_soak):
    scripted_times()
    scripted_soak(slowdown=0.25)

    result = edgeopt.bench(models[0], processes=2, soak="1 min")

    (verdict,) = judge_bench(result, ["slowdown <= 10 %"]).values()
    assert verdict.outcome == "failed"
