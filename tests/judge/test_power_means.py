"""Power of Student's bounds beside the noncentral t, and beside what the gate does with simulated errors and times."""

import math
from datetime import date

import numpy as np
import pytest
from scipy import stats

from edgeopt.judge.confirm import confirmed, suspects
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.power import needed_units
from edgeopt.judge.power_means import Mean, Speed, bound_reaches
from edgeopt.judge.rules import parse_rule

TODAY = date(2026, 11, 25)
# benchmarks/power_simulations.py draws more. Three standard deviations of the share of so many draws are at most 0.09.
DRAWS = 300
LEAST = -math.log(1.02)


@pytest.mark.parametrize("degrees", [1, 2, 4, 9, 60, 199, 250, 5000])
@pytest.mark.parametrize("noncentrality", [-1.0, 0.0, 1.5, 4.0])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_chance_that_a_bound_reaches_is_that_of_the_noncentral_t(degrees, noncentrality, level):
    expected = stats.nct.sf(stats.t.isf(level, degrees), degrees, noncentrality)

    assert bound_reaches(noncentrality, 1.0, degrees=degrees, level=level) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("degrees", [0, -1])
def test_one_unit_shows_nothing(degrees):
    assert bound_reaches(9.0, 1.0, degrees=degrees, level=ALPHA) == 0


def test_an_effect_that_must_be_seen_besides_bounds_the_chance():
    often = bound_reaches(3.0, 1.0, degrees=9, level=ALPHA)

    assert bound_reaches(3.0, 1.0, degrees=9, level=ALPHA, least=-20.0) == pytest.approx(often)
    assert bound_reaches(3.0, 1.0, degrees=9, level=ALPHA, least=0.0) == pytest.approx(0.5, abs=0.05)
    assert bound_reaches(30.0, 1.0, degrees=9, level=ALPHA, least=1.0) == pytest.approx(stats.norm.sf(1), abs=1e-6)


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
    from edgeopt.judge.predictions import Predictions

    return Predictions(scores=labels + errors, labels=labels)


def timed(made, generator, processes, slowdown, deviation):
    """Evidence of processes that time both models by turns: the ratio strays by `deviation` from one to the next."""
    base = np.full((processes, 2), 0.001)
    own = base * np.exp(generator.normal(math.log1p(slowdown), deviation, (processes, 1)))
    return made.measured([made.latency(own, session="s")], [made.latency(base, artifact="old", session="s")])


def looked_twice(made, generator, rule, *shape):
    """The gate's verdict, with a second look before red."""
    rules = (parse_rule(rule),)
    first = judge(rules, timed(made, generator, *shape), today=TODAY)
    if suspects(rules, first):
        first = confirmed(first, judge(rules, timed(made, generator, *shape), today=TODAY))
    return first.rules[0].verdict


@pytest.mark.parametrize(("margin", "deviation"), [(0.05, 0.03), (0.02, 0.02), (0.10, 0.02)])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_needed_processes_pass_the_gate_as_often_as_was_asked(made, margin, deviation, power):
    experiment = Speed(limit=-math.log1p(margin), truth=0.0, deviation=deviation, looks=2)
    n = needed_units(experiment.passes, power, least=2)
    generator = np.random.default_rng(5)
    rule = f"latency <= baseline + {100 * margin:g} %"

    passed = np.mean([looked_twice(made, generator, rule, n, 0.0, deviation) == "passed" for _ in range(DRAWS)])

    assert passed >= power - 0.09
    assert passed == pytest.approx(experiment.passes(n), abs=0.09)


@pytest.mark.parametrize(("slowdown", "processes"), [(0.04, 6), (0.10, 4)])
def test_a_slowdown_fails_the_gate_as_often_as_was_told_with_the_second_look(made, slowdown, processes):
    experiment = Speed(limit=0.0, truth=-math.log1p(slowdown), deviation=0.03, least=LEAST, looks=2)
    generator = np.random.default_rng(7)

    told = [looked_twice(made, generator, "latency <= baseline", processes, slowdown, 0.03) for _ in range(100)]

    assert np.mean([verdict == "failed" for verdict in told]) == pytest.approx(
        experiment.fails(processes, ALPHA), abs=0.15
    )


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
