"""What earlier runs tell of spread: how far errors differ from sample to sample, and times from process to process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.accuracy_findings import accuracy_findings
from edgeopt.judge.estimate import ALPHA, Estimate
from edgeopt.judge.evidence import Evidence
from edgeopt.judge.intervals import CONFIDENCE, normal_quantile
from edgeopt.judge.latency import log_quantiles, log_ratios
from edgeopt.judge.latency_findings import QUANTILES
from edgeopt.judge.plan.history import History, rows_by_part
from edgeopt.judge.rules import Rule
from edgeopt.judge.student import student_quantile

# The spread of fewer processes is known too badly: of 4 it may be 1.9 times what was seen.
LEAST_PROCESSES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A mean in an earlier run, and the spread that its interval shows.

    Attributes:
        value: The figure of the rule: a difference where it is relative to the baseline.
        baseline: The baseline's own value; NaN where the rule is not relative.
        deviation: Standard deviation of one sample; 0 where all were alike.
        n: Samples.
        run: Name of the run.
    """

    value: float
    baseline: float
    deviation: float
    n: int
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How far the times of processes differ.

    Attributes:
        deviation: Standard deviation, over processes, of the logarithm of what one process shows.
        slowdown: ln of the candidate's time over the baseline's; None where no pair was timed.
        seconds: The candidate's time, and the baseline's; None where they were not timed.
        source: The run that it is from, or that it is assumed.
        origin: Where it was measured; `estimated` where it is assumed.
    """

    deviation: float
    slowdown: float | None = None
    seconds: tuple[float, float] | None = None
    source: str
    origin: Origin


def mean_spreads(rule: Rule, histories: Iterable[History]) -> tuple[Spread | None, dict[str, Spread]]:
    """What the first run that knows tells of all samples, and of each value of the rule's slice column.

    The variance of one sample is n times the squared standard error that the judge's own interval has there: this holds
    for every metric that has one.

    Raises:
        InputError: The metric does not suit the recorded predictions.
    """
    for history in histories:
        spreads = dict(_judged_spreads(rule, history)) if history.evidence else {}
        whole = spreads.pop("", None) or _recorded_spread(rule, history)
        if whole or spreads:
            return whole, spreads
    return None, {}


def paired_noise(rule: Rule, histories: Iterable[History]) -> Noise | None:
    """The spread of the ratio of both models' times between processes.

    Of the pair itself where it was timed by turns on this machine, else of the base against itself in any run here.
    """
    here = [history for history in histories if history.is_here]
    for history in here:
        base, own = _timed(history, rule)
        if base and own and _is_by_turns(base, own):
            quantile = QUANTILES[rule.statistic]
            calls = min(_calls(base), _calls(own))
            logs = log_ratios(base.samples, own.samples, quantile, calls_per_block=calls)
            return Noise(
                deviation=float(logs.std(ddof=1)),
                slowdown=-float(logs.mean()),
                seconds=(_pooled(own, quantile), _pooled(base, quantile)),
                source=f"{history.name}: {len(logs)} processes",
                origin=own.origin,
            )
    return next((noise for noise in map(_noise_of_base, here) if noise), None)


def own_noise(rule: Rule, histories: Iterable[History]) -> Noise | None:
    """The spread of the candidate's own time between processes, where it was timed on this machine."""
    quantile = QUANTILES[rule.statistic]
    for history in histories:
        base, own = _timed(history, rule) if history.is_here else (None, None)
        if own and len(own.samples) >= LEAST_PROCESSES:
            logs = log_quantiles(own.samples, quantile, calls_per_block=_calls(own))
            seconds = _pooled(own, quantile)
            return Noise(
                deviation=float(logs.std(ddof=1)),
                seconds=(seconds, _pooled(base, quantile) if base else math.nan),
                source=f"{history.name}: {len(logs)} processes",
                origin=own.origin,
            )
    return None


