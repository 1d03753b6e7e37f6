"""Power of Student's bounds beside the noncentral t, and beside what the gate does with simulated errors and times."""

import math
from datetime import date

import numpy as np
import pytest
from scipy import stats

from edgeopt.judge.confirm import judge_twice
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.power import needed_units
from edgeopt.judge.power_means import Mean, Speed, bound_reaches
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import parse_rule
from edgeopt.judge.second_look import Look, is_suspect, joined_looks

TODAY = date(2026, 11, 25)
# benchmarks/power_simulations.py draws more. Three standard deviations of the share of so many draws are at most 0.09.
DRAWS = 300


@pytest.mark.parametrize("degrees", [1, 2, 4, 9, 60, 199, 250, 5000])
@pytest.mark.parametrize("noncentrality", [-1.0, 0.0, 1.5, 4.0])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_chance_that_a_bound_reaches_is_that_of_the_noncentral_t(degrees, noncentrality, level):
    expected = stats.nct.sf(stats.t.isf(level, degrees), degrees, noncentrality)

    assert bound_reaches(noncentrality, 1.0, degrees=degrees, level=level) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("degrees", [0, -1])
def test_one_unit_shows_nothing(degrees):
    assert bound_reaches(9.0, 1.0, degrees=degrees, level=ALPHA) == 0


@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_needed_samples_pass_the_gate_as_often_as_was_asked(made, power):
    deviation = 0.4
    experiment = Mean(limit=-0.1, deviation=deviation)
    n = needed_units(experiment.passes, power, least=2)
    generator = np.random.default_rng(3)

    def passes():
        labels = generator.standard_normal(n)
        evidence = Evidence(
            candidate=Side(sha256="new", predictions=_regression(labels, np.abs(generator.normal(2, deviation, n)))),
            baseline=Side(sha256="old", predictions=_regression(labels, np.full(n, 2.0))),
        )
        return judge([parse_rule("mae <= baseline + 0.1")], evidence, today=TODAY).rules[0].verdict == "passed"

    passed = np.mean([passes() for _ in range(300)])

    # The gate takes the farther of Student's t and the bootstrap-t, so that it passes a little less often.
    assert experiment.passes(n) >= power
    assert passed == pytest.approx(experiment.passes(n), abs=0.07)


def _regression(labels, errors):
    return Predictions(scores=labels + errors, labels=labels)


def look(generator, processes, slowdown, deviation):
    """One look: the ratio to the base strays by `deviation` from process to process."""
    base, candidate, twin = (
        0.001 * factor * np.exp(generator.normal(0, deviation / math.sqrt(2), (processes, 1)))
        for factor in (1.0, 1 + slowdown, 1.0)
    )
    return Look(base=base, candidate=candidate, twin=twin, calls_per_block=1)


def figures(made, taken):
    """(measurement,) of the base and of the candidate, as a record holds them."""
    details = {"session": "s", "noise": taken.noise.ratio, "calls_per_block": 1}
    base = made.latency(taken.base, artifact="old", **details)
    return (base,), (made.latency(taken.candidate, **details),)


def outcome(made, rule, generator, *shape):
    """What a gate says in the end: timed as by `bench`, which looks again by itself, judged, looked at twice."""
    first = look(generator, *shape)
    base, own = figures(made, first)
    if is_suspect(first):
        again = figures(made, look(generator, *shape))
        base, own = ((joined_looks(side[0], more[0]),) for side, more in zip((base, own), again, strict=True))
    sides = (Side(sha256="old", measurements=base), Side(sha256="new", measurements=own))

    def verdict_on(rules, both):
        return judge(rules, Evidence(baseline=both[0], candidate=both[1]), today=TODAY)

    return judge_twice((parse_rule(rule),), sides, verdict_on, lambda _: figures(made, look(generator, *shape))).outcome


