"""What a model gave per sample, read as classes where it can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.dataset import Array
from edgeopt.errors import InputError

# A quantized sigmoid may overshoot 1 by a step of its scale, 1/255 at most for int8: still a probability.
_OVERSHOOT = 0.01
_MISSING_SHARE = 0.1


def checked_scores(scores: Array, *, source: str = "the model") -> Array:
    """`scores` without axes of length 1 after the first, after checking that they can be judged.

    Args:
        scores: (sample, ...) of any real dtype.
        source: Who gave them, for messages.

    Returns:
        (sample,), (sample, class) or (sample, ...), of the same dtype.

    Raises:
        InputError: No samples, no numbers, NaN or infinity, or one quantized value per sample.
    """
    scores = np.asarray(scores)
    if scores.dtype.kind not in "biuf":
        raise InputError(f"{source} gives `{scores.dtype}`, not numbers", hint="give scores, logits or class numbers")
    if scores.ndim == 0 or not scores.size:
        raise InputError(f"{source} gives zero samples", hint="give at least one")
    _require_finite(scores, source)
    squeezed = without_unit_axes(scores)
    if squeezed.ndim == 1 and squeezed.dtype.kind in "iu" and squeezed.dtype.itemsize < 4:
        raise InputError(
            f"{source} gives one `{scores.dtype}` per sample: neither a class nor a probability",
            hint="dequantize the output first: (value - zero point) * scale",
        )
    return squeezed


def without_unit_axes(array: Array) -> Array:
    """`array`, (sample, ...), without axes of length 1 after the first: (sample, 1) and (sample, 1, 1) are (sample,).

    A single sample stays one: only axes after the first go.
    """
    array = np.asarray(array)
    return array.reshape(array.shape[:1] + tuple(length for length in array.shape[1:] if length != 1))


def has_classes(scores: Array) -> bool:
    """Whether squeezed `scores` are class numbers, as of a model that ends in ArgMax: one integer per sample."""
    return scores.ndim == 1 and scores.dtype.kind in "biu"


def class_count(scores: Array) -> int | None:
    """Number of classes that squeezed `scores` tell apart; None where they are class numbers themselves."""
    if has_classes(scores):
        return None
    return 2 if scores.ndim == 1 else int(scores.shape[1])


def are_probabilities(scores: Array) -> bool:
    """Whether all scores lie in [0, 1], give or take 0.01 for a quantized sigmoid; logits leave it sooner or later."""
    return bool(scores.min() >= -_OVERSHOOT and scores.max() <= 1 + _OVERSHOOT)


def rows_are_probabilities(scores: Array) -> bool:
    """Whether squeezed `scores` are probabilities: all in [0, 1] (see `are_probabilities`), and rows add up to 1.

    The median row decides, give or take 0.1: an 8-bit softmax over many classes rounds small shares to 0.
    """
    if not are_probabilities(scores) or scores.ndim > 2:
        return False
    return scores.ndim == 1 or abs(float(np.median(scores.sum(axis=1, dtype=np.float64))) - 1) <= _MISSING_SHARE


def decision_threshold(scores: Array) -> float:
    """From where a single score means class 1: 0.5 where all are probabilities (see `are_probabilities`), else 0."""
    return 0.5 if are_probabilities(scores) else 0.0


def predicted_classes(scores: Array, *, threshold: float | None = None) -> NDArray[np.int64]:
    """The class that each sample is put in, (sample,) int64.

    Args:
        scores: (sample, class): the largest score wins, the first of equals. (sample,) or (sample, 1): class 1 from
            `threshold` on; integers are classes themselves.
        threshold: For single scores; None takes `decision_threshold`. Two models that are compared need one threshold.

    Raises:
        InputError: The scores cannot be read as classes.
    """
    scores = checked_scores(scores)
    if scores.ndim == 2:
        return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)
    if scores.ndim != 1:
        raise InputError(
            f"scores of shape `{times(scores.shape)}` name no class per sample",
            hint="classes need one score per class, or one score, for each sample",
        )
    if has_classes(scores):
        return scores.astype(np.int64)
    limit = decision_threshold(scores) if threshold is None else threshold
    return np.asarray(scores >= limit, dtype=np.int64)


def times(shape: tuple[int, ...]) -> str:
    """A shape as people write it: `100x10`."""
    return "x".join(str(length) for length in shape)


def _require_finite(scores: Array, source: str) -> None:
    strange = ~np.isfinite(scores)
    if not strange.any():
        return
    samples = strange.reshape(len(scores), -1).any(axis=1)
    kind = "NaN" if np.isnan(scores).any() else "infinity"
    raise InputError(
        f"{source} gives {kind} on {int(samples.sum())} of {len(scores)} samples (the first is number "
        f"{int(np.argmax(samples))})",
        hint="a value overflows: look at fp16 nodes and at inputs far outside the range calibrated on",
    )
