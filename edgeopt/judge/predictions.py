"""Predictions of two models on the same samples: what must agree, which classes flip, how far the scores are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError
from edgeopt.judge.answers import Answers, answers_from_scores
from edgeopt.judge.clusters import cluster_numbers
from edgeopt.judge.labels import Task, check_labels, infer_task
from edgeopt.judge.scores import (
    checked_scores,
    decision_threshold,
    has_classes,
    predicted_classes,
    rows_are_probabilities,
    times,
    without_unit_axes,
)

BASELINE = "the baseline"
CANDIDATE = "the candidate"
# Values converted to float64 at a time: 8 MiB, where a whole set of scores may be gigabytes.
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What one model gave on samples.

    Attributes:
        scores: (sample, ...) as the model gave them.
        labels: (sample,), one-hot, or of the scores' own shape; None when there are none.
        columns: Slice columns, each (sample,).
        artifact: `path`, `format`, `sha256` and `size_bytes` of the model; empty where that is not known.
        judged: Which samples these are (see `Dataset.identity`); empty where that is not known.
    """

    scores: Array
    labels: Array | None = None
    columns: dict[str, Array] = field(default_factory=dict)
    artifact: dict[str, Any] = field(default_factory=dict)
    judged: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.scores)

    def rows(self, positions: NDArray[np.int64]) -> Predictions:
        """The samples at `positions`, in that order."""
        return replace(
            self,
            scores=self.scores[positions],
            labels=None if self.labels is None else self.labels[positions],
            columns={name: column[positions] for name, column in self.columns.items()},
            judged={},
        )


def require_pairs(baseline: Predictions, candidate: Predictions) -> None:
    """Refuse predictions that are not of the same samples in the same order, or whose scores mean different things.

    Raises:
        InputError: They differ in number, slice columns, labels, or shape of the scores, or some scores are unusable.
    """
    if baseline.n != candidate.n:
        raise InputError(
            f"the baseline was judged on {baseline.n} samples and the candidate on {candidate.n}",
            hint="predict both on the same data",
        )
    before, after = _checked(baseline, candidate)
    if before.shape != after.shape or has_classes(before) != has_classes(after):
        raise InputError(
            f"the baseline gives {times(before.shape)} `{before.dtype}` and the candidate {times(after.shape)} "
            f"`{after.dtype}`",
            hint="both must give the same output; is this the same model?",
        )
    for name in sorted(baseline.columns.keys() & candidate.columns.keys()):
        _require_equal(f"column `{name}`", baseline.columns[name], candidate.columns[name])
    if baseline.labels is not None and candidate.labels is not None:
        _require_equal(
            "labels", check_labels(before, baseline.labels, BASELINE), check_labels(after, candidate.labels, CANDIDATE)
        )


def paired_answers(baseline: Predictions, candidate: Predictions, *, cluster: str = "") -> tuple[Answers, Answers]:
    """Answers of both to the same labels, read alike.

    A single score counts as class 1 from the baseline's threshold on in both, and scores of both are probabilities
    where the baseline's are.

    Args:
        baseline: Predictions of the original model.
        candidate: Predictions of the other on the same samples.
        cluster: Column of the samples that depend on each other; empty where none do.

    Raises:
        InputError: They are not pairs (see `require_pairs`), neither has labels, or there is no such column.
    """
    require_pairs(baseline, candidate)
    labels = baseline.labels if baseline.labels is not None else candidate.labels
    if labels is None:
        raise InputError("neither the baseline nor the candidate has labels", hint="put labels under `y` in the data")
    threshold = decision_threshold(baseline.scores)
    has_probabilities = rows_are_probabilities(without_unit_axes(baseline.scores))
    clusters = paired_clusters(baseline, candidate, cluster)
    before, after = (
        answers_from_scores(
            side.scores,
            labels,
            model=name,
            threshold=threshold,
            has_probabilities=has_probabilities,
            clusters=clusters,
        )
        for side, name in ((baseline, BASELINE), (candidate, CANDIDATE))
    )
    return before, after


def paired_clusters(baseline: Predictions, candidate: Predictions, cluster: str) -> NDArray[np.int64] | None:
    """(sample,) cluster numbers by the column `cluster` of either; None where that is empty.

    Raises:
        InputError: Neither has such a column.
    """
    return cluster_numbers({**candidate.columns, **baseline.columns}, cluster) if cluster else None


def count_flips(baseline: Predictions, candidate: Predictions) -> int:
    """Number of samples whose predicted class changes, right or wrong (see `flipped`)."""
    return int(flipped(baseline, candidate).sum())


def flipped(baseline: Predictions, candidate: Predictions) -> NDArray[np.bool_]:
    """(sample,) whether the predicted class changes, right or wrong; one threshold serves all samples of both.

    Raises:
        InputError: They are not pairs (see `require_pairs`), or there are no classes to flip.
    """
    require_pairs(baseline, candidate)
    if task_of(baseline, candidate) is Task.REGRESSION:
        raise InputError("flips need classes, this is regression", hint="hold it to `mse`, `mae` or `sqnr`")
    threshold = decision_threshold(baseline.scores)
    before, after = (predicted_classes(side.scores, threshold=threshold) for side in (baseline, candidate))
    return np.asarray(before != after)


def task_of(baseline: Predictions, candidate: Predictions) -> Task:
    """The task of pairs: of the baseline's scores, with the labels that either has."""
    return infer_task(baseline.scores, baseline.labels if baseline.labels is not None else candidate.labels)


def signal_to_noise_db(reference: Array, quantized: Array) -> float:
    """Signal to quantization noise ratio, 10·log₁₀(Σx² / Σ(x - x̂)²), over all values of all samples.

    Args:
        reference: x, (sample, ...).
        quantized: x̂, of as many values in the same order.

    Returns:
        Decibels: infinite where both are identical, -inf where the reference is 0 throughout and the other is not.

    Raises:
        InputError: They hold different numbers of values.
    """
    if reference.size != quantized.size:
        raise InputError(
            f"scores of shape `{times(reference.shape)}` and `{times(quantized.shape)}` cannot be compared",
            hint="both must come from the same output on the same samples",
        )
    signal, noise = 0.0, 0.0
    flat, other = reference.ravel(), quantized.ravel()
    for start in range(0, flat.size, _BLOCK):
        exact = flat[start : start + _BLOCK].astype(np.float64)
        error = exact - other[start : start + _BLOCK].astype(np.float64)
        signal, noise = signal + float(exact @ exact), noise + float(error @ error)
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _checked(baseline: Predictions, candidate: Predictions) -> tuple[Array, Array]:
    return checked_scores(baseline.scores, source=BASELINE), checked_scores(candidate.scores, source=CANDIDATE)


def _require_equal(what: str, before: Array, after: Array) -> None:
    is_float = before.dtype.kind == after.dtype.kind == "f"
    if before.shape == after.shape and is_float:
        # One side may have been through float32; no two samples are told apart by the seventh digit.
        differs = ~np.isclose(before, after, rtol=1e-6, atol=0, equal_nan=True)
    elif before.shape == after.shape:
        differs = np.asarray(before != after)
    else:
        differs = np.ones(1, dtype=np.bool_)
    if differs.any():
        raise InputError(
            f"{what} of the baseline and of the candidate differ, first on sample {int(np.argwhere(differs)[0][0])}",
            hint="predict both on the same data, in the same order",
        )
