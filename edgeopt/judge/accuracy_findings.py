"""Findings that rest on predictions: task metrics, flips and signal-to-noise, for all samples or per slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.measurement import Origin
from edgeopt.errors import InputError
from edgeopt.judge.answers import Answers, answers_from_scores
from edgeopt.judge.churn import churn_finding
from edgeopt.judge.clusters import cluster_numbers
from edgeopt.judge.estimate import Estimate, samples_that_decide
from edgeopt.judge.evidence import Evidence, Finding
from edgeopt.judge.intervals import Bounds
from edgeopt.judge.labels import Task
from edgeopt.judge.metrics import Metric, suited_metric
from edgeopt.judge.predictions import (
    Predictions,
    flipped,
    paired_answers,
    paired_clusters,
    signal_to_noise_db,
    task_of,
)
from edgeopt.judge.recorded_findings import counted_estimate, recorded_change, recorded_estimate
from edgeopt.judge.rules import HOST, Rule
from edgeopt.judge.slices import SMALLEST_SLICE
from edgeopt.judge.statistics import HitShare, share_bounds

Rows = NDArray[np.int64]


def accuracy_findings(rule: Rule, evidence: Evidence) -> list[Finding]:
    """One finding for all samples, or one per value of the rule's slice column."""
    judge = _JUDGES.get(rule.metric, _task_metric)
    if rule.target != HOST:
        evidence = _without_predictions(evidence)
    if not rule.slice_column:
        return [judge(rule, evidence, None)]
    predictions = evidence.candidate.predictions
    if predictions is None:
        return [Finding(missing=f"slices need predictions, and there are none of `{rule.target}`")]
    column = predictions.columns.get(rule.slice_column)
    if column is None:
        return [Finding(missing=f"the data has no column `{rule.slice_column}`")]
    return [
        _slice_finding(rule, evidence, judge, f"{rule.slice_column}={value}", np.flatnonzero(column == value))
        for value in np.unique(column)
    ]


def _without_predictions(evidence: Evidence) -> Evidence:
    """The evidence for another target: predictions are made on this machine, and say nothing of it."""
    baseline = evidence.baseline
    return replace(
        evidence,
        candidate=replace(evidence.candidate, predictions=None),
        baseline=replace(baseline, predictions=None) if baseline else None,
    )


_Judge = Callable[[Rule, Evidence, Rows | None], Finding]


def _slice_finding(rule: Rule, evidence: Evidence, judge: _Judge, part: str, rows: Rows) -> Finding:
    if len(rows) < SMALLEST_SLICE:
        missing = f"{part} holds {len(rows)} samples, fewer than the {SMALLEST_SLICE} that can be judged"
        return Finding(missing=missing, part=part)
    try:
        return replace(judge(rule, evidence, rows), part=part)
    except InputError as error:  # an AUC of a slice that holds one class
        return Finding(missing=f"{part}: {error.message}", part=part)


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
    pair = _pair(evidence, None)
    if isinstance(pair, str):
        return _recorded_difference(rule, evidence, rows, pair)
    changed, clusters = _changed(pair, evidence, rows)
    flips, n = int(changed.sum()), len(changed)
    estimate = Estimate(
        value=flips / n,
        interval=share_bounds(changed, seed=evidence.seed, clusters=clusters),
        basis=f"{flips} of {n} predictions changed",
    )
    return _absolute(rule, estimate)


def _changed(
    pair: tuple[Predictions, Predictions], evidence: Evidence, rows: Rows | None
) -> tuple[NDArray[np.bool_], Rows | None]:
    """(sample,) whether each prediction changed, and the clusters of the samples."""
    changed, clusters = flipped(*pair), paired_clusters(*pair, evidence.cluster)
    if rows is None:
        return changed, clusters
    return changed[rows], None if clusters is None else clusters[rows]