def _judged_spreads(rule: Rule, history: History) -> Iterator[tuple[str, Spread]]:
    """(part, spread) from the judge's findings on what was recorded; the part is empty for all samples."""
    evidence = history.evidence
    assert evidence is not None
    counts = _counts(rule, evidence)
    for finding in accuracy_findings(rule, evidence):
        n = counts.get(finding.part, 0)
        deviation = _deviation(finding.estimate, n) if finding.estimate else None
        if finding.estimate and deviation is not None and finding.shown_value is not None:
            value = finding.estimate.value
            baseline = finding.shown_value - value if rule.is_relative else math.nan
            yield finding.part, Spread(value=value, baseline=baseline, deviation=deviation, n=n, run=history.name)


def _counts(rule: Rule, evidence: Evidence) -> dict[str, int]:
    """Samples by part; those of all under the empty name."""
    predictions = evidence.candidate.predictions
    if predictions is None:
        return {}
    parts = {part: len(rows) for part, rows in rows_by_part(predictions, rule.slice_column)}
    return {"": predictions.n, **parts}


def _deviation(estimate: Estimate, n: int) -> float | None:
    """Of one sample; None where the interval is not known."""
    if estimate.interval is None or n < 2:
        return None
    low, high = estimate.interval(1 - 2 * ALPHA)
    error = (high - low) / 2 / normal_quantile(1 - 2 * ALPHA)
    return error * math.sqrt(n) if math.isfinite(error) else None


def _recorded_spread(rule: Rule, history: History) -> Spread | None:
    """From the 95 % interval that a record holds of the very figure that the rule is about."""
    if rule.is_relative:
        told = history.comparison
        value, baseline = told.get("difference"), told.get("baseline")
        factor = 100 if told.get("unit") == "pt" else 1
        if told.get("metric") != rule.metric:
            return None
    else:
        own = history.evidence.candidate.find(rule.metric, rule.target) if history.evidence else None
        told, factor = (own.details if own else {}), 1
        value, baseline = (own.samples[0][0] if own else None), math.nan
    ends, n = told.get("ci95"), told.get("n")
    numbers = (value, baseline, *(ends if isinstance(ends, list) and len(ends) == 2 else (None, None)), n)
    if rule.slice_column or not all(isinstance(number, int | float) for number in numbers):
        return None
    value, baseline, low, high, n = (float(number) for number in numbers if number is not None)
    error = (high - low) / 2 / normal_quantile(CONFIDENCE) / factor
    if not math.isfinite(error) or error < 0 or n < 2:
        return None
    return Spread(value=value, baseline=baseline, deviation=error * math.sqrt(n), n=int(n), run=history.name)


def _noise_of_base(history: History) -> Noise | None:
    """From the interval of the base against itself: half of its width is t times the standard error of the mean."""
    ends = history.noise.get("ci95") if history.noise else None
    n = history.processes
    is_usable = isinstance(ends, list) and len(ends) == 2 and all(_is_positive(end) for end in ends)
    if not is_usable or n < LEAST_PROCESSES:
        return None
    assert ends is not None
    low, high = ends
    error = math.log(high / low) / 2 / student_quantile(CONFIDENCE, n - 1)
    if error < 0:
        return None
    source = f"{history.name}: a model against itself, {n} processes"
    return Noise(deviation=error * math.sqrt(n), source=source, origin=Origin.HOST)


def _timed(history: History, rule: Rule) -> tuple[Measurement | None, Measurement | None]:
    """Latency of (baseline, candidate)."""
    evidence = history.evidence
    if evidence is None:
        return None, None
    base = evidence.baseline.find("latency", rule.target) if evidence.baseline else None
    own = evidence.candidate.find("latency", rule.target)
    return base, own if own and own.origin is not Origin.ESTIMATED else None


def _is_by_turns(base: Measurement, own: Measurement) -> bool:
    session = own.details.get("session")
    is_same = bool(session) and session == base.details.get("session")
    return is_same and len(base.samples) == len(own.samples) >= LEAST_PROCESSES


def _calls(measurement: Measurement) -> int:
    calls = measurement.details.get("calls_per_block")
    return calls if isinstance(calls, int) and calls > 0 else 1


def _pooled(measurement: Measurement, quantile: float) -> float:
    """A quantile of all samples, in seconds."""
    return float(np.quantile([value for process in measurement.samples for value in process], quantile))


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
