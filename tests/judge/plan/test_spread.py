"""What earlier runs tell of spread, and what they are not asked for."""

import math

import numpy as np
import pytest

from edgeopt.core.measurement import Origin
from edgeopt.judge.plan.history import History
from edgeopt.judge.plan.spread import mean_spreads, own_noise, paired_noise
from edgeopt.judge.rules import parse_rule

SLOW = parse_rule("latency.p50 <= baseline + 5 %")
FAST = parse_rule("latency <= 1 ms")
AUC = parse_rule("auc >= baseline - 1 pt")
COMPARED = {"metric": "auc", "difference": -0.001, "baseline": 0.9, "ci95": [-0.6, 0.4], "unit": "pt", "n": 2500}


def test_the_spread_is_the_one_that_the_judges_interval_shows(earlier):
    whole, _ = mean_spreads(parse_rule("log_loss <= baseline + 1 %"), [earlier(40, 40)])

    assert whole.n == 1000
    assert whole.value == pytest.approx(0.0, abs=1e-9)
    # The log loss of a miss is ln(1e15) or so above that of a hit: 80 of 1,000 differences are that far from 0.
    largest = mean_spreads(parse_rule("log_loss <= baseline + 1 %"), [earlier(500, 500)])[0].deviation
    assert whole.deviation == pytest.approx(math.sqrt(0.08) * largest, rel=0.1)


def test_the_spread_of_slices_is_their_own(earlier):
    rooms = np.array(["hall"] * 500 + ["cellar"] * 500)
    rule = parse_rule("slice(room).brier <= baseline + 1 %")

    whole, parts = mean_spreads(rule, [earlier(100, 100, columns={"room": rooms})])

    assert whole is None
    assert parts["room=hall"].deviation > parts["room=cellar"].deviation
    assert parts["room=hall"].n == 500


@pytest.mark.parametrize(
    "damage",
    [{"metric": "f1"}, {"ci95": None}, {"ci95": [1]}, {"ci95": [None, 1]}, {"n": 1}, {"difference": None}, {"n": None}],
)
def test_an_interval_that_tells_nothing_is_not_used(damage):
    assert mean_spreads(AUC, [History(name="run", comparison={**COMPARED, **damage})]) == (None, {})


def test_the_noise_of_a_pair_needs_five_processes_by_turns_on_this_machine(timed):
    assert paired_noise(SLOW, [timed(processes=5)]).deviation == pytest.approx(0.01)
    assert paired_noise(SLOW, [timed(processes=4)]) is None
    assert paired_noise(SLOW, [timed(session="")]) is None
    assert paired_noise(SLOW, [timed(is_here=False)]) is None


def test_the_noise_of_a_pair_says_how_fast_both_were(timed):
    noise = paired_noise(SLOW, [timed(speed=2.0)])

    assert math.exp(-noise.slowdown) == pytest.approx(2.0)
    assert noise.seconds == (pytest.approx(0.0005, rel=0.01), pytest.approx(0.001))
    assert noise.origin is Origin.HOST


def test_a_pair_is_believed_before_the_base_against_itself(timed):
    alone = History(name="run 2", noise={"ci95": [0.9, 1.1]}, processes=10, is_here=True)

    assert paired_noise(SLOW, [alone, timed()]).source == "run 1: 8 processes"


@pytest.mark.parametrize(
    "told",
    [{"noise": None}, {"noise": {}}, {"noise": {"ci95": [0, 1]}}, {"noise": {"ci95": [1.1, 0.9]}}, {"processes": 4}],
)
def test_noise_that_tells_nothing_is_not_used(told):
    given = {"noise": {"ci95": [0.9, 1.1]}, "processes": 10, "is_here": True, **told}

    assert paired_noise(SLOW, [History(name="run", **given)]) is None


def test_the_noise_of_one_model_needs_no_baseline(made):
    samples = [[0.001 * factor] * 3 for factor in (0.97, 1.0, 1.03, 0.98, 1.02)]
    alone = History(name="run", evidence=made.measured([made.latency(samples)]), is_here=True)

    noise = own_noise(FAST, [alone])

    assert noise.deviation == pytest.approx(np.std(np.log([0.97, 1.0, 1.03, 0.98, 1.02]), ddof=1))
    assert noise.seconds[0] == pytest.approx(0.001)


def test_an_estimate_of_latency_tells_nothing_of_noise(made):
    guessed = made.latency([[0.001]] * 6, origin=Origin.ESTIMATED)

    assert (
        own_noise(parse_rule("latency <= 1 ms"), [History(name="r", evidence=made.measured([guessed]), is_here=True)])
        is None
    )


def test_calls_per_block_that_are_no_number_count_as_one(made):
    strange = made.latency([[0.001, 0.0011]] * 6, calls_per_block="many")

    assert own_noise(
        parse_rule("latency <= 1 ms"), [History(name="r", evidence=made.measured([strange]), is_here=True)]
    )
