"""A second look before red: what failed in one measurement must fail in a fresh one too."""

from __future__ import annotations

from dataclasses import replace

from edgeopt.judge.gate import RuleVerdict, Verdict
from edgeopt.judge.rules import Rule

# Time is the one figure that a neighbour on the machine can spoil; predictions and sizes come out the same again.
_TIMED_METRICS = ("latency", "load", "memory")


def suspects(rules: tuple[Rule, ...], verdict: Verdict) -> tuple[Rule, ...]:
    """The rules that failed on a figure that another measurement could give otherwise."""
    pairs = zip(rules, verdict.rules, strict=True)
    return tuple(rule for rule, told in pairs if told.verdict == "failed" and rule.metric in _TIMED_METRICS)


def confirmed(first: Verdict, second: Verdict) -> Verdict:
    """The first verdict, where rules that the second look does not find broken are undecided.

    Args:
        first: The verdict on all rules.
        second: The verdict of a fresh measurement on the suspects.
    """
    looks = {told.rule: told for told in second.rules}
    return replace(first, rules=tuple(_confirmed(told, looks.get(told.rule)) for told in first.rules))


def _confirmed(first: RuleVerdict, second: RuleVerdict | None) -> RuleVerdict:
    if second is None:
        return first
    if second.verdict == "failed":
        return replace(first, reason=f"{first.reason}; a second look in fresh processes confirms it")
    told = f"it failed at first ({first.reason}), a second look did not bear it out ({second.reason})"
    return replace(first, verdict="undecided", reason=f"{told}: measure on a quieter machine")
