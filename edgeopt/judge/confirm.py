"""A second look before red: what failed in one measurement must be borne out by a fresh one (see `second_look`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgeopt.core.measurement import Measurement
from edgeopt.judge.evidence import Side
from edgeopt.judge.gate import RuleVerdict, Verdict
from edgeopt.judge.rules import Rule
from edgeopt.judge.second_look import joined_looks, looks_at

# Time is the one figure that a neighbour on the machine can spoil; predictions and sizes come out the same again.
_TIMED_METRICS = ("latency", "load", "memory")

Sides = tuple[Side, Side]
Figures = tuple[Measurement, ...]


def judge_twice(
    rules: tuple[Rule, ...],
    sides: Sides,
    verdict_on: Callable[[Sequence[Rule], Sides], Verdict],
    measure_again: Callable[[tuple[Rule, ...]], tuple[Figures, Figures]],
) -> Verdict:
    """The verdict on all rules, where nothing slow is red on one look.

    Args:
        rules: What is demanded.
        sides: The baseline and the candidate; what holds two looks already is not measured again.
        verdict_on: Judges.
        measure_again: Times both models in fresh processes, for the rules that it is given.
    """
    verdict = verdict_on(rules, sides)
    suspected = suspects(rules, verdict)
    if not suspected or _are_seen_twice(sides[1]):
        return verdict
    pooled = tuple(_joined(side, again) for side, again in zip(sides, measure_again(suspected), strict=True))
    # All rules again, not the suspects alone: what the level is shared among does not shrink by looking twice.
    second = verdict_on(rules, (pooled[0], pooled[1]))
    asked = {rule.text for rule in suspected}
    return confirmed(verdict, replace(second, rules=tuple(told for told in second.rules if told.rule in asked)))


def suspects(rules: tuple[Rule, ...], verdict: Verdict) -> tuple[Rule, ...]:
    """The rules that failed on a figure that another measurement could give otherwise."""
    pairs = zip(rules, verdict.rules, strict=True)
    return tuple(rule for rule, told in pairs if told.verdict == "failed" and rule.metric in _TIMED_METRICS)


def confirmed(first: Verdict, second: Verdict) -> Verdict:
    """The first verdict, where rules that the second look does not bear out are undecided.

    Args:
        first: The verdict on all rules.
        second: The verdict on the suspects, from both looks pooled.
    """
    looks = {told.rule: told for told in second.rules}
    return replace(first, rules=tuple(_confirmed(told, looks.get(told.rule)) for told in first.rules))


def _are_seen_twice(side: Side) -> bool:
    return any(m.metric in _TIMED_METRICS and looks_at(m) > 1 for m in side.measurements)


def _joined(side: Side, again: Figures) -> Side:
    """The side with what was timed again joined to what was timed before."""
    seconds = {(m.metric, m.target): m for m in again if m.metric in _TIMED_METRICS}
    return replace(
        side,
        measurements=tuple(
            joined_looks(m, seconds[m.metric, m.target]) if (m.metric, m.target) in seconds else m
            for m in side.measurements
        ),
    )


def _confirmed(first: RuleVerdict, second: RuleVerdict | None) -> RuleVerdict:
    if second is None:
        return first
    if second.verdict == "failed":
        return replace(second, reason=f"{second.reason}; a second look in fresh processes confirms it")
    told = f"it failed at first ({first.reason}), a second look did not bear it out ({second.reason})"
    return replace(second, verdict="undecided", reason=f"{told}: measure on a quieter machine")
