"""Nothing slow is red on one look."""

from __future__ import annotations

import pytest

from edgeopt.core.measurement import Origin
from edgeopt.judge.confirm import confirmed, suspects
from edgeopt.judge.gate import RuleVerdict, Verdict
from edgeopt.judge.rules import parse_rules

SLOW, LARGE = "latency.p50 <= baseline + 5 %", "size <= 100 KB"


def told(rule: str, verdict: str, reason: str = "why") -> RuleVerdict:
    return RuleVerdict(
        rule=rule,
        verdict=verdict,  # type: ignore[arg-type]
        value=1.0,
        limit=0.5,
        unit="s",
        origin=Origin.HOST,
        reason=reason,
    )


def test_only_rules_about_time_and_memory_are_looked_at_again() -> None:
    rules = parse_rules([SLOW, LARGE])

    again = suspects(rules, Verdict(rules=(told(SLOW, "failed"), told(LARGE, "failed"))))

    assert [rule.text for rule in again] == [SLOW]


def test_a_rule_that_passed_is_no_suspect() -> None:
    rules = parse_rules([SLOW])

    assert suspects(rules, Verdict(rules=(told(SLOW, "passed"),))) == ()


@pytest.mark.parametrize("second", ["passed", "undecided"])
def test_what_fails_once_is_undecided(second: str) -> None:
    first = Verdict(rules=(told(SLOW, "failed"), told(LARGE, "passed")))

    final = confirmed(first, Verdict(rules=(told(SLOW, second, "not so"),)))

    assert [rule.verdict for rule in final.rules] == ["undecided", "passed"]
    assert "did not bear it out (not so)" in final.rules[0].reason
    assert final.exit_code == 4


def test_what_fails_twice_has_failed() -> None:
    first = Verdict(rules=(told(SLOW, "failed"),))

    final = confirmed(first, Verdict(rules=(told(SLOW, "failed"),)))

    assert final.outcome == "failed"
    assert final.rules[0].reason.endswith("a second look in fresh processes confirms it")
