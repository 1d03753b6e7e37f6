"""What the evidence says about a rule, by the kind of its metric."""

from __future__ import annotations

from edgeopt.core.measurement import Measurement
from edgeopt.judge.accuracy_findings import accuracy_findings
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding, median_of, unlike
from edgeopt.judge.latency_findings import latency_finding
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.rules import RULE_METRICS, Rule
from edgeopt.judge.second_look import looks_at, second_samples
from edgeopt.judge.soak_findings import slowdown_finding


def findings(rule: Rule, evidence: Evidence) -> list[Finding]:
    """One finding, or one per slice.

    Raises:
        InputError: The predictions do not suit the rule's metric.
    """
    if rule.metric in METRICS or rule.metric in ("flip_rate", "sqnr"):
        return accuracy_findings(rule, evidence)
    if rule.metric == "latency":
        return [latency_finding(rule, evidence)]
    if rule.metric == "slowdown":
        return [slowdown_finding(rule, evidence)]
    return [_plain_finding(rule, evidence)]


def _plain_finding(rule: Rule, evidence: Evidence) -> Finding:
    """A figure that is held to a plain tolerance: the median of its samples."""
    name = RULE_METRICS[rule.metric].measurement
    own = evidence.candidate.find(name, rule.target)
    if own is None:
        return Finding(missing=f"`{rule.metric}` was not measured on `{rule.target}`")
    other = evidence.baseline.find(name, rule.target) if evidence.baseline else None
    if rule.is_relative and other is None:
        return Finding(missing=f"`{rule.metric}` of the baseline was not measured on `{rule.target}`")
    reason = unlike(own, other, evidence) if rule.is_relative and other else ""
    if reason:
        return Finding(missing=reason)
    value = median_of(own.samples)
    limit = rule.limit(median_of(other.samples) if other else None)
    if other is not None and value > limit and _do_overlap(rule, own, other):
        told = f"`{rule.metric}` of some process of the candidate is no larger than of some of the baseline"
        return Finding(missing=f"{told}, so that the growth may be noise", origin=own.origin)
    return Finding(
        estimate=Estimate(value=value, basis="held to a plain tolerance"),
        limit=limit,
        shown_value=value,
        shown_limit=limit,
        origin=own.origin,
        second=median_of(second_samples(own)) if looks_at(own) > 1 else None,
    )


def _do_overlap(rule: Rule, own: Measurement, other: Measurement) -> bool:
    """Whether some process of the candidate shows no more than some of the baseline, for a rule against growth.

    Of three processes each the same file keeps apart from itself, on the bad side, once in 20 times; of six each (two
    looks) once in 924: 1 / (2n over n).
    """
    if not rule.is_relative or not rule.is_upper or rule.quantity.value < 0:
        return False
    if min(len(own.samples), len(other.samples)) < 2:
        return False
    return min(map(min, own.samples)) <= max(map(max, other.samples))