def _sqnr(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    pair = _pair(evidence, rows)
    if isinstance(pair, str):
        return _recorded_difference(rule, evidence, rows, pair)
    value = signal_to_noise_db(pair[0].scores, pair[1].scores)
    return _absolute(rule, Estimate(value=value, basis=f"over {pair[0].n} samples"))


def _recorded_difference(rule: Rule, evidence: Evidence, rows: Rows | None, reason: str) -> Finding:
    """A difference that `compare` recorded, where it was one from this very baseline; else `reason`."""
    own, baseline = evidence.candidate.find(rule.metric, rule.target), evidence.baseline
    if own is None or rows is not None or (baseline and own.details.get("baseline") != baseline.sha256):
        return Finding(missing=reason)
    value, n = own.samples[0][0], int(own.details.get("n", 0))
    estimate = Estimate(value=value, basis=f"over {n} samples") if rule.metric == "sqnr" else recorded_estimate(own)
    return _absolute(rule, estimate, own.origin)


_JUDGES: dict[str, _Judge] = {"flip_rate": _flip_rate, "sqnr": _sqnr}


def _absolute(rule: Rule, estimate: Estimate, origin: Origin = Origin.HOST) -> Finding:
    limit = rule.quantity.value
    return Finding(estimate=estimate, limit=limit, shown_value=estimate.value, shown_limit=limit, origin=origin)


def _task_metric(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    if rule.is_relative:
        return _against_baseline(rule, evidence, rows)
    predictions = evidence.candidate.predictions
    if predictions is not None and predictions.labels is not None:
        clusters = cluster_numbers(predictions.columns, evidence.cluster) if evidence.cluster else None
        answers = _chosen(answers_from_scores(predictions.scores, predictions.labels, clusters=clusters), rows)
        metric = suited_metric(rule.metric, answers)
        value, bounds = metric.statistic.value(answers), metric.statistic.bounds(answers, seed=evidence.seed)
        return _absolute(rule, _told(value, bounds, len(answers), "samples"))
    measurement = evidence.candidate.find(rule.metric, rule.target)
    if measurement is None or rows is not None:
        return Finding(missing=f"`{rule.metric}` was not measured on `{rule.target}`: labelled data is needed")
    if evidence.cluster:
        return Finding(missing=f"bounds over clusters of `{evidence.cluster}` need predictions")
    return _absolute(rule, recorded_estimate(measurement), measurement.origin)


def _against_baseline(rule: Rule, evidence: Evidence, rows: Rows | None) -> Finding:
    """The paired difference candidate - baseline against the allowance."""
    pair = _pair(evidence, None)
    if isinstance(pair, str):
        return recorded_change(rule, evidence, pair) if rows is None else Finding(missing=pair)
    if pair[0].labels is None and pair[1].labels is None:
        return _from_flips(rule, evidence, pair, rows)
    before, after = (_chosen(answers, rows) for answers in paired_answers(*pair, cluster=evidence.cluster))
    metric = suited_metric(rule.metric, before)
    first, second = metric.statistic.value(before), metric.statistic.value(after)
    bounds = metric.statistic.difference_bounds(before, after, seed=evidence.seed)
    estimate = _told(second - first, bounds, len(before), "paired samples")
    return Finding(
        estimate=_with_discordance(estimate, metric, before, after),
        limit=rule.limit(first) - first,
        shown_value=second,
        shown_limit=rule.limit(first),
        origin=Origin.HOST,
    )


def _told(value: float, bounds: Bounds, n: int, samples: str) -> Estimate:
    return Estimate(value=value, interval=bounds, basis=f"{n} {samples}", needed=samples_that_decide(value, bounds, n))


def _from_flips(rule: Rule, evidence: Evidence, pair: tuple[Predictions, Predictions], rows: Rows | None) -> Finding:
    """What can be told without labels: how far accuracy can have moved."""
    if rule.metric != "accuracy" or task_of(*pair) is Task.REGRESSION:
        return Finding(missing="the data has no labels (`y`)")
    changed, clusters = _changed(pair, evidence, rows)
    return churn_finding(rule, changed, clusters, seed=evidence.seed)


def _with_discordance(estimate: Estimate, metric: Metric, before: Answers, after: Answers) -> Estimate:
    """For a metric that counts hits: what was lost and gained, and how many samples would decide."""
    if not isinstance(metric.statistic, HitShare):
        return estimate
    losses, gains = metric.statistic.discordant(before, after)
    counted = counted_estimate(losses, gains, len(before))
    if before.clusters is None:
        return counted
    units = len(np.unique(before.clusters))
    return replace(estimate, basis=f"{counted.basis} in {units} clusters")


def _chosen(answers: Answers, rows: Rows | None) -> Answers:
    return answers if rows is None else answers.rows(rows)
