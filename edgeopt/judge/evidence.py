"""What was measured of a candidate and its baseline, turned into the estimate that a rule asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.compare import Predictions
from edgeopt.judge.estimate import Estimate, Interval
from edgeopt.judge.intervals import bootstrap_interval, samples_to_decide, tango_interval, wilson_interval
from edgeopt.judge.latency import interval_of, quantile_draws, ratio_draws
from edgeopt.judge.metrics import METRICS, correctness
from edgeopt.judge.rules import RULE_METRICS, Rule
from edgeopt.units import Dimension

SMALLEST_SLICE = 200
_QUANTILES = {"p50": 0.5, "median": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two models.

    Attributes:
        sha256: Digest of the artifact.
        machine: Identity of the machine that the figures come from.
        measurements: All that was measured of it.
        predictions: Scores per sample, where they are at hand.
    """

    sha256: str
    machine: str = ""
    measurements: tuple[Measurement, ...] = ()
    predictions: Predictions | None = None

    def find(self, metric: str, target: str) -> Measurement | None:
        """The last measurement of a metric on a target."""
        found = [m for m in self.measurements if m.metric == metric and m.target == target]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A candidate and what it is held against."""

    candidate: Side
    baseline: Side | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the evidence says about a rule, or about one slice of it.

    Attributes:
        estimate: The figure; None where there is no evidence.
        limit: The limit in the estimate's terms.
        shown_value: The candidate's own figure in the base unit.
        shown_limit: The limit on that figure.
        origin: Where the figure comes from.
        missing: Why there is no estimate.
        part: Value of the slice column; empty for all samples.
    """

    estimate: Estimate | None = None
    limit: float = 0.0
    shown_value: float | None = None
    shown_limit: float | None = None
    origin: Origin | None = None
    missing: str = ""
    part: str = ""


def findings(rule: Rule, evidence: Evidence) -> list[Finding]:
    """What the evidence says about `rule`: one finding, or one per slice."""
    if rule.metric == "flip_rate":
        return _by_slice(rule, evidence, _flip_rate)
    if rule.metric == "sqnr":
        return [_sqnr(rule, evidence)]
    if rule.metric in METRICS:
        return _by_slice(rule, evidence, _task_metric)
    if rule.slice_column:
        return [Finding(missing=f"`{rule.metric}` cannot be sliced")]
    return [_latency(rule, evidence) if rule.metric == "latency" else _plain(rule, evidence)]


Rows = NDArray[np.int64]


def _by_slice(rule: Rule, evidence: Evidence, judge: Callable[[Rule, Evidence, Rows | None], Finding]) -> list[Finding]:
    if not rule.slice_column:
        return [judge(rule, evidence, None)]
    predictions = evidence.candidate.predictions
    column = predictions.columns.get(rule.slice_column) if predictions else None
    if column is None:
        return [Finding(missing=f"the data has no column `{rule.slice_column}`")]
    found = []
    for value in np.unique(column):
        rows = np.flatnonzero(column == value)
        part = f"{rule.slice_column}={value}"
        if len(rows) < SMALLEST_SLICE:
            missing = f"{part} holds {len(rows)} samples, fewer than the {SMALLEST_SLICE} that can be judged"
            found.append(Finding(missing=missing, part=part))
        else:
            found.append(_named(judge(rule, evidence, rows), part))
    return found


def _named(finding: Finding, part: str) -> Finding:
    return replace(finding, part=part)


def _pair(evidence: Evidence, rows: Rows | None) -> tuple[Predictions, Predictions] | str:
    """Predictions of (baseline, candidate) on the same samples, or why there are none."""
    if evidence.baseline is None:
        return "there is no baseline"
    first, second = evidence.baseline.predictions, evidence.candidate.predictions
    if first is None or second is None:
        return "there are no predictions of both models on the same samples"
    if first.n != second.n:
        return f"the baseline was judged on {first.n} samples and the candidate on {second.n}"
    return (first, second) if rows is None else (first.rows(rows), second.rows(rows))


