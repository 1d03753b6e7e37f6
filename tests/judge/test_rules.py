"""The grammar of rules: what is understood, and every fault said at once."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import InputError
from edgeopt.judge.rules import RULE_METRICS, SLICED, parse_rule, parse_rules
from edgeopt.units import Dimension, Quantity

# The rules of the documented edgeopt.toml.
DOCUMENTED = (
    "accuracy >= baseline - 0.5 pt",
    "flip_rate <= 2 %",
    "latency.p50 <= baseline + 5 % @ host",
    "size <= 200 KB",
    "instructions <= baseline + 1 % @ rpi4",
    "slice(speaker).accuracy >= baseline - 3 pt",
    "latency.p90 <= 12 ms",
)


@pytest.mark.parametrize("text", DOCUMENTED)
def test_every_documented_rule_is_understood(text):
    assert parse_rule(text).text == text


def test_a_rule_in_all_its_parts():
    rule = parse_rule("slice(speaker).accuracy >= baseline - 3 pt @ rpi4")

    assert (rule.metric, rule.statistic, rule.slice_column) == ("accuracy", "", "speaker")
    assert (rule.comparison, rule.is_upper, rule.is_relative) == (">=", False, True)
    assert rule.quantity == Quantity(-0.03, Dimension.POINTS)
    assert rule.target == "rpi4"


@pytest.mark.parametrize("text", ["latency<=12ms", "  latency  <=  12   ms  ", "latency.p50 <= 0.012 s @ host"])
def test_blanks_and_defaults_change_nothing(text):
    rule = parse_rule(text)

    assert (rule.metric, rule.statistic, rule.target) == ("latency", "p50", "host")
    assert rule.quantity.value == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("text", "baseline", "limit"),
    [
        ("accuracy >= baseline - 0.5 pt", 0.9, 0.895),
        ("accuracy >= baseline - 0.5 %", 0.9, 0.895),
        ("accuracy >= baseline", 0.9, 0.9),
        ("accuracy >= 90 %", 0.95, 0.9),
        ("accuracy >= 0.9", 0.95, 0.9),
        ("accuracy >= 0.9", None, 0.9),
        ("latency <= baseline + 5 %", 0.010, 0.0105),
        ("latency <= baseline + 1 ms", 0.010, 0.011),
        ("latency <= baseline - 20 %", 0.010, 0.008),
        ("size <= baseline - 10 KB", 50_000, 40_000),
        ("size <= baseline", 50_000, 50_000),
        ("mse <= baseline + 5 %", 2.0, 2.1),
        ("mse <= baseline + 0.5", 2.0, 2.5),
        ("energy <= 3 mJ", None, 0.003),
        ("instructions <= baseline + 1 %", 1000, 1010),
        ("sqnr >= 30 dB", None, 30),
    ],
)
def test_the_limit_is_in_the_base_unit(text, baseline, limit):
    assert parse_rule(text).limit(baseline) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "rule `` cannot be understood", "write it like"),
        ("accuracy", "rule `accuracy` cannot be understood", "write it like"),
        ("accuracy == 90 %", "cannot be understood", "write it like"),
        ("accuracy >= 90 % and size <= 2 KB", "`90 % and size <= 2 KB` is not a quantity", "a number and a unit"),
        ("accuraci >= 90 %", "unknown metric `accuraci`", "did you mean `accuracy`"),
        ("latencies <= 1 ms", "unknown metric `latencies`", "did you mean `latency`?"),
        ("xyz <= 1 ms", "unknown metric `xyz`", "known: accuracy, auc"),
        ("latency.p99 <= 1 ms", "`latency` has no `p99`", "did you mean `p90`"),
        ("size.p50 <= 1 KB", "`size` has no `p50`", "write `size` alone"),
        ("slice(room).size <= 1 KB", "`size` cannot be sliced", "slices are for accuracy"),
        ("slice().accuracy >= 1 %", "cannot be understood", "write it like"),
        ("size <= 200 ms", "unit `s` does not fit", "give it in `B`"),
        ("size <= 200", "unit `1` does not fit", "give it in `B`"),
        ("latency <= 12 KB", "unit `B` does not fit", "give it in `s`"),
        ("latency <= baseline + 1 pt", "unit `pt` does not fit", "give it in `%` or `s`"),
        ("accuracy >= 90", "unit `1` does not fit", "give it in `%`"),
        ("accuracy >= 90 pt", "unit `pt` does not fit", "give it in `%`"),
        ("accuracy >= baseline - 3 ms", "unit `s` does not fit", "give it in `pt` or `%`"),
        ("flip_rate <= baseline + 1 %", "this metric compares with the baseline already", "give a plain limit"),
        ("flip_rate <= baseline", "this metric compares with the baseline already", "give a plain limit"),
        ("slowdown <= baseline", "this metric compares with the beginning of the soak already", "give a plain limit"),
        ("slowdown <= 5 ms", "unit `s` does not fit", "give it in `%`"),
        ("sqnr >= baseline", "this metric compares with the baseline already", "give a plain limit"),
        ("latency <= 12 parsecs", "`12 parsecs` is not a quantity", "a number and a unit"),
        ("latency <= nan", "`nan` is not a quantity", "a number and a unit"),
        ("latency <= inf ms", "`inf ms` is not a quantity", "a number and a unit"),
        ("latency <= 1e999 s", "`1e999 s` is not a quantity", "a number and a unit"),
        ("accuracy >= baseline - nan pt", "`nan pt` is not a quantity", "a number and a unit"),
        ("accuracy >= baseline * 0.9", "is not a quantity", "a number and a unit"),
        ("latency <= 12 ms @", "cannot be understood", "write it like"),
        ("latency <= 12 ms @ two words", "cannot be understood", "write it like"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_would_be(text, message, hint):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_rule(text)

    assert hint in caught.value.hint


def test_all_faults_are_listed_at_once():
    texts = ["accuraci >= 1 %", "size <= 1 KB", "size <= 2 ms", "what"]

    with pytest.raises(InputError) as caught:
        parse_rules(texts)

    message = caught.value.message
    assert all(text in message for text in ("accuraci", "size <= 2 ms", "`what`"))
    assert "size <= 1 KB" not in message
    assert caught.value.hint.count(" | ") == 2


def test_rules_keep_their_order():
    assert [rule.text for rule in parse_rules(DOCUMENTED)] == list(DOCUMENTED)


def test_every_sliced_metric_is_one():
    assert set(SLICED) < set(RULE_METRICS)


@settings(deadline=None)
@given(st.sampled_from(sorted(RULE_METRICS)), st.sampled_from(["<=", ">=", "<", ">"]), st.floats(0, 1))
def test_every_metric_takes_a_limit_of_its_own_dimension(name, comparison, value):
    dimension = RULE_METRICS[name].dimension
    unit = "" if dimension is Dimension.NUMBER else dimension.value

    rule = parse_rule(f"{name} {comparison} {value:.6f} {unit}")

    assert rule.quantity.dimension is dimension
    assert rule.is_upper == (comparison in ("<=", "<"))


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_bad_input(text):
    try:
        rule = parse_rule(text)
    except InputError:
        return

    assert rule.metric in RULE_METRICS
