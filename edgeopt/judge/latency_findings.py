"""Findings about latency: against a limit, or against a baseline timed by turns with the candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding, unlike
from edgeopt.judge.intervals import Interval
from edgeopt.judge.latency import MINIMUM_EFFECT, log_quantiles, log_ratios, quantile_interval, slowdown_interval
from edgeopt.judge.rules import Rule
from edgeopt.units import Dimension

QUANTILES = {"p50": 0.5, "median": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """Latency of one side: raw samples per process, the unit of resampling, and the session they were taken in."""

    samples: Sequence[Sequence[float]]
    calls: int
    session: str

    def quantile(self, quantile: float) -> float:
        """A quantile of all samples, in seconds."""
        return float(np.quantile([value for process in self.samples for value in process], quantile))


def latency_finding(rule: Rule, evidence: Evidence) -> Finding:
    """What the candidate's latency says about `rule`."""
    own = evidence.candidate.find("latency", rule.target)
    if own is None:
        return Finding(missing=f"latency was not measured on `{rule.target}`")
    if rule.is_relative:
        return _against_baseline(rule, evidence, own)
    if own.origin is Origin.ESTIMATED:
        value = own.samples[0][0]
        estimate = Estimate(value=value, interval=lambda _: _stated_interval(own), basis="an estimate")
    else:
        latency, quantile = _as_latency(own), QUANTILES[rule.statistic]
        estimate = Estimate(
            value=latency.quantile(quantile),
            interval=lambda confidence: quantile_interval(
                latency.samples, quantile, confidence, calls_per_block=latency.calls
            ),
            basis=_processes(latency),
        )
    limit = rule.quantity.value
    return Finding(estimate=estimate, limit=limit, shown_value=estimate.value, shown_limit=limit, origin=own.origin)


def _stated_interval(measurement: Measurement) -> Interval:
    """The 90 % interval that an estimate states; unbounded where it states none."""
    low, high = measurement.details.get("interval90", (0.0, float("inf")))
    return float(low), float(high)


def _as_latency(measurement: Measurement) -> _Latency:
    details = measurement.details
    calls, session = int(details.get("calls_per_block", 1)), str(details.get("session", ""))
    return _Latency(samples=measurement.samples, calls=calls, session=session)


def _against_baseline(rule: Rule, evidence: Evidence, own: Measurement) -> Finding:
    other = evidence.baseline.find("latency", rule.target) if evidence.baseline else None
    if other is None or evidence.baseline is None:
        return Finding(missing=f"latency of the baseline was not measured on `{rule.target}`")
    reason = unlike(own, other, evidence)
    if reason:
        return Finding(missing=reason)
    first, second, quantile = _as_latency(other), _as_latency(own), QUANTILES[rule.statistic]
    before, after = first.quantile(quantile), second.quantile(quantile)
    factor = 1.0 if rule.quantity.dimension is Dimension.PERCENT else before
    is_paired, calls = _are_by_turns(first, second), min(first.calls, second.calls)

    def interval(confidence: float) -> Interval:
        low, high = slowdown_interval(
            first.samples, second.samples, quantile, confidence, calls_per_block=calls, is_paired=is_paired
        )
        return (low - 1) * factor, (high - 1) * factor

    least = MINIMUM_EFFECT * factor if rule.is_upper and 0 <= rule.quantity.value < MINIMUM_EFFECT * factor else None
    turns = "timed by turns with the baseline" if is_paired else "not timed by turns"
    told = f"; a slowdown counts from {MINIMUM_EFFECT:.0%} on" if least is not None else ""
    return Finding(
        estimate=Estimate(
            value=_slowdown(first, second, quantile, calls, is_paired=is_paired) * factor,
            interval=interval,
            basis=f"{turns}; {_processes(second)}{told}",
        ),
        limit=rule.quantity.value,
        least=least,
        shown_value=after,
        shown_limit=rule.limit(before),
        origin=own.origin,
    )


def _are_by_turns(first: _Latency, second: _Latency) -> bool:
    is_same_session = bool(first.session) and first.session == second.session
    return is_same_session and len(first.samples) == len(second.samples)


def _slowdown(first: _Latency, second: _Latency, quantile: float, calls: int, *, is_paired: bool) -> float:
    """Candidate time over baseline time, less 1: the geometric mean over processes."""
    if is_paired:
        logs = -log_ratios(first.samples, second.samples, quantile, calls_per_block=calls)
        return math.expm1(float(logs.mean()))
    before, after = (log_quantiles(side.samples, quantile, calls_per_block=calls).mean() for side in (first, second))
    return math.expm1(float(after - before))


def _processes(latency: _Latency) -> str:
    """How many processes, and what one alone does not show."""
    count = len(latency.samples)
    return f"{count} processes" if count > 1 else "1 process: what differs between processes is not in the bounds"
