"""The verdict about accuracy: harmless models, models that lost 2 points, and the naive gate beside it."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.calibration import calibration_of
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import parse_rules
from judge.table import Row, counted

ACCURACY, CHURN = 0.90, 0.05
MARGIN = 0.005
_ECE = "ECE of a perfectly calibrated model, confidence from Beta(6, 1.5), n = 200"


def rows(*, draws: int) -> list[Row]:
    """How often a gate is red, and what ECE shows of a perfect model."""
    harmless = [changed(1000, 0.0, seed) for seed in range(draws)]
    worse = [changed(2000, 0.02, seed) for seed in range(draws)]
    loose, strict = "accuracy >= baseline - 0.5 pt", "accuracy >= baseline"
    naive = sum(drop(pair) > MARGIN for pair in harmless)
    told = "harmless, churn 5 %, n = 1,000, red"
    ece = np.mean([perfect_ece(200, seed) for seed in range(draws)])
    return [
        counted(f"gate `{loose}`: {told}", sum(is_red(loose, pair) for pair in harmless), draws, "at most 2 %"),
        counted(f"naive gate, observed drop > 0.5 pt: {told}", naive, draws, "about 21 %, for comparison"),
        counted(f"gate `{strict}`: {told}", sum(is_red(strict, pair) for pair in harmless), draws, "at most 5 %"),
        counted(
            f"gate `{strict}`: 2 pt lost, churn 5 %, n = 2,000, red",
            sum(is_red(strict, pair) for pair in worse),
            draws,
            "at least 95 %",
        ),
        (
            "ECE of a perfectly calibrated model, confidence from Beta(6, 1.5), n = 200",
            f"{ece:.3f}",
            "",
            "0.063, known",
            f"{draws:,}",
        ),
    ]


def changed(n: int, lost: float, seed: int) -> tuple[Predictions, Predictions]:
    """A baseline and a candidate of two classes: `CHURN` of the samples are lost or gained, `lost` more lost."""
    generator = np.random.default_rng((seed, n))
    labels = generator.integers(2, size=n)
    was_right = generator.random(n) < ACCURACY
    # Losses have probability (churn + lost) / 2 over all samples, gains (churn - lost) / 2.
    shares = np.where(was_right, (CHURN + lost) / 2 / ACCURACY, (CHURN - lost) / 2 / (1 - ACCURACY))
    is_right = was_right ^ (generator.random(n) < shares)
    return _predictions(labels, was_right), _predictions(labels, is_right)


def is_red(rule: str, pair: tuple[Predictions, Predictions]) -> bool:
    """Whether the gate fails."""
    before, after = pair
    evidence = Evidence(
        baseline=Side(sha256="base", predictions=before), candidate=Side(sha256="new", predictions=after)
    )
    return judge(parse_rules([rule]), evidence, today=date(2026, 1, 1)).outcome == "failed"


def drop(pair: tuple[Predictions, Predictions]) -> float:
    """Observed drop of accuracy, a share."""
    # Counted, since the difference of two rounded shares exceeds a margin that it equals.
    before, after = (int((side.scores.argmax(axis=1) == side.labels).sum()) for side in pair)
    return (before - after) / pair[0].n


def perfect_ece(n: int, seed: int) -> float:
    """ECE where a prediction is right as often as its confidence says, which is drawn from Beta(6, 1.5)."""
    generator = np.random.default_rng((seed, n))
    confidence = generator.beta(6, 1.5, (n, 1))
    # Class 0 is predicted; so many others share the rest that none of them comes near.
    scores = np.hstack([confidence, np.repeat((1 - confidence) / 199, 199, axis=1)])
    labels = (generator.random(n) >= confidence.ravel()).astype(np.int64)
    return calibration_of(answers_from_scores(scores, labels)).ece


def _predictions(labels: NDArray[np.int64], right: NDArray[np.bool_]) -> Predictions:
    chosen = np.where(right, labels, 1 - labels)
    return Predictions(scores=np.eye(2, dtype=np.float32)[chosen], labels=labels)