@pytest.mark.parametrize(("margin", "deviation"), [(0.05, 0.03), (0.02, 0.02), (0.10, 0.02)])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_needed_processes_pass_the_gate_as_often_as_was_asked(made, margin, deviation, power):
    experiment = Speed(limit=-math.log1p(margin), truth=0.0, deviation=deviation)
    n = needed_units(experiment.passes, power, least=2)
    generator = np.random.default_rng(5)
    rule = f"latency <= baseline + {100 * margin:g} %"

    passed = np.mean([outcome(made, rule, generator, n, 0.0, deviation) == "passed" for _ in range(DRAWS)])

    assert passed >= power - 0.09
    assert passed == pytest.approx(experiment.passes(n), abs=0.09)


@pytest.mark.parametrize(
    ("margin", "slowdown", "processes", "deviation"),
    [(0.0, 0.04, 6, 0.03), (0.0, 0.02, 10, 0.01), (0.03, 0.06, 8, 0.03), (0.05, 0.15, 3, 0.05)],
)
def test_a_slowdown_fails_the_gate_as_often_as_was_told(made, margin, slowdown, processes, deviation):
    experiment = Speed(limit=-math.log1p(margin), truth=-math.log1p(slowdown), deviation=deviation, is_slowdown=True)
    generator = np.random.default_rng(7)
    rule = f"latency <= baseline + {100 * margin:g} %" if margin else "latency <= baseline"

    told = [outcome(made, rule, generator, processes, slowdown, deviation) for _ in range(100)]

    assert np.mean([verdict == "failed" for verdict in told]) == pytest.approx(
        experiment.fails(processes, ALPHA), abs=0.15
    )


def test_equal_models_are_nearly_never_red():
    experiment = Speed(limit=0.0, truth=0.0, deviation=0.03, is_slowdown=True)

    assert experiment.fails(10, ALPHA) < 0.01


@pytest.mark.parametrize("shape", [{"held": 0}, {"held": 1}])
def test_one_process_shows_nothing(shape):
    experiment = Speed(limit=0.0, truth=-1.0, deviation=0.01, **shape)

    assert (experiment.fails(1, ALPHA), experiment.passes(1)) == (0, 0)
    assert experiment.fails(4, ALPHA) == (0 if shape["held"] else pytest.approx(1, abs=0.01))


def test_a_held_baseline_makes_red_less_likely():
    by_turns, held = (Speed(limit=0.0, truth=-0.04, deviation=0.03, held=count) for count in (0, 6))

    assert 0 < held.fails(8, ALPHA) < by_turns.fails(8, ALPHA)


@pytest.mark.parametrize("processes", [4, 10])
def test_a_baseline_that_is_held_adds_its_own_error(made, processes):
    experiment = Speed(limit=-math.log(1.05), truth=0.0, deviation=0.03, held=6)
    generator = np.random.default_rng(9)

    def passes():
        base, own = (0.001 * np.exp(generator.normal(0, 0.03, (count, 1))) for count in (6, processes))
        evidence = made.measured([made.latency(own)], [made.latency(base, artifact="old")])
        return judge([parse_rule("latency <= baseline + 5 %")], evidence, today=TODAY).rules[0].verdict == "passed"

    assert np.mean([passes() for _ in range(DRAWS)]) == pytest.approx(experiment.passes(processes), abs=0.09)
    assert experiment.passes(processes) < Speed(limit=-math.log(1.05), truth=0.0, deviation=0.03).passes(processes)


def test_a_fixed_limit_is_passed_as_often_as_was_told(made):
    experiment = Speed(limit=-math.log(0.00105), truth=-math.log(0.001), deviation=0.04)
    generator = np.random.default_rng(11)

    def passes():
        own = 0.001 * np.exp(generator.normal(0, 0.04, (6, 1)))
        rules = [parse_rule("latency <= 1.05 ms")]
        return judge(rules, made.measured([made.latency(own)]), today=TODAY).rules[0].verdict == "passed"

    # The gate centres its interval on the quantile of all calls, here the median of the processes, which strays more.
    assert np.mean([passes() for _ in range(DRAWS)]) == pytest.approx(experiment.passes(6), abs=0.12)
