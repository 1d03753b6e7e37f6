"""Labels, the task that they set together with the scores, and which samples a model gets right."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError
from edgeopt.judge.scores import (
    are_probabilities,
    checked_scores,
    class_count,
    has_classes,
    predicted_classes,
    times,
    without_unit_axes,
)


class Task(StrEnum):
    """What a model is asked to do, which decides the metrics that suit it."""

    CLASSIFICATION = "classification"
    BINARY = "binary"
    REGRESSION = "regression"


def infer_task(scores: Array, labels: Array | None = None) -> Task:
    """The task that scores and labels fit.

    One label per sample: with (sample, class) scores it is classification. With one score per sample, integer labels
    make it binary (or classification where the scores are class numbers beyond 0 and 1), float labels regression.
    One-hot labels are classes; all other labels of the scores' own shape are regression. Without labels, scores per
    class are classification, single scores binary where they are probabilities, and all else regression.

    Args:
        scores: (sample,), (sample, class) or (sample, ...).
        labels: (sample,), or of the scores' own shape; None when there are none.

    Raises:
        InputError: They fit no task; the message says why.
    """
    scores = without_unit_axes(scores)
    if labels is None:
        return _task_of_scores(scores)
    labels = without_unit_axes(labels)
    if is_one_hot(labels) and labels.shape == scores.shape:
        return Task.CLASSIFICATION
    if labels.ndim == 1 and scores.ndim == 1:
        return _single_score_task(scores, labels)
    if labels.ndim == 1 and scores.ndim == 2:
        return Task.CLASSIFICATION
    if labels.ndim > 1 and labels.shape == scores.shape:
        _refuse_several_classes(labels)
        return Task.REGRESSION
    raise InputError(
        f"labels of shape `{times(labels.shape)}` do not fit scores of shape `{times(scores.shape)}`",
        hint="give one class per sample, or labels of the shape of the model's output (regression)",
    )


def is_one_hot(labels: Array) -> bool:
    """Whether every row of `labels`, (sample, class), holds a single 1 and else 0."""
    return labels.ndim == 2 and bool(np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(axis=1) == 1))


def check_labels(scores: Array, labels: Array, source: str) -> Array:
    """`labels` in the form that metrics take, after checking that they fit `scores`.

    Args:
        scores: (sample, ...).
        labels: (sample,), (sample, 1), one-hot (sample, class), or of the scores' own shape.
        source: Where the labels come from, for messages.

    Returns:
        (sample,) int64 classes, or, for regression, floats of the scores' shape without its axes of length 1.

    Raises:
        InputError: No samples, another number of labels than of scores, text, NaN, a fractional class, or a class that
            the model does not have.
    """
    labels = np.asarray(labels)
    _require_numbers(labels, len(scores), source)
    scores, labels = without_unit_axes(scores), without_unit_axes(labels)
    if infer_task(scores, labels) is Task.REGRESSION:
        return labels
    if labels.ndim == 2:
        return np.asarray(np.argmax(labels, axis=1), dtype=np.int64)
    _require_classes(labels, class_count(scores), source)
    return labels.astype(np.int64)


def correctness(scores: Array, labels: Array, *, threshold: float | None = None) -> NDArray[np.bool_]:
    """Which samples are put in the class of their label, (sample,) bool.

    Args:
        scores: (sample, class), or (sample,) for a binary task.
        labels: (sample,) classes or one-hot.
        threshold: For single scores; None decides between 0.5 and 0 (see `scores.decision_threshold`).

    Raises:
        InputError: They do not fit, or the task is regression.
    """
    scores = checked_scores(scores)
    classes = check_labels(scores, labels, "the data")
    if infer_task(scores, labels) is Task.REGRESSION:
        raise InputError("regression has no right and wrong", hint="write class labels as integers")
    return np.asarray(predicted_classes(scores, threshold=threshold) == classes)


def _task_of_scores(scores: Array) -> Task:
    if scores.ndim == 2:
        return Task.CLASSIFICATION
    if scores.ndim == 1 and (has_classes(scores) or are_probabilities(scores)):
        return Task.BINARY if are_probabilities(scores) else Task.CLASSIFICATION
    return Task.REGRESSION


def _single_score_task(scores: Array, labels: Array) -> Task:
    if labels.dtype.kind == "f":
        return Task.REGRESSION
    beyond = has_classes(scores) and max(int(scores.max()), int(labels.max())) > 1
    return Task.CLASSIFICATION if beyond else Task.BINARY


def _refuse_several_classes(labels: Array) -> None:
    if labels.dtype.kind in "biu" and np.all((labels == 0) | (labels == 1)):
        raise InputError(
            "labels hold several classes per sample (rows of 0 and 1 that are not one-hot), which no metric here takes",
            hint="give a metric of your own as `--metric module:function`, or write a regression's labels as floats",
        )


def _require_numbers(labels: Array, samples: int, source: str) -> None:
    if labels.dtype.kind not in "biuf":
        raise InputError(f"labels of `{source}` are `{labels.dtype}`", hint="write class numbers, from 0 on")
    count = len(labels) if labels.ndim else 1
    if samples == 0:
        raise InputError(f"`{source}` holds zero samples", hint="give at least one")
    if count != samples:
        raise InputError(f"`{source}` has {count} labels for {samples} samples", hint="give one label per sample")
    unknown = ~np.isfinite(labels.reshape(count, -1)).all(axis=1)
    if unknown.any():
        raise InputError(
            f"labels of `{source}` are NaN or infinite in {int(unknown.sum())} of {count} samples (the first is number "
            f"{int(np.argmax(unknown))})",
            hint="drop these samples",
        )


def _require_classes(labels: Array, classes: int | None, source: str) -> None:
    fractional = labels != np.rint(labels)
    if fractional.any():
        number = int(np.argmax(fractional))
        raise InputError(
            f"label `{labels[number]}` of sample {number} in `{source}` is a fraction, and the model gives "
            f"{classes or 'one'} class scores per sample",
            hint="write class numbers; a regression model gives one value per label",
        )
    outside = (labels < 0) | (labels >= classes if classes else False)
    if outside.any():
        number = int(np.argmax(outside))
        span = f"the model has {classes} classes (0 to {classes - 1})" if classes else "classes count from 0"
        raise InputError(
            f"label `{int(labels[number])}` of sample {number} in `{source}` is no class: {span}",
            hint=_range_hint(labels, classes),
        )


def _range_hint(labels: Array, classes: int | None) -> str:
    if classes and labels.min() >= 1 and labels.max() == classes:
        return "the labels count from 1: subtract 1"
    if classes == 2 and set(np.unique(labels).tolist()) <= {-1, 1}:
        return "write 0 for the class that is -1"
    if classes == 2:
        return "a model with one score per sample is binary; for a regression write the labels as floats"
    return "are these the labels of another model?"
