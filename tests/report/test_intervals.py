"""Where figures lie against their limits."""

import math

import pytest

from edgeopt.report.intervals import rule_interval
from edgeopt.report.plot import bar_text


def interval_of(rule, text, value, limit, interval=None):
    more = {"interval": interval} if interval else {}
    return rule_interval(rule(text, value=value, limit=limit, unit="1", **more))


@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        (("accuracy >= 1", 1.5, 1.0, [1.0, 2.0]), (0.0, 0.45, 0.9)),
        (("size <= 1", 1.5, 1.0, [1.0, 2.0]), (-0.9, -0.45, 0.0)),
        (("size < 1", 0.5, 1.0), (0.45, 0.45, 0.45)),
        (("size <= 1", 9.0, 1.0), (-0.9, -0.9, -0.9)),
        (("slice(a<b).accuracy >= 1", 2.0, 1.0), (0.9, 0.9, 0.9)),
        (("mse <= 0", 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_what_keeps_the_limit_lies_above_it(rule, arguments, places):
    assert interval_of(rule, *arguments).places() == pytest.approx(places)


@pytest.mark.parametrize("interval", [[None, None], [-math.inf, math.inf]])
def test_an_unknown_interval_reaches_both_ends(rule, interval):
    low, value, high = interval_of(rule, "size <= 1", 1.5, 1.0, interval).places()

    assert (low, value, high) == (-1.0, -0.9, 1.0)


@pytest.mark.parametrize("key", ["value", "limit"])
def test_a_rule_without_a_figure_or_a_limit_is_not_drawn(rule, key):
    assert rule_interval(rule(**{key: None})) is None


@pytest.mark.parametrize(
    ("value", "interval", "bar"),
    [
        (1.5, [1.2, 2.0], "··········│·├─●────┤·"),
        (1.5, [0.5, 2.0], "······├───┼───●────┤·"),
        (0.5, [0.0, 0.8], "·├────●─┤·│··········"),
        (2.0, None, "··········│········●·"),
        (1.0, [0.0, 2.0], "·├────────●────────┤·"),
    ],
)
def test_a_bar_has_the_limit_in_its_middle(rule, value, interval, bar):
    drawn = bar_text(interval_of(rule, "accuracy >= 1", value, 1.0, interval))

    assert drawn == bar
    assert len(drawn) == 21
