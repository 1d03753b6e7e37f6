"""How good a candidate is beside its baseline, from the predictions of both on the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edgeopt.judge.answers import Answers
from edgeopt.judge.intervals import (
    CONFIDENCE,
    Interval,
    mcnemar_change_p,
    normal_quantile,
    samples_to_decide,
    samples_to_separate,
)
from edgeopt.judge.labels import Task
from edgeopt.judge.metrics import Metric, suitable_metrics, suited_metric
from edgeopt.judge.predictions import (
    Predictions,
    flipped,
    paired_answers,
    paired_clusters,
    require_pairs,
    signal_to_noise_db,
    task_of,
)
from edgeopt.judge.statistics import HitShare, share_bounds

# Two models are the same within half a point, the drop that the documented example gate allows; errors within 1 %.
SAME_SHARE = 0.005
SAME_RELATIVE = 0.01

AccuracyVerdict = Literal["same", "better", "worse", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyComparison:
    """A candidate against its baseline; what needs labels or classes is None without them.

    Attributes:
        metric: Name of the metric.
        is_share: Whether the metric lies in [0, 1]; an error need not.
        baseline: The baseline's value, in units of the metric.
        candidate: The candidate's.
        difference: Candidate minus baseline.
        ci95: Two-sided 95 % interval of the difference: Tango's score interval of hits, DeLong's of AUC, bootstrap-t
            or Student's t of mean errors and scores, else a paired BCa bootstrap; over clusters where they are named.
        losses: Samples that only the baseline hits; None for a metric without hits.
        gains: Samples that only the candidate hits.
        mcnemar_p: Two-sided mid-p that losses and gains are equally likely; None where samples come in clusters.
        flips: Samples whose class changed, right or wrong; None for regression.
        flip_rate: The same as a share in [0, 1].
        sqnr_db: Signal to quantization noise of the scores in dB, infinite where they are identical; None unless both
            models give floats.
        n: Number of samples.
        verdict: A plain two-sided reading. `better` or `worse`: the interval excludes 0. `same`: it holds 0 and lies
            within half a point (for errors, 1 % of the baseline) on both sides, or all scores are the same floats.
            Without labels `same` means that so few classes changed that accuracy cannot have moved by half a point (|D|
            is at most the flip rate, whose upper bound is below that). Else `undecided`.
        samples_needed: How many samples would probably decide it, where undecided and where that can be told.
    """

    metric: str | None = None
    is_share: bool = True
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    ci95: Interval | None = None
    losses: int | None = None
    gains: int | None = None
    mcnemar_p: float | None = None
    flips: int | None = None
    flip_rate: float | None = None
    sqnr_db: float | None = None
    n: int
    verdict: AccuracyVerdict = "undecided"
    samples_needed: int | None = None

    @property
    def negative_flip_rate(self) -> float | None:
        """Share of samples that were right and are wrong now, in [0, 1]; None without labels of classes."""
        return None if self.losses is None or self.metric != "accuracy" else self.losses / self.n

    @property
    def positive_flip_rate(self) -> float | None:
        """Share of samples that were wrong and are right now, in [0, 1]; None without labels of classes."""
        return None if self.gains is None or self.metric != "accuracy" else self.gains / self.n

    @property
    def agreement(self) -> float | None:
        """Share of samples that both put in the same class, in [0, 1]; None for regression."""
        return None if self.flip_rate is None else 1 - self.flip_rate

    def as_json(self) -> dict[str, Any]:
        """The entry that `edgeopt compare` prints.

        `difference_pt` and `ci95` are percentage points; of an error `difference_pt` is null and `ci95` in its own
        unit, as `unit` says. `sqnr_db` is null where it is infinite.
        """
        factor = 100 if self.is_share else 1
        points = None if self.difference is None or not self.is_share else 100 * self.difference
        return {
            "metric": self.metric,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "difference": self.difference,
            "difference_pt": points,
            "ci95": [factor * bound for bound in self.ci95] if self.ci95 else None,
            "unit": "pt" if self.is_share else "1",
            "losses": self.losses,
            "gains": self.gains,
            "mcnemar_p": self.mcnemar_p,
            "flips": self.flips,
            "flip_rate": self.flip_rate,
            "negative_flip_rate": self.negative_flip_rate,
            "positive_flip_rate": self.positive_flip_rate,
            "agreement": self.agreement,
            "sqnr_db": self.sqnr_db if self.sqnr_db is None or math.isfinite(self.sqnr_db) else None,
            "n": self.n,
            "verdict": self.verdict,
            "samples_needed": self.samples_needed,
        }


def compare_predictions(
    baseline: Predictions, candidate: Predictions, *, metric: str | None = None, seed: int = 0, cluster: str = ""
) -> AccuracyComparison:
    """The candidate against the baseline, sample by sample.

    Args:
        baseline: Predictions of the original model.
        candidate: Predictions of the other on the same samples, in the same order.
        metric: Key of `METRICS`; None takes accuracy, or mse for regression.
        seed: Seed of bootstraps.
        cluster: Column of samples that depend on each other, as frames of one video; empty where none do.

    Raises:
        InputError: They are not pairs (see `require_pairs`), hold NaN, the metric is unknown or does not suit them, or
            there is no such column.
    """
    require_pairs(baseline, candidate)
    shared = _without_labels(baseline, candidate, seed, cluster)
    if baseline.labels is None and candidate.labels is None:
        return shared
    before, after = paired_answers(baseline, candidate, cluster=cluster)
    name = metric or suitable_metrics(before)[0]
    chosen = suited_metric(name, before)
    first, second = chosen.statistic.value(before), chosen.statistic.value(after)
    interval = chosen.statistic.difference_bounds(before, after, seed=seed)(CONFIDENCE)
    margin = SAME_SHARE if chosen.is_share else SAME_RELATIVE * first
    compared = replace(
        _with_hits(shared, chosen, before, after),
        metric=name,
        is_share=chosen.is_share,
        baseline=first,
        candidate=second,
        difference=second - first,
        ci95=interval,
        verdict="same" if _are_identical(baseline, candidate) else _verdict(interval, margin, chosen),
    )
    if compared.verdict != "undecided":
        return compared
    return replace(compared, samples_needed=_samples_needed(compared, second - first, interval, margin))


def _without_labels(baseline: Predictions, candidate: Predictions, seed: int, cluster: str) -> AccuracyComparison:
    """What can be told from scores alone."""
    n = baseline.n
    have_floats = baseline.scores.dtype.kind == candidate.scores.dtype.kind == "f"
    sqnr = signal_to_noise_db(baseline.scores, candidate.scores) if have_floats else None
    is_same = _are_identical(baseline, candidate)
    if task_of(baseline, candidate) is Task.REGRESSION:
        return AccuracyComparison(n=n, sqnr_db=sqnr, verdict="same" if is_same else "undecided")
    changed = flipped(baseline, candidate)
    flips = int(changed.sum())
    clusters = paired_clusters(baseline, candidate, cluster)
    is_same = is_same or share_bounds(changed, seed=seed, clusters=clusters)(CONFIDENCE)[1] <= SAME_SHARE
    return AccuracyComparison(
        n=n, sqnr_db=sqnr, flips=flips, flip_rate=flips / n, verdict="same" if is_same else "undecided"
    )


def _with_hits(shared: AccuracyComparison, metric: Metric, before: Answers, after: Answers) -> AccuracyComparison:
    """`shared` with losses and gains of a metric that counts hits."""
    if not isinstance(metric.statistic, HitShare):
        return shared
    losses, gains = metric.statistic.discordant(before, after)
    p = mcnemar_change_p(losses, gains) if before.clusters is None else None
    return replace(shared, losses=losses, gains=gains, mcnemar_p=p)


def _are_identical(baseline: Predictions, candidate: Predictions) -> bool:
    """Whether all scores are the same floats: no chance, however few the samples; class numbers prove less."""
    return baseline.scores.dtype.kind == "f" and bool(np.array_equal(baseline.scores.ravel(), candidate.scores.ravel()))


def _verdict(interval: Interval, margin: float, metric: Metric) -> AccuracyVerdict:
    low, high = interval
    if low > 0 or high < 0:
        return "better" if (low > 0) == metric.is_larger_better else "worse"
    return "same" if -margin <= low and high <= margin else "undecided"


def _samples_needed(compared: AccuracyComparison, difference: float, interval: Interval, margin: float) -> int | None:
    """The fewer of the samples that would tell the difference from 0 and those that would show it within the margin."""
    change, n = abs(difference), compared.n
    if compared.mcnemar_p is not None and compared.losses is not None and compared.gains is not None:
        discordance = (compared.losses + compared.gains) / n
        wanted = [
            samples_to_decide(change, discordance, 0.0, confidence=CONFIDENCE),
            samples_to_decide(-change, discordance, margin, confidence=CONFIDENCE),
        ]
    else:
        variance = n * ((interval[1] - interval[0]) / 2 / normal_quantile(CONFIDENCE)) ** 2
        if not math.isfinite(variance):
            return None
        wanted = [samples_to_separate(variance, edge, confidence=CONFIDENCE) for edge in (change, margin - change)]
    return min((max(n + 1, number) for number in wanted if number is not None), default=None)
