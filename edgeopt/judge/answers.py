"""What a model answered, beside what was right: scores and labels that are known to fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.judge.labels import Task, check_labels, infer_task
from edgeopt.judge.scores import (
    are_probabilities,
    checked_scores,
    class_count,
    predicted_classes,
    rows_are_probabilities,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Checked scores and labels of the same samples.

    Attributes:
        scores: (sample,), (sample, class) or (sample, ...), finite, without axes of length 1.
        labels: (sample,) int64 classes; for regression numbers of the scores' shape.
        task: What both together are.
        predicted: (sample,) int64 classes that the scores name; empty for regression.
        has_probabilities: Whether the scores are probabilities, decided over all samples; else they are logits.
        clusters: (sample,) int64 numbers of what depends on each other; None where samples are independent.
    """

    scores: Array
    labels: Array
    task: Task
    predicted: NDArray[np.int64]
    has_probabilities: bool
    clusters: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def classes(self) -> int | None:
        """Number of classes that the scores tell apart; None for class numbers and for regression."""
        return None if self.task is Task.REGRESSION else class_count(self.scores)

    @property
    def positive_scores(self) -> NDArray[np.float64]:
        """(sample,) scores that are larger the likelier class 1 is, of a model of two classes.

        Of two columns: the second where they are probabilities, else the second minus the first, which orders samples
        as the softmax of two logits does.
        """
        scores = self.scores.astype(np.float64)
        if scores.ndim == 1:
            return scores
        return np.asarray(scores[:, 1] if are_probabilities(scores) else scores[:, 1] - scores[:, 0])

    def rows(self, positions: NDArray[np.int64]) -> Answers:
        """The answers at `positions`, in that order: one slice; what was decided over all samples stays decided."""
        return replace(
            self,
            scores=self.scores[positions],
            labels=self.labels[positions],
            predicted=self.predicted[positions] if len(self.predicted) else self.predicted,
            clusters=None if self.clusters is None else self.clusters[positions],
        )


def answers_from_scores(
    scores: Array,
    labels: Array,
    *,
    source: str = "the data",
    model: str = "the model",
    threshold: float | None = None,
    has_probabilities: bool | None = None,
    clusters: NDArray[np.int64] | None = None,
) -> Answers:
    """Scores and labels, checked against each other.

    Args:
        scores: (sample, ...) as the model gave them.
        labels: (sample,), one-hot, or of the scores' own shape.
        source: Where the labels come from, for messages.
        model: Whose scores these are, for messages.
        threshold: From where a single score means class 1; None decides (see `scores.decision_threshold`).
        has_probabilities: Whether scores are probabilities; None decides (see `scores.rows_are_probabilities`).
        clusters: (sample,) numbers of what depends on each other; None where samples are independent.

    Raises:
        InputError: The scores are not finite, or the labels do not fit them.
    """
    checked = checked_scores(scores, source=model)
    right = check_labels(checked, labels, source)
    task = infer_task(checked, labels)
    is_regression = task is Task.REGRESSION
    return Answers(
        scores=checked,
        labels=right,
        task=task,
        predicted=np.empty(0, np.int64) if is_regression else predicted_classes(checked, threshold=threshold),
        has_probabilities=rows_are_probabilities(checked) if has_probabilities is None else has_probabilities,
        clusters=clusters,
    )
