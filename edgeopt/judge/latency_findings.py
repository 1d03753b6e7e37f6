"""Findings about latency: against a limit, or against a baseline timed by turns with the candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding, unlike
from edgeopt.judge.intervals import Interval
from edgeopt.judge.latency import MINIMUM_EFFECT, log_quantiles, log_ratios, quantile_interval, slowdown_interval
from edgeopt.judge.rules import Rule
from edgeopt.judge.second_look import least_effect, looks_at, second_samples
from edgeopt.units import Dimension

QUANTILES = {"p50": 0.5, "median": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """Latency of one side.

    Attributes:
        samples: Seconds per call, a sequence per process.
        calls: Calls timed in a row.
        session: Equal ones mark samples that were taken by turns.
        second: Of `samples`, those of the second look; None where there was one look.
        effect: The smallest relative change that counts.
    """

    samples: Sequence[Sequence[float]]
    calls: int
    session: str
    second: Sequence[Sequence[float]] | None
    effect: float

    def quantile(self, quantile: float) -> float:
        """A quantile of all samples, in seconds."""
        return float(np.quantile([value for process in self.samples for value in process], quantile))

    def second_look(self) -> _Latency:
        """The second look alone; all there is where there was one look."""
        return self if self.second is None else replace(self, samples=self.second)


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
    second = _as_latency(own).second_look().quantile(QUANTILES[rule.statistic]) if looks_at(own) > 1 else None
    return Finding(
        estimate=estimate, limit=limit, shown_value=estimate.value, shown_limit=limit, origin=own.origin, second=second
    )


def _stated_interval(measurement: Measurement) -> Interval:
    """The 90 % interval that an estimate states; unbounded where it states none."""
    low, high = measurement.details.get("interval90", (0.0, float("inf")))
    return float(low), float(high)


def _as_latency(measurement: Measurement) -> _Latency:
    details, is_seen_twice = measurement.details, looks_at(measurement) > 1
    return _Latency(
        samples=measurement.samples,
        calls=int(details.get("calls_per_block", 1)),
        session=str(details.get("session", "")),
        second=second_samples(measurement) if is_seen_twice else None,
        # One look knows the noise no better than the slowdown; a second look decides beside the noise of both.
        effect=least_effect(float(details.get("noise", 1.0))) if is_seen_twice else MINIMUM_EFFECT,
    )


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

    effect = second.effect if is_paired else MINIMUM_EFFECT
    least = effect * factor if rule.is_upper and 0 <= rule.quantity.value < effect * factor else None
    turns = "timed by turns with the baseline" if is_paired else "not timed by turns"
    told = f"; a slowdown counts from {effect:.1%} on".replace(".0%", "%") if least is not None else ""
    again = None
    if second.second is not None:
        looks = (first.second_look() if is_paired else first, second.second_look())
        again = _slowdown(*looks, quantile, calls, is_paired=is_paired) * factor
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
        second=again,
        second_least=None if least is None else MINIMUM_EFFECT * factor,
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
    if latency.second is not None:
        return f"{count} processes in two looks"
    return f"{count} processes" if count > 1 else "1 process: what differs between processes is not in the bounds"