def _flip_rate(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    pair = _pair(evidence, rows)
    if isinstance(pair, str):
        return Finding(missing=pair)
    from edgeopt.judge.compare import count_flips

    flips, n = count_flips(*pair), pair[0].n
    estimate = Estimate(
        value=flips / n,
        interval=lambda confidence: wilson_interval(flips, n, confidence),
        basis=f"{flips} of {n} predictions changed",
    )
    return Finding(
        estimate=estimate,
        limit=rule.quantity.value,
        shown_value=flips / n,
        shown_limit=rule.quantity.value,
        origin=Origin.HOST,
    )


def _sqnr(rule: Rule, evidence: Evidence) -> Finding:
    pair = _pair(evidence, None)
    if isinstance(pair, str):
        return Finding(missing=pair)
    from edgeopt.judge.compare import signal_to_noise_db

    value = signal_to_noise_db(pair[0].scores, pair[1].scores)
    limit = rule.quantity.value
    estimate = Estimate(value=value, basis=f"over {pair[0].n} samples")
    return Finding(estimate=estimate, limit=limit, shown_value=value, shown_limit=limit, origin=Origin.HOST)


def _task_metric(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    if rule.is_relative:
        return _paired_metric(rule, evidence, rows)
    predictions = evidence.candidate.predictions
    if predictions is not None and predictions.labels is not None:
        chosen = predictions if rows is None else predictions.rows(rows)
        estimate = _metric_estimate(rule.metric, chosen, evidence.seed)
    else:
        measurement = evidence.candidate.find(rule.metric, rule.target)
        if measurement is None or rows is not None:
            return Finding(missing=f"`{rule.metric}` was not measured: labelled data is needed")
        estimate = _estimate_from_share(measurement)
    limit = rule.quantity.value
    return Finding(
        estimate=estimate, limit=limit, shown_value=estimate.value, shown_limit=limit, origin=Origin.HOST
    )


def _estimate_from_share(measurement: Measurement) -> Estimate:
    """A share of which only the value and the number of samples are known."""
    value, n = measurement.samples[0][0], int(measurement.details.get("n", 0))
    if measurement.metric not in ("accuracy", "top5") or n == 0:
        return Estimate(value=value, interval=lambda _: (-np.inf, np.inf), basis="its interval is not known")
    return Estimate(
        value=value, interval=lambda confidence: wilson_interval(value * n, n, confidence), basis=f"{n} samples"
    )


def _metric_estimate(name: str, predictions: Predictions, seed: int) -> Estimate:
    scores, labels = predictions.scores, predictions.labels
    assert labels is not None
    if name == "accuracy":
        right, n = int(correctness(scores, labels).sum()), predictions.n
        return Estimate(
            value=right / n,
            interval=lambda confidence: wilson_interval(right, n, confidence),
            basis=f"{right} of {n} right",
        )
    function = METRICS[name].function
    return Estimate(
        value=function(scores, labels),
        interval=lambda confidence: bootstrap_interval(
            lambda rows: function(scores[rows], labels[rows]), predictions.n, seed=seed, confidence=confidence
        ),
        basis=f"bootstrap of {predictions.n} samples",
    )


def _paired_metric(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    """The difference candidate - baseline against the allowance."""
    pair = _pair(evidence, rows)
    if isinstance(pair, str):
        return _unpaired_metric(rule, evidence, pair) if rows is None else Finding(missing=pair)
    first, second = pair
    if first.labels is None or second.labels is None:
        return Finding(missing="the data has no labels (`y`)")
    function = METRICS[rule.metric].function
    before, after = function(first.scores, first.labels), function(second.scores, second.labels)
    if rule.metric == "accuracy":
        estimate = _paired_accuracy(first, second)
    else:
        estimate = Estimate(
            value=after - before,
            interval=_paired_bootstrap(function, first, second, evidence.seed),
            basis=f"paired bootstrap of {first.n} samples",
        )
    return Finding(
        estimate=estimate,
        limit=rule.limit(before) - before,
        shown_value=after,
        shown_limit=rule.limit(before),
        origin=Origin.HOST,
    )


def _paired_accuracy(first: Predictions, second: Predictions) -> Estimate:
    assert first.labels is not None and second.labels is not None
    before, after = correctness(first.scores, first.labels), correctness(second.scores, second.labels)
    losses, gains, n = int(np.sum(before & ~after)), int(np.sum(~before & after)), first.n
    return Estimate(
        value=(gains - losses) / n,
        interval=lambda confidence: tango_interval(losses, gains, n, confidence),
        basis=f"{losses} lost and {gains} gained of {n} paired samples (Tango's score interval)",
        needed=lambda limit: samples_to_decide((gains - losses) / n, (gains + losses) / n, -limit),
    )


def _paired_bootstrap(
    function: Callable[[NDArray[np.generic], NDArray[np.generic]], float],
    first: Predictions,
    second: Predictions,
    seed: int,
) -> Callable[[float], Interval]:
    def difference(rows: Rows) -> float:
        assert first.labels is not None and second.labels is not None
        return function(second.scores[rows], second.labels[rows]) - function(first.scores[rows], first.labels[rows])

    return lambda confidence: bootstrap_interval(difference, first.n, seed=seed, confidence=confidence)


def _unpaired_metric(rule: Rule, evidence: Evidence, reason: str) -> Finding:
    """Two shares of which only values and counts are known: Newcombe's interval of independent proportions.

    Newcombe 1998 (Statistics in Medicine 17:873-890), method 10: the squares of the Wilson half-widths add up.
    """
    if evidence.baseline is None:
        return Finding(missing=reason)
    first, second = (side.find(rule.metric, rule.target) for side in (evidence.baseline, evidence.candidate))
    if first is None or second is None:
        return Finding(missing=f"`{rule.metric}` was not measured of both models")
    before, after = _estimate_from_share(first), _estimate_from_share(second)

    def interval(confidence: float) -> Interval:
        assert before.interval and after.interval
        (low_before, high_before), (low_after, high_after) = before.interval(confidence), after.interval(confidence)
        down = np.hypot(after.value - low_after, high_before - before.value)
        up = np.hypot(high_after - after.value, before.value - low_before)
        return after.value - before.value - float(down), after.value - before.value + float(up)

    estimate = Estimate(
        value=after.value - before.value, interval=interval, basis=f"unpaired, since {reason}; pairs decide sooner"
    )
    return Finding(
        estimate=estimate,
        limit=rule.limit(before.value) - before.value,
        shown_value=after.value,
        shown_limit=rule.limit(before.value),
        origin=second.origin,
    )


def _plain(rule: Rule, evidence: Evidence) -> Finding:
    """A figure that is judged by a plain tolerance: its median, against the limit."""
    own = evidence.candidate.find(RULE_METRICS[rule.metric].measurement, rule.target)
    if own is None and rule.metric == "size":
        own = next((m for m in evidence.candidate.measurements if m.metric == "size"), None)
    if own is None:
        return Finding(missing=f"`{rule.metric}` was not measured on `{rule.target}`")
    before = _baseline_median(rule, evidence)
    if rule.is_relative and before is None:
        return Finding(missing=f"`{rule.metric}` of the baseline was not measured on `{rule.target}`")
    value, limit = _median(own.samples), rule.limit(before)
    return Finding(
        estimate=Estimate(value=value, basis="plain tolerance"),
        limit=limit,
        shown_value=value,
        shown_limit=limit,
        origin=own.origin,
    )


def _baseline_median(rule: Rule, evidence: Evidence) -> float | None:
    if evidence.baseline is None:
        return None
    found = evidence.baseline.find(RULE_METRICS[rule.metric].measurement, rule.target)
    if found is None and rule.metric == "size":
        found = next((m for m in evidence.baseline.measurements if m.metric == "size"), None)
    return _median(found.samples) if found else None


def _median(samples: Sequence[Sequence[float]]) -> float:
    return float(np.median([value for process in samples for value in process]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """Latency of one side: raw samples and the unit of resampling."""

    samples: Sequence[Sequence[float]]
    calls: int
    session: str = field(default="")

    def quantile(self, quantile: float) -> float:
        """A quantile of all samples, in seconds."""
        return float(np.quantile([value for process in self.samples for value in process], quantile))


def _latency(rule: Rule, evidence: Evidence) -> Finding:
    own = evidence.candidate.find("latency", rule.target)
    if own is None:
        return Finding(missing=f"latency was not measured on `{rule.target}`")
    quantile = _QUANTILES[rule.statistic]
    if own.origin is Origin.ESTIMATED:
        value = own.samples[0][0]
        return Finding(estimate=Estimate(value=value), limit=rule.limit(None), shown_value=value, origin=own.origin)
    latency = _as_latency(own)
    if not rule.is_relative:
        draws = quantile_draws(latency.samples, quantile, calls_per_block=latency.calls, seed=evidence.seed)
        estimate = Estimate(
            value=latency.quantile(quantile),
            interval=lambda confidence: interval_of(draws, confidence),
            basis=f"{len(latency.samples)} processes",
        )
        limit = rule.quantity.value
        return Finding(
            estimate=estimate, limit=limit, shown_value=estimate.value, shown_limit=limit, origin=own.origin
        )
    return _relative_latency(rule, evidence, own, quantile)


def _as_latency(measurement: Measurement) -> _Latency:
    details = measurement.details
    calls, session = int(details.get("calls_per_block", 1)), str(details.get("session", ""))
    return _Latency(samples=measurement.samples, calls=calls, session=session)


def _relative_latency(rule: Rule, evidence: Evidence, own: Measurement, quantile: float) -> Finding:
    other = evidence.baseline.find("latency", rule.target) if evidence.baseline else None
    if other is None or evidence.baseline is None:
        return Finding(missing=f"latency of the baseline was not measured on `{rule.target}`")
    if evidence.baseline.machine != evidence.candidate.machine:
        return Finding(missing="the baseline was measured on another machine; measure it again on this one")
    first, second = _as_latency(other), _as_latency(own)
    before, after = first.quantile(quantile), second.quantile(quantile)
    ratios = _slowdowns(first, second, quantile, evidence.seed)
    is_share = rule.quantity.dimension is Dimension.PERCENT
    factor = 1.0 if is_share else before
    estimate = Estimate(
        value=float(np.median(ratios) - 1) * factor,
        interval=lambda confidence: _scaled(interval_of(ratios - 1, confidence), factor),
        basis="taken in turn with the baseline" if first.session == second.session else "not taken in turn",
    )
    return Finding(
        estimate=estimate,
        limit=rule.quantity.value,
        shown_value=after,
        shown_limit=rule.limit(before),
        origin=own.origin,
    )


def _slowdowns(first: _Latency, second: _Latency, quantile: float, seed: int) -> NDArray[np.float64]:
    """(resample,) candidate time over baseline time; paired by process where they were taken in turn."""
    calls = min(first.calls, second.calls)
    if first.session and first.session == second.session and len(first.samples) == len(second.samples):
        return 1 / ratio_draws(first.samples, second.samples, quantile, calls_per_block=calls, seed=seed)
    return quantile_draws(second.samples, quantile, calls_per_block=calls, seed=seed) / quantile_draws(
        first.samples, quantile, calls_per_block=calls, seed=seed + 1
    )


def _scaled(interval: Interval, factor: float) -> Interval:
    return interval[0] * factor, interval[1] * factor
