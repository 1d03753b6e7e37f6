"""Task metrics: their names, what they suit, and their values with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError, near_names
from edgeopt.judge.answers import Answers, answers_from_scores
from edgeopt.judge.f1 import MacroF1
from edgeopt.judge.intervals import CONFIDENCE
from edgeopt.judge.labels import Task
from edgeopt.judge.probabilities import brier_scores, log_losses, probability_refusal
from edgeopt.judge.separation import Separation
from edgeopt.judge.statistics import (
    HitShare,
    MeanError,
    RocArea,
    Statistic,
    absolute_errors,
    hits,
    squared_errors,
    top5_hits,
)

_CLASSES = frozenset({Task.CLASSIFICATION, Task.BINARY})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A metric over samples.

    Attributes:
        value: The metric, in `unit`.
        low: Lower end of its interval, in `unit`; -inf when a single sample leaves it unknown.
        high: Upper end, likewise.
        n: Number of samples, at least 1.
        unit: `1`: a share in [0, 1], or, for errors, units of the label; of log loss nats.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str

    def as_json(self) -> dict[str, Any]:
        """The entry under `metrics` of `edgeopt evaluate`; the interval must be of confidence 0.95."""
        return {"value": self.value, "ci95": [self.low, self.high], "n": self.n, "unit": self.unit}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric and where it makes sense.

    Attributes:
        statistic: Computes value and intervals.
        tasks: The tasks that it suits.
        unit: Unit of its value.
        is_larger_better: Whether a larger value is better; an error is better when smaller.
        is_share: Whether it lies in [0, 1], so that differences are percentage points.
        refusal: Why it cannot be computed on answers of a task that it suits; empty when it can.
    """

    statistic: Statistic
    tasks: frozenset[Task]
    unit: str = "1"
    is_larger_better: bool = True
    is_share: bool = True
    refusal: Callable[[Answers], str] = lambda _: ""


def _top5_refusal(answers: Answers) -> str:
    if answers.classes is None:
        return "the model gives a class, not a score per class"
    return f"it says little with {answers.classes} classes, it needs at least 6" if answers.classes < 6 else ""


def _two_classes_refusal(answers: Answers) -> str:
    if answers.task is Task.CLASSIFICATION and answers.classes != 2:
        return f"it needs two classes, the model has {answers.classes or 'more'}"
    present = np.unique(answers.labels)
    return f"it needs labels of both classes, all {len(answers)} are `{int(present[0])}`" if len(present) < 2 else ""


METRICS: dict[str, Metric] = {
    "accuracy": Metric(statistic=HitShare(hits=hits), tasks=_CLASSES),
    "top5": Metric(statistic=HitShare(hits=top5_hits), tasks=frozenset({Task.CLASSIFICATION}), refusal=_top5_refusal),
    "f1": Metric(statistic=MacroF1(), tasks=_CLASSES),
    "auc": Metric(statistic=RocArea(), tasks=_CLASSES, refusal=_two_classes_refusal),
    "ks": Metric(statistic=Separation(), tasks=_CLASSES, refusal=_two_classes_refusal),
    "log_loss": Metric(
        statistic=MeanError(errors=log_losses),
        tasks=_CLASSES,
        is_larger_better=False,
        is_share=False,
        refusal=probability_refusal,
    ),
    "brier": Metric(
        statistic=MeanError(errors=brier_scores),
        tasks=_CLASSES,
        is_larger_better=False,
        is_share=False,
        refusal=probability_refusal,
    ),
    "mse": Metric(
        statistic=MeanError(errors=squared_errors),
        tasks=frozenset({Task.REGRESSION}),
        is_larger_better=False,
        is_share=False,
    ),
    "mae": Metric(
        statistic=MeanError(errors=absolute_errors),
        tasks=frozenset({Task.REGRESSION}),
        is_larger_better=False,
        is_share=False,
    ),
}


def evaluate_metrics(
    scores: Array,
    labels: Array,
    *,
    names: Iterable[str] | None = None,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    source: str = "the data",
) -> dict[str, MetricValue]:
    """Metrics of scores against labels (see `measure_metrics`).

    Args:
        scores: (sample, ...) as the model gave them.
        labels: (sample,), one-hot, or of the scores' own shape.
        names: Keys of `METRICS`; None takes all that can be computed here.
        seed: Seed of bootstraps.
        confidence: Two-sided, in (0, 1).
        source: Where the labels come from, for messages.

    Raises:
        InputError: Scores or labels are unusable, or a metric is unknown or does not suit them.
    """
    answers = answers_from_scores(scores, labels, source=source)
    return measure_metrics(answers, names=names, seed=seed, confidence=confidence)


def measure_metrics(
    answers: Answers, *, names: Iterable[str] | None = None, seed: int = 0, confidence: float = CONFIDENCE
) -> dict[str, MetricValue]:
    """Metrics of answers, or of one slice of them (`answers.rows`).

    Args:
        answers: Checked scores and labels.
        names: Keys of `METRICS`; None takes all that can be computed here, which leaves AUC out where all labels are of
            one class.
        seed: Seed of bootstraps.
        confidence: Two-sided, in (0, 1).

    Raises:
        InputError: A metric is unknown or does not suit the answers.
    """
    wanted = suitable_metrics(answers) if names is None else tuple(names)
    return {name: _measure(suited_metric(name, answers), answers, seed, confidence) for name in wanted}


def suitable_metrics(answers: Answers) -> tuple[str, ...]:
    """Names of all metrics that can be computed on `answers`; the first is the one that leads."""
    return tuple(name for name, metric in METRICS.items() if not _reason_against(metric, answers))


def suited_metric(name: str, answers: Answers) -> Metric:
    """The metric called `name`.

    Raises:
        InputError: There is none, or it does not suit `answers`; the message says why.
    """
    if name not in METRICS:
        raise InputError(f"there is no metric `{name}`", hint=near_names(name, METRICS))
    reason = _reason_against(METRICS[name], answers)
    if reason:
        raise InputError(
            f"metric `{name}` cannot be computed: {reason}",
            hint="metrics that suit here: " + ", ".join(suitable_metrics(answers)),
        )
    return METRICS[name]


def _reason_against(metric: Metric, answers: Answers) -> str:
    """Why the metric cannot be computed on `answers`; empty when it can."""
    if answers.task not in metric.tasks:
        kind = "floats" if answers.labels.dtype.kind == "f" else "integers"
        suited = " or ".join(sorted(task.value for task in metric.tasks))
        return f"it is for {suited}, and with these labels ({kind}) this is {answers.task.value}"
    return metric.refusal(answers)


def _measure(metric: Metric, answers: Answers, seed: int, confidence: float) -> MetricValue:
    low, high = metric.statistic.bounds(answers, seed=seed)(confidence)
    return MetricValue(value=metric.statistic.value(answers), low=low, high=high, n=len(answers), unit=metric.unit)
