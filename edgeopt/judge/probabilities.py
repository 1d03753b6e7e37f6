"""Proper scores of probabilities: log loss and Brier score per sample, from probabilities or logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.judge.answers import Answers
from edgeopt.judge.scores import class_count, has_classes

Floats = NDArray[np.float64]
# Values converted to float64 at a time: 8 MiB, where scores of many classes may be gigabytes.
_BLOCK = 1 << 20


def probability_refusal(answers: Answers) -> str:
    """Why there are no probabilities; empty when there are."""
    if has_classes(answers.scores):
        return "the model gives a class, not a probability per class"
    if answers.scores.dtype.kind != "f":
        return f"the model gives `{answers.scores.dtype}`, neither probabilities nor logits; dequantize the output"
    return ""


def log_losses(answers: Answers) -> Floats:
    """(sample,) -ln of the probability of the label, in nats.

    A probability counts as at least the rounding step of its type (1.2e-7 for float32), as in scikit-learn, so that one
    that was rounded to 0 costs 16 and not infinity. Logits are not cut.
    """
    floor = float(np.finfo(answers.scores.dtype).eps) if answers.has_probabilities else 0.0

    def of_rows(shares: Floats, own: Floats, log_own: Floats | None) -> Floats:
        del shares
        return -np.log(np.clip(own, floor, 1 - floor)) if log_own is None else -log_own

    return _by_rows(answers, of_rows)


def brier_scores(answers: Answers) -> Floats:
    """(sample,) squared distance of the probabilities from the label (Brier 1950).

    For two classes (p - y)² of class 1, in [0, 1]; for more Σ(p - y)² over all classes, in [0, 2], as in scikit-learn.
    """
    factor = 0.5 if class_count(answers.scores) == 2 else 1.0

    def of_rows(shares: Floats, own: Floats, log_own: Floats | None) -> Floats:
        del log_own
        return np.asarray(factor * ((shares**2).sum(axis=1) - own**2 + (1 - own) ** 2))

    return _by_rows(answers, of_rows)


def confidences(answers: Answers) -> Floats:
    """(sample,) probability of the class that is predicted."""

    def of_rows(shares: Floats, own: Floats, log_own: Floats | None) -> Floats:
        del own, log_own
        return np.asarray(shares.max(axis=1))

    return _by_rows(answers, of_rows)


_OfRows = Callable[[Floats, Floats, Floats | None], Floats]


def _by_rows(answers: Answers, of_rows: _OfRows) -> Floats:
    """What `of_rows` makes of (row, class) probabilities, (row,) those of the labels, and their logarithms if known."""
    rows = max(1, _BLOCK // (class_count(answers.scores) or 1))
    found = []
    for start in range(0, len(answers), rows):
        labels = answers.labels[start : start + rows]
        shares, logs = _shares(answers.scores[start : start + rows], has_probabilities=answers.has_probabilities)
        picks = np.arange(len(labels)), labels
        found.append(of_rows(shares, shares[picks], None if logs is None else logs[picks]))
    return np.concatenate(found)


def _shares(scores: Array, *, has_probabilities: bool) -> tuple[Floats, Floats | None]:
    """(row, class) probabilities that add up to 1, and, from logits, their logarithms.

    A single score is the probability of class 1, or its logit; rows of logits go through a softmax.
    """
    exact = scores.astype(np.float64)
    if exact.ndim == 1:
        exact = np.stack([1 - exact if has_probabilities else np.zeros_like(exact), exact], axis=1)
    if has_probabilities:
        shares = np.clip(exact, 0, 1)
        sums = shares.sum(axis=1, keepdims=True)
        return np.divide(shares, sums, out=np.full_like(shares, 1 / shares.shape[1]), where=sums > 0), None
    exact -= exact.max(axis=1, keepdims=True)
    logs = exact - np.log(np.exp(exact).sum(axis=1, keepdims=True))
    return np.exp(logs), logs
