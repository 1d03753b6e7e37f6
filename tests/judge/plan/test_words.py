"""Figures, rules with another limit, and advice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.judge.plan.nouns import Case, SlicePlan
from edgeopt.judge.plan.words import advice, figure_text, rule_with, share_text
from edgeopt.judge.rules import parse_rule

RULES = [
    "accuracy >= baseline - 1 pt",
    "accuracy <= baseline + 1 pt",
    "accuracy >= 90 %",
    "flip_rate <= 2 %",
    "latency.p50 <= baseline + 5 % @ host",
    "latency <= baseline + 2 ms",
    "latency.p90 < 12 ms",
    "latency >= 12 ms",
    "mse <= baseline + 5 %",
    "mse <= baseline + 0.1",
    "mse <= 0.5",
    "slice(a < b).f1 >= baseline - 3 pt",
]


@given(st.sampled_from(RULES), st.floats(1e-4, 0.5), st.booleans())
def test_another_limit_is_never_stricter_and_nearly_the_same(text, size, is_negative):
    rule = parse_rule(text)
    quantity = -size if is_negative and rule.is_relative else size

    written, limit = rule_with(rule, quantity)

    again = parse_rule(written)
    assert again.quantity.value == pytest.approx(limit, rel=1e-6, abs=1e-12)
    sign = 1 if rule.is_upper else -1
    assert sign * (limit - quantity) >= -1e-8
    assert limit == pytest.approx(quantity, rel=0.02, abs=0.0011)
    assert (again.metric, again.statistic, again.comparison) == (rule.metric, rule.statistic, rule.comparison)
    assert (again.target, again.slice_column) == (rule.target, rule.slice_column)


@pytest.mark.parametrize(
    ("text", "quantity", "written"),
    [
        ("accuracy >= baseline - 1 pt", -0.008312, "accuracy >= baseline - 0.84 pt"),
        ("accuracy >= baseline - 1 pt", 0.0, "accuracy >= baseline"),
        ("accuracy >= baseline", 0.00831, "accuracy >= baseline + 0.83 pt"),
        ("flip_rate <= 2 %", 0.01311, "flip_rate <= 1.32 %"),
        ("latency.p50 <= baseline + 5 % @ host", 0.02311, "latency.p50 <= baseline + 2.4 % @ host"),
        ("latency <= 12 ms", 0.0112345, "latency <= 11.3 ms"),
        ("latency <= 12 ms", 0.0000112, "latency <= 11.2 us"),
        ("mse <= 0.5", 123.4, "mse <= 124"),
    ],
)
def test_another_limit_is_rounded_away_from_strictness(text, quantity, written):
    assert rule_with(parse_rule(text), quantity)[0] == written


@pytest.mark.parametrize(
    ("text", "quantity", "shown"),
    [
        ("accuracy >= baseline - 1 pt", -0.0123, "-1.23 pt"),
        ("accuracy >= 90 %", 0.874, "87.4 %"),
        ("latency <= baseline + 5 %", 0.0712, "+7.12 %"),
        ("latency <= baseline + 2 ms", -0.0012, "-1.20 ms"),
        ("latency <= 12 ms", 0.0131, "13.1 ms"),
        ("mse <= baseline + 0.1", 0.125, "+0.125"),
    ],
)
def test_a_figure_is_shown_in_the_terms_of_its_rule(text, quantity, shown):
    assert figure_text(parse_rule(text), quantity) == shown


def test_a_share_is_told_to_two_digits():
    assert [share_text(share) for share in (0.0123, 0.02, 0.00111)] == ["1.2 %", "2 %", "0.11 %"]


def case(power, needed=2000, strictest="accuracy >= baseline - 0.84 pt @ host"):
    return Case(assumption="", inputs=(), needed={"80": needed, "95": None}, power=power, strictest=strictest)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"case": case(0.9)}, "enough"),
        ({"case": case(0.5)}, "give 1,000 more, or write `baseline - 0.84 pt`"),
        ({"case": case(0.5, strictest="")}, "give 1,000 more"),
        ({"case": case(None, strictest=""), "at_hand": None}, "collect 2,000 samples"),
        (
            {"case": case(0.1, needed=None)},
            "no number shows it; write `baseline - 0.84 pt`",
        ),
        (
            {"case": case(0.1, needed=None, strictest="")},
            "no number shows it: the assumed truth does not keep the limit",
        ),
        (
            {"case": case(0.5, needed=14), "unit": "processes", "seconds": {"at_hand": 9.0, "80": 31.0}},
            "set `processes = 14` under [bench] (about 31.0 s), or write `baseline - 0.84 pt`",
        ),
        ({"case": case(0.9), "unit": "processes", "seconds": {"at_hand": 9.0}}, "enough; measuring takes about 9.00 s"),
        ({"case": case(0.9), "unit": "processes"}, "enough"),
    ],
)
def test_the_advice_says_what_to_do(keys, told):
    assert advice(**{"kind": "chance", "unit": "samples", "at_hand": 1000, "seconds": {}, **keys}) == told


def test_the_advice_names_slices_that_are_too_small():
    slices = tuple(SlicePlan(part=f"room={n}", at_hand=n, is_judged=n >= 200) for n in (300, 9, 8, 7, 6))

    told = advice(kind="chance", unit="samples", at_hand=300, case=case(0.5), slices=slices, seconds={})

    assert told == (
        "have 2,000 samples in every slice, or write `baseline - 0.84 pt`; "
        "not judged, under 200 samples: room=9, room=8, room=7, ..."
    )
