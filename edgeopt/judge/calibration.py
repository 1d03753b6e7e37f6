"""Whether a model's confidence can be believed: expected calibration error and the table of a reliability diagram.

They inform and never gate: the error is biased upwards, more so on fewer samples (a perfect model shows 0.063 on 200).
What gates are the proper scores, `log_loss` and `brier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.answers import Answers
from edgeopt.judge.intervals import CONFIDENCE
from edgeopt.judge.labels import Task
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.predictions import Predictions, paired_answers
from edgeopt.judge.probabilities import confidences, probability_refusal
from edgeopt.judge.statistics import hits

BINS = 15
_SCORES = ("log_loss", "brier")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Samples whose confidence lies in (low, high]; the first bin holds 0 too.

    Attributes:
        low: Lower end, in [0, 1].
        high: Upper end.
        n: Number of samples, at least 1.
        confidence: Mean probability of the predicted class.
        accuracy: Share of samples that are right.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float

    def as_json(self) -> dict[str, Any]:
        """The row of the reliability table."""
        return {
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far confidence and accuracy are apart, for one model.

    Attributes:
        ece: Expected calibration error over 15 bins of equal width (Guo et al. 2017, https://arxiv.org/abs/1706.04599):
            the mean over samples of |accuracy - confidence| of the bin.
        ece_by_chance: What a perfectly calibrated model of the same confidences would show on average.
        ece_debiased: Root of the mean squared error over 15 bins of equal mass, less what chance adds to the square in
            each, accuracy·(1 - accuracy) / (n - 1) (Kumar, Liang and Ma 2019, https://arxiv.org/abs/1909.10155; Bröcker
            2012; Ferro and Fricker 2012); 0 where chance explains all of it.
        bins: The bins of equal width that hold samples.
    """

    ece: float
    ece_by_chance: float
    ece_debiased: float
    bins: tuple[Bin, ...]


def calibration_of(answers: Answers) -> Calibration:
    """Calibration of the class that is predicted, of answers that have probabilities."""
    believed, right = confidences(answers), hits(answers)
    even = _bins(believed, right, np.linspace(0, 1, BINS + 1))
    mass = _bins(believed, right, _even_mass(believed))
    n = len(answers)
    return Calibration(
        ece=sum(found.n / n * abs(found.accuracy - found.confidence) for found in even),
        ece_by_chance=_by_chance(believed, even),
        ece_debiased=max(0.0, sum(found.n / n * _debiased_square(found) for found in mass)) ** 0.5,
        bins=even,
    )


def calibration_json(
    baseline: Predictions, candidate: Predictions, *, seed: int = 0, cluster: str = ""
) -> dict[str, Any] | None:
    """The block `calibration` of `edgeopt compare`; None without labels, classes or probabilities.

    Args:
        baseline: Predictions of the original model.
        candidate: Predictions of the other on the same samples.
        seed: Seed of bootstraps.
        cluster: Column of the samples that depend on each other; empty where none do.

    Raises:
        InputError: They are not pairs, or there is no such column.
    """
    if baseline.labels is None and candidate.labels is None:
        return None
    before, after = paired_answers(baseline, candidate, cluster=cluster)
    if before.task is Task.REGRESSION or probability_refusal(before) or probability_refusal(after):
        return None
    sides = {"baseline": calibration_of(before), "candidate": calibration_of(after)}
    return {
        "ece": {side: found.ece for side, found in sides.items()},
        "ece_by_chance": {side: found.ece_by_chance for side, found in sides.items()},
        "ece_debiased": {side: found.ece_debiased for side, found in sides.items()},
        "bins": {side: [entry.as_json() for entry in found.bins] for side, found in sides.items()},
        **{name: _difference_json(name, before, after, seed) for name in _SCORES},
    }


def _difference_json(name: str, before: Answers, after: Answers, seed: int) -> dict[str, Any]:
    statistic = METRICS[name].statistic
    first, second = statistic.value(before), statistic.value(after)
    low, high = statistic.difference_bounds(before, after, seed=seed)(CONFIDENCE)
    is_known = np.isfinite([low, high]).all()
    return {
        "baseline": first,
        "candidate": second,
        "difference": second - first,
        "ci95": [low, high] if is_known else None,
        "unit": METRICS[name].unit,
    }


def _bins(believed: Floats, right: NDArray[np.bool_], edges: Floats) -> tuple[Bin, ...]:
    """The bins between `edges`, (bin + 1,), that hold samples."""
    places = np.clip(np.searchsorted(edges, believed, side="left") - 1, 0, max(0, len(edges) - 2))
    counts = np.bincount(places)
    sums, hit = np.bincount(places, weights=believed), np.bincount(places, weights=right)
    return tuple(
        Bin(
            low=float(edges[place]),
            high=float(edges[min(place + 1, len(edges) - 1)]),
            n=int(counts[place]),
            confidence=float(sums[place] / counts[place]),
            accuracy=float(hit[place] / counts[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    )


def _even_mass(believed: Floats) -> Floats:
    """Ends of bins that hold as many samples each, as far as equal confidences allow."""
    return np.asarray(np.unique(np.quantile(believed, np.linspace(0, 1, BINS + 1))), dtype=np.float64)


def _debiased_square(found: Bin) -> float:
    chance = found.accuracy * (1 - found.accuracy) / (found.n - 1) if found.n > 1 else 0.0
    return (found.accuracy - found.confidence) ** 2 - chance


def _by_chance(believed: Floats, bins: tuple[Bin, ...]) -> float:
    """Mean of Σ|D| / n where every sample is right with its own confidence, D normal: sqrt(2·var / π) per bin."""
    places = np.searchsorted([found.high for found in bins], believed, side="left")
    variances = np.bincount(np.minimum(places, len(bins) - 1), weights=believed * (1 - believed), minlength=len(bins))
    return float(np.sqrt(2 * variances / np.pi).sum() / len(believed))
