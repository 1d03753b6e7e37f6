"""Red rests on two looks: a suspect, a repeat, and both pooled."""

import math
from datetime import date

import numpy as np
import pytest

from edgeopt.judge.confirm import judge_twice
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.rules import parse_rules
from edgeopt.judge.second_look import (
    Look,
    is_suspect,
    joined_looks,
    least_effect,
    looks_at,
    second_samples,
    verdict_of_one,
    verdict_of_two,
)

PROCESSES, CALLS = 10, 10


def look(seed, slowdown=1.0, *, twin=1.0, spread=0.01):
    generator = np.random.default_rng(seed)

    def samples(factor):
        return [1e-3 * factor * np.exp(generator.normal(0, spread) + generator.normal(0, 0.01, 50)) for _ in range(10)]

    return Look(base=samples(1.0), candidate=samples(slowdown), twin=samples(twin), calls_per_block=CALLS)


def test_what_is_slower_in_both_looks_is_slower():
    first, second = look(1, 1.1), look(2, 1.1)

    assert is_suspect(first)
    assert verdict_of_two(first, second).verdict == "slower"
    assert verdict_of_two(first, second).ratio == pytest.approx(1 / 1.1, rel=0.02)


def test_one_look_never_says_slower():
    assert verdict_of_one(look(1, 1.1)).verdict == "undecided"


def test_a_second_look_that_is_not_significant_alone_suffices_where_both_pooled_are():
    first, second = look(1, 1.06), look(3, 1.06, spread=0.06)
    assert second.compared().verdict == "undecided"
    assert second.compared().ratio < 1 / 1.02

    assert verdict_of_two(first, second).verdict == "slower"


@pytest.mark.parametrize(("first", "second"), [(1.2, 1.0), (1.0, 1.2)])
def test_what_only_one_look_shows_is_undecided_however_clear_both_pooled_are(first, second):
    looks = look(1, first, spread=0.001), look(2, second, spread=0.001)
    assert looks[0].joined(looks[1]).compared().verdict == "slower"

    assert verdict_of_two(*looks).verdict == "undecided"


def test_an_effect_below_twice_the_noise_of_both_looks_does_not_count():
    looks = [look(seed, 1.05, twin=1.04, spread=0.001) for seed in (1, 2)]

    assert is_suspect(looks[0])
    assert verdict_of_two(*looks).verdict == "same"


def test_the_least_effect_is_two_percent_or_twice_the_noise():
    assert least_effect(1.0) == 0.02
    assert least_effect(0.97) == pytest.approx(0.06)


def test_joined_measurements_count_their_looks_and_pool_the_noise(made):
    first, second = made.latency([[1.0]] * 3, noise=1.02), made.latency([[2.0]] * 3, noise=0.98)

    joined = joined_looks(first, second)

    assert looks_at(joined) == 2
    assert list(second_samples(joined)) == [(2.0,)] * 3
    assert joined.details["noise"] == pytest.approx(math.sqrt(1.02 * 0.98))


def sides_of(made, taken, looks=1):
    details = {"session": "one", "noise": taken.noise.ratio, **({"looks": looks} if looks > 1 else {})}
    base = made.latency(taken.base, artifact="old", **details)
    return Side(sha256="old", measurements=(base,)), Side(
        sha256="new", measurements=(made.latency(taken.candidate, **details),)
    )


def gate(made, first, second, rule="latency.p50 <= baseline"):
    """The outcome of a gate, and how often it measured again."""
    asked = []

    def verdict_on(rules, sides):
        return judge(rules, Evidence(baseline=sides[0], candidate=sides[1]), today=date(2026, 1, 1))

    def again(suspected):
        asked.append(suspected)
        return tuple(side.measurements for side in sides_of(made, second))

    return judge_twice(parse_rules([rule]), sides_of(made, first), verdict_on, again), len(asked)


@pytest.mark.parametrize(
    ("slowdowns", "outcome", "looks"),
    [((1.1, 1.1), "failed", 1), ((1.1, 1.0), "undecided", 1), ((1.0, 1.1), "undecided", 0)],
)
def test_a_gate_is_red_only_where_a_second_look_bears_it_out(made, slowdowns, outcome, looks):
    verdict, asked = gate(made, look(1, slowdowns[0]), look(2, slowdowns[1]))

    assert (verdict.outcome, asked) == (outcome, looks)


def test_a_gate_holds_a_slowdown_against_the_noise_of_both_looks(made):
    verdict, _ = gate(made, *(look(seed, 1.05, twin=1.04, spread=0.001) for seed in (1, 2)))

    assert verdict.outcome == "undecided"


def test_what_holds_two_looks_is_not_measured_again(made):
    both = look(1, 1.1).joined(look(2, 1.1))
    sides = sides_of(made, both, looks=2)

    def verdict_on(rules, sides):
        return judge(rules, Evidence(baseline=sides[0], candidate=sides[1]), today=date(2026, 1, 1))

    verdict = judge_twice(parse_rules(["latency.p50 <= baseline"]), sides, verdict_on, lambda _: pytest.fail("again"))

    assert verdict.outcome == "failed"
    assert "20 processes in two looks" in verdict.rules[0].reason


@pytest.mark.parametrize(("second", "outcome"), [(1.2, "failed"), (0.8, "undecided")])
def test_an_absolute_limit_has_to_be_broken_by_the_second_look_alone(made, second, outcome):
    verdict, _ = gate(made, look(1, 1.2, spread=0.001), look(2, second, spread=0.001), "latency.p50 <= 1.05 ms")

    assert verdict.outcome == outcome
