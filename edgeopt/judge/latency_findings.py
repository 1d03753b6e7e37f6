"""Findings about latency: against a limit, or against a baseline timed by turns with the candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.estimate import Estimate
from edgeopt.judge.evidence import Evidence, Finding, unlike
from edgeopt.judge.intervals import Interval
from edgeopt.judge.latency import interval_of, quantile_draws, ratio_draws
from edgeopt.judge.rules import Rule
from edgeopt.units import Dimension

_QUANTILES = {"p50": 0.5, "median": 0.5, "p90": 0.9}


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
        latency, quantile = _as_latency(own), _QUANTILES[rule.statistic]
        draws = quantile_draws(latency.samples, quantile, calls_per_block=latency.calls, seed=evidence.seed)
        estimate = Estimate(
            value=latency.quantile(quantile),
            interval=lambda confidence: interval_of(draws, confidence),
            basis=f"{len(latency.samples)} processes",
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
    first, second, quantile = _as_latency(other), _as_latency(own), _QUANTILES[rule.statistic]
    before, after = first.quantile(quantile), second.quantile(quantile)
    slowdowns = _slowdowns(first, second, quantile, evidence.seed) - 1
    factor = 1.0 if rule.quantity.dimension is Dimension.PERCENT else before
    estimate = Estimate(
        value=float(np.median(slowdowns)) * factor,
        interval=lambda confidence: interval_of(slowdowns * factor, confidence),
        basis="timed by turns with the baseline" if _are_by_turns(first, second) else "not timed by turns",
    )
    return Finding(
        estimate=estimate,
        limit=rule.quantity.value,
        shown_value=after,
        shown_limit=rule.limit(before),
        origin=own.origin,
    )


def _are_by_turns(first: _Latency, second: _Latency) -> bool:
    is_same_session = bool(first.session) and first.session == second.session
    return is_same_session and len(first.samples) == len(second.samples)


def _slowdowns(first: _Latency, second: _Latency, quantile: float, seed: int) -> NDArray[np.float64]:
    """(resample,) candidate time over baseline time; paired by process where they were timed by turns."""
    calls = min(first.calls, second.calls)
    if _are_by_turns(first, second):
        return 1 / ratio_draws(first.samples, second.samples, quantile, calls_per_block=calls, seed=seed)
    after = quantile_draws(second.samples, quantile, calls_per_block=calls, seed=seed)
    return after / quantile_draws(first.samples, quantile, calls_per_block=calls, seed=seed + 1)
