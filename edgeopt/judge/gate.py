"""Rules held against evidence: passed, failed, undecided or waived, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from edgeopt.core.config import Waiver
from edgeopt.core.measurement import Origin
from edgeopt.errors import EdgeoptError, GateFailed, GateUndecided
from edgeopt.judge.estimate import ALPHA, Estimate, breaking_p, holm, keeps
from edgeopt.judge.evidence import Evidence, Finding
from edgeopt.judge.findings import findings
from edgeopt.judge.rules import RULE_METRICS, Rule
from edgeopt.units import Dimension, format_points, format_quantity

RuleOutcome = Literal["passed", "failed", "undecided", "waived"]
Outcome = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """What became of one rule.

    Attributes:
        rule: As the user wrote it.
        verdict: `passed`, `failed`, `undecided` or `waived`.
        value: The candidate's figure in the base unit; None without evidence.
        limit: The limit on it.
        unit: Base unit of both.
        origin: Where the figure comes from.
        reason: Why, in words.
    """

    rule: str
    verdict: RuleOutcome
    value: float | None
    limit: float | None
    unit: str
    origin: Origin | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The entry under `rules`."""
        return {
            "rule": self.rule,
            "verdict": self.verdict,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "origin": self.origin.value if self.origin else None,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverState:
    """A waiver and what became of it on a day.

    Attributes:
        waiver: As the configuration has it.
        state: `used` where it excuses its rule, `not needed` where the rule passed, `expired` after its last day.
        days_left: Days until it ends, 0 on the last one; below 0 since it ended.
    """

    waiver: Waiver
    state: Literal["used", "not needed", "expired"]
    days_left: int

    def as_json(self) -> dict[str, Any]:
        """The entry under `waivers`."""
        facts = self.waiver
        told = {"rule": facts.rule, "until": facts.until.isoformat(), "by": facts.by, "reason": facts.reason}
        return {**told, "state": self.state, "days_left": self.days_left}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of all rules and waivers; `undecided` is what the policy makes of undecided rules."""

    rules: tuple[RuleVerdict, ...]
    undecided: Literal["fail", "pass", "warn"] = "fail"
    waivers: tuple[WaiverState, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """`failed` if any rule is, else `undecided` if any is and the policy says `fail`, else `passed`."""
        outcomes = {rule.verdict for rule in self.rules}
        if "failed" in outcomes:
            return "failed"
        return "undecided" if "undecided" in outcomes and self.undecided == "fail" else "passed"

    @property
    def exit_code(self) -> int:
        """0, 3 or 4."""
        kinds: dict[Outcome, int] = {"failed": GateFailed.exit_code, "undecided": GateUndecided.exit_code}
        return kinds.get(self.outcome, 0)

    def require_passed(self) -> None:
        """Raise the failure, for callers that want one.

        Raises:
            GateFailed: A rule is broken.
            GateUndecided: A rule cannot be decided and the policy says that this fails.
        """
        errors: dict[Outcome, type[EdgeoptError]] = {"failed": GateFailed, "undecided": GateUndecided}
        if self.outcome in errors:
            told = [
                f"`{rule.rule}` {rule.verdict}: {rule.reason}" for rule in self.rules if rule.verdict == self.outcome
            ]
            raise errors[self.outcome]("; ".join(told))


def judge(
    rules: Sequence[Rule],
    evidence: Evidence,
    *,
    undecided: Literal["fail", "pass", "warn"] = "fail",
    estimates: Literal["refuse", "allow"] = "refuse",
    waivers: Sequence[Waiver] = (),
    today: date,
) -> Verdict:
    """Hold every rule against the evidence.

    A rule passes when every finding keeps its limit by a one-sided 95 % bound. It fails when a finding breaks it, where
    the level is held over all findings of all rules together by Holm's method. Else it is undecided.

    Args:
        rules: What is demanded.
        evidence: What was measured.
        undecided: What undecided rules make of the whole.
        estimates: Whether figures that are estimates may decide.
        waivers: Rules that may be broken for a time.
        today: The day that waivers are held against.
    """
    found = [[_admitted(finding, estimates) for finding in findings(rule, evidence)] for rule in rules]
    tests = [
        (index, finding, _breaking_p(rule, finding))
        for index, rule in enumerate(rules)
        for finding in found[index]
        if finding.estimate is not None
    ]
    by_chance = [position for position, (_, finding, _) in enumerate(tests) if _has_chance(finding)]
    rejected = dict(zip(by_chance, holm([tests[position][2] for position in by_chance]), strict=True))
    broken: dict[int, list[Finding]] = {}
    for position, (index, finding, p) in enumerate(tests):
        if rejected.get(position, p <= ALPHA):
            broken.setdefault(index, []).append(finding)
    verdicts = [_verdict(rule, found[index], broken.get(index, [])) for index, rule in enumerate(rules)]
    judged = tuple(_waived(verdict, waivers, today) for verdict in verdicts)
    states = tuple(_state(waiver, judged, today) for waiver in waivers)
    return Verdict(rules=judged, undecided=undecided, waivers=states)


def _admitted(finding: Finding, estimates: str) -> Finding:
    if finding.origin is Origin.ESTIMATED and estimates == "refuse":
        return Finding(missing='the only evidence is an estimate (`estimates = "refuse"`)', origin=finding.origin)
    return finding


def _breaking_p(rule: Rule, finding: Finding) -> float:
    estimate = finding.estimate
    assert estimate is not None
    is_small = finding.least is not None and (estimate.value - finding.least) * (1 if rule.is_upper else -1) < 0
    if is_small or not _is_borne_out(rule, finding):
        return 1.0
    if not _has_chance(finding) and rule.comparison in ("<", ">") and estimate.value == finding.limit:
        return 0.0
    return breaking_p(estimate, finding.limit, is_upper=rule.is_upper)


def _is_borne_out(rule: Rule, finding: Finding) -> bool:
    """Whether the second of two looks, taken alone, breaks the limit too; it need not show so beyond chance."""
    if finding.second is None:
        return True
    sign = 1 if rule.is_upper else -1
    beyond = sign * (finding.second - finding.limit)
    is_broken = beyond > 0 or (beyond == 0 and rule.comparison in ("<", ">"))
    return is_broken and (finding.second_least is None or sign * (finding.second - finding.second_least) >= 0)


def _has_chance(finding: Finding) -> bool:
    return finding.estimate is not None and finding.estimate.interval is not None


def _verdict(rule: Rule, found: list[Finding], broken: list[Finding]) -> RuleVerdict:
    decided = [finding for finding in found if finding.estimate is not None]
    shown = _worst(rule, broken or decided)
    outcome: RuleOutcome = "undecided"
    if broken:
        outcome = "failed"
    elif decided and all(_keeps(rule, finding) for finding in decided) and _may_pass(found):
        outcome = "passed"
    return RuleVerdict(
        rule=rule.text,
        verdict=outcome,
        value=shown.shown_value if shown else None,
        limit=shown.shown_limit if shown else None,
        unit=RULE_METRICS[rule.metric].dimension.value,
        origin=shown.origin if shown else None,
        reason=_reason(rule, outcome, found, shown),
    )


def _may_pass(found: list[Finding]) -> bool:
    """Slices too small to judge are said, and do not stop the others from passing; other gaps in the evidence do."""
    return all(finding.estimate is not None or finding.part for finding in found)


def _keeps(rule: Rule, finding: Finding) -> bool:
    assert finding.estimate is not None
    is_strict = rule.comparison in ("<", ">")
    return keeps(finding.estimate, finding.limit, is_upper=rule.is_upper, is_strict=is_strict)


def _worst(rule: Rule, found: list[Finding]) -> Finding | None:
    """The finding that is nearest to, or furthest beyond, its limit."""
    sign = 1 if rule.is_upper else -1
    known = [(sign * (finding.estimate.value - finding.limit), finding) for finding in found if finding.estimate]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _reason(rule: Rule, outcome: RuleOutcome, found: list[Finding], shown: Finding | None) -> str:
    missing = [finding.missing for finding in found if finding.missing]
    if shown is None or shown.estimate is None:
        return "; ".join(missing)
    part = f"{shown.part}: " if shown.part else ""
    text = part + _bounds_text(rule, shown.estimate)
    if outcome == "undecided" and shown.estimate.needed:
        needed = shown.estimate.needed(shown.limit)
        text += f"; about {needed:,} samples would decide" if needed else "; it sits at the limit, no number decides"
    return "; ".join([text, *missing])


def _bounds_text(rule: Rule, estimate: Estimate) -> str:
    if estimate.interval is None:
        return estimate.basis
    low, high = estimate.interval(1 - 2 * ALPHA)
    bound = f"between {_figure(rule, low)} and {_figure(rule, high)}" + (" of the baseline" if rule.is_relative else "")
    return f"{bound} (one-sided 95 % bounds); {estimate.basis}"


def _figure(rule: Rule, value: float) -> str:
    if rule.is_relative and rule.is_share:
        return format_points(value)
    if rule.is_relative and rule.metric == "latency" and rule.quantity.dimension is Dimension.PERCENT:
        return f"{100 * value:+.1f} %"
    return format_quantity(value, RULE_METRICS[rule.metric].dimension)


def _waived(verdict: RuleVerdict, waivers: Sequence[Waiver], today: date) -> RuleVerdict:
    """The verdict, excused while a waiver for its rule lasts; an expired waiver excuses nothing and says so."""
    waiver = next((waiver for waiver in waivers if waiver.rule == verdict.rule), None)
    if waiver is None or verdict.verdict == "passed":
        return verdict
    if waiver.until < today:
        return replace(verdict, reason=f"{verdict.reason}; the waiver by {waiver.by} expired on {waiver.until}")
    told = f"{verdict.verdict}, waived until {waiver.until} by {waiver.by}: {waiver.reason}"
    return replace(verdict, verdict="waived", reason=f"{told} ({verdict.reason})")


def _state(waiver: Waiver, judged: Sequence[RuleVerdict], today: date) -> WaiverState:
    is_used = any(verdict.rule == waiver.rule and verdict.verdict == "waived" for verdict in judged)
    days = (waiver.until - today).days
    return WaiverState(
        waiver=waiver, state="expired" if days < 0 else "used" if is_used else "not needed", days_left=days
    )
