"""Findings about task metrics that rest on recorded figures alone, where the predictions are not at hand."""

from __future__ import annotations

import numpy as np

from edgeopt.core.measurement import Measurement
from edgeopt.judge.churn import counted_finding
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding
from edgeopt.judge.intervals import Interval, mcnemar_drop_p, samples_to_decide, tango_interval, wilson_interval
from edgeopt.judge.rules import Rule

_COUNTED = ("accuracy", "top5", "flip_rate")


def recorded_estimate(measurement: Measurement) -> Estimate:
    """A figure of which only the value and the number of samples are known."""
    value, n = measurement.samples[0][0], int(measurement.details.get("n", 0))
    if measurement.metric not in _COUNTED or n == 0:
        return Estimate(value=value, interval=lambda _: (-np.inf, np.inf), basis="its interval is not known")
    return Estimate(
        value=value, interval=lambda confidence: wilson_interval(value * n, n, confidence), basis=f"{n} samples"
    )


def counted_estimate(losses: int, gains: int, n: int) -> Estimate:
    """The change of a share of hits among `n` pairs: Tango's intervals, and how many samples would decide.

    Whether there is any drop at all is McNemar's question (`mcnemar_drop_p`).
    """
    return Estimate(
        value=(gains - losses) / n,
        interval=lambda confidence: tango_interval(losses, gains, n, confidence),
        basis=f"{losses} lost and {gains} gained of {n} paired samples",
        needed=lambda limit: samples_to_decide((gains - losses) / n, (losses + gains) / n, -limit),
        drop_p=mcnemar_drop_p(losses, gains),
    )


def recorded_change(rule: Rule, evidence: Evidence, reason: str) -> Finding:
    """What is recorded of the change of a metric: pairs that were counted, two shares, or flips.

    Args:
        rule: A rule that is relative to the baseline.
        evidence: What was measured.
        reason: Why there are no predictions of both.
    """
    baseline = evidence.baseline
    if baseline is None:
        return Finding(missing=reason)
    if evidence.cluster:
        return Finding(missing=f"bounds over clusters of `{evidence.cluster}` need predictions, and {reason}")
    first, second = (side.find(rule.metric, rule.target) for side in (baseline, evidence.candidate))
    if second is not None and _is_counted_against(second, baseline.sha256):
        return _from_counts(rule, second)
    if first is not None and second is not None:
        return _unpaired(rule, first, second, reason)
    flips = evidence.candidate.find("flip_rate", rule.target)
    if rule.metric == "accuracy" and flips is not None and flips.details.get("baseline") == baseline.sha256:
        n = int(flips.details.get("n", 0))
        return counted_finding(rule, round(flips.samples[0][0] * n), n, origin=flips.origin)
    return Finding(missing=f"`{rule.metric}` was not measured of both models")


def _is_counted_against(measurement: Measurement, baseline: str) -> bool:
    details = measurement.details
    return {"losses", "gains", "n"} <= details.keys() and details.get("baseline") == baseline


def _from_counts(rule: Rule, own: Measurement) -> Finding:
    """Losses and gains that `compare` counted against this very baseline."""
    losses, gains, n = (int(own.details[name]) for name in ("losses", "gains", "n"))
    value = own.samples[0][0]
    before = value - (gains - losses) / n
    return Finding(
        estimate=counted_estimate(losses, gains, n),
        limit=rule.limit(before) - before,
        shown_value=value,
        shown_limit=rule.limit(before),
        origin=own.origin,
    )


def _unpaired(rule: Rule, first: Measurement, second: Measurement, reason: str) -> Finding:
    """Two shares of which only values and counts are known, as independent proportions.

    Newcombe 1998 (Statistics in Medicine 17:873-890), method 10: squares of the Wilson half-widths add up.
    """
    before, after = recorded_estimate(first), recorded_estimate(second)
    estimate = Estimate(
        value=after.value - before.value,
        interval=lambda confidence: _independent_difference(before, after, confidence),
        basis=f"unpaired, since {reason}; pairs decide sooner",
    )
    limit = rule.limit(before.value)
    return Finding(
        estimate=estimate,
        limit=limit - before.value,
        shown_value=after.value,
        shown_limit=limit,
        origin=second.origin,
    )


def _independent_difference(before: Estimate, after: Estimate, confidence: float) -> Interval:
    assert before.interval is not None
    assert after.interval is not None
    (low_before, high_before), (low_after, high_after) = before.interval(confidence), after.interval(confidence)
    difference = after.value - before.value
    down = np.hypot(after.value - low_after, high_before - before.value)
    up = np.hypot(high_after - after.value, before.value - low_before)
    return difference - float(down), difference + float(up)
