"""What a fitted estimator gives: probabilities or scores of classes, values, or features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.export.reference import PURPOSE

PROBABILITIES = "probabilities"
SCORES = "scores"
LABEL = "label"
VALUE = "value"
FEATURES = "features"
_ARRAY = {"zipmap": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an estimator gives, and under which names.

    Attributes:
        kind: `PROBABILITIES`, `SCORES`, `VALUE` or `FEATURES`, which is the name of the first output too.
        classes: Of a classifier, in the order of its columns; else empty.
    """

    kind: str
    classes: tuple[Any, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """Names of outputs: what is judged, then the label of a classifier where that is a number."""
        return (self.kind, LABEL) if self.classes and not self.has_text_classes else (self.kind,)

    @property
    def has_text_classes(self) -> bool:
        """Whether classes have names rather than numbers."""
        return any(isinstance(each, str) for each in self.classes)

    def options(self) -> list[dict[str, bool]]:
        """What skl2onnx may be asked for, the best first: an array, not a map, and scores as they are.

        It refuses an option that a converter does not know, and there is no public way to ask for these.
        """
        if not self.classes:
            return [{}]
        raw = {"raw_scores": True} if self.kind == SCORES else {}
        return [{**zipped, **scores} for zipped, scores in ((_ARRAY, raw), ({}, raw), (_ARRAY, {}), ({}, {}))]

    def names_of(self, outputs: Sequence[str]) -> list[str]:
        """Our names for skl2onnx's outputs, which are the label of a classifier and then what is judged.

        Raises:
            Unsupported: There are more or fewer.
        """
        wanted = [LABEL, self.kind] if self.classes else [self.kind]
        if len(outputs) != len(wanted):
            raise Unsupported(
                f"skl2onnx gives {len(outputs)} outputs ({', '.join(outputs)}) where {len(wanted)} are known here",
                hint="convert one estimator of one target",
            )
        return wanted

    def outputs_of(self, estimator: Any, table: Any) -> dict[str, NDArray[Any]]:
        """What the estimator gives for rows, by name of the output, the label left out: rounding may turn a tie."""
        if self.kind == PROBABILITIES:
            return {PROBABILITIES: np.asarray(estimator.predict_proba(table))}
        if self.kind == SCORES:
            scores = np.asarray(estimator.decision_function(table))
            return {SCORES: np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores}
        if self.kind == FEATURES:
            return {FEATURES: np.asarray(estimator.transform(table))}
        values = np.asarray(estimator.predict(table))
        return {VALUE: values.reshape(len(values), -1)}


def head_of(estimator: Any, text: str) -> Head:
    """What a fitted estimator gives.

    Raises:
        InputError: It is not fitted.
        Unsupported: It gives several labels per sample, or nothing that can be compared.
    """
    from sklearn.base import is_regressor
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise InputError(
            f"{PURPOSE} `{text}` is a `{type(estimator).__name__}` that is not fitted",
            hint="name a fitted one, or a function that fits or loads it and returns it",
        ) from error
    if hasattr(estimator, "classes_") and hasattr(estimator, "predict"):
        classes = estimator.classes_
        if isinstance(classes, list):
            raise Unsupported(f"{PURPOSE} `{text}` has several targets", hint="convert one estimator per target")
        has_probabilities = hasattr(estimator, "predict_proba")
        kind = PROBABILITIES if has_probabilities else SCORES if hasattr(estimator, "decision_function") else ""
        if kind:
            return Head(kind=kind, classes=tuple(np.asarray(classes).tolist()))
    elif hasattr(estimator, "predict") and is_regressor(estimator):
        return Head(kind=VALUE)
    elif hasattr(estimator, "transform") and not hasattr(estimator, "predict"):
        return Head(kind=FEATURES)
    raise Unsupported(
        f"{PURPOSE} `{text}` is a `{type(last_step(estimator)).__name__}`: no classifier, regressor or transformer",
        hint="convert one of these",
    )


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a pipeline."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def unwrapped(estimator: Any) -> Any:
    """What a search over parameters found best, or the estimator itself."""
    return getattr(estimator, "best_estimator_", estimator)
