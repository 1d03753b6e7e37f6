"""Histogram gradient boosting: integers where skl2onnx 1.20 writes booleans, and thresholds rounded as samples are.

Its trees compare float64 samples with float64 thresholds, and a threshold is often the value of a sample. The ONNX form
compares float32 with float32. Rounding keeps order, so that rounded samples take the branches that they took before
if thresholds are rounded alike, to the nearest: only two numbers that fall together in float32 are told apart no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from edgeopt._optional import require

Converter = Callable[[Any, Any, Any], None]
_MOST_DEPTH = 8  # of estimators inside estimators


def converters() -> dict[type, Converter]:
    """Converters of ours for the estimators that skl2onnx 1.20 fails on.

    `nodes_missing_value_tracks_true` is a list of numpy booleans (skl2onnx/common/tree_ensemble.py, `missing`), which
    `onnx.helper.make_attribute` no longer takes.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    registration = require("skl2onnx.common._registration", purpose="convert scikit-learn models")

    def converter(scope: Any, operator: Any, container: Any) -> None:
        registration.get_converter(operator.type)(scope, operator, _WholeNumbers(container))

    return {HistGradientBoostingClassifier: converter, HistGradientBoostingRegressor: converter}


def as_float32_samples_see_it(estimator: Any) -> Any:
    """`estimator`, or a copy whose thresholds of histogram boosting are rounded to float32, wherever in it that is."""
    if not any(True for _ in _predictors(estimator)):
        return estimator
    copy = deepcopy(estimator)
    for predictor in _predictors(copy):
        predictor.nodes["num_threshold"] = predictor.nodes["num_threshold"].astype(np.float32)
    return copy


def _predictors(value: Any, depth: int = 0) -> Iterator[Any]:
    """Trees of histogram boosting in an estimator, in its steps and in what it keeps in lists."""
    if depth > _MOST_DEPTH:
        return
    if hasattr(value, "_predictors"):
        yield from (predictor for stage in value._predictors for predictor in stage)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _predictors(each, depth + 1)
    elif hasattr(value, "get_params") and hasattr(value, "__dict__"):
        for each in vars(value).values():
            yield from _predictors(each, depth + 1)


class _WholeNumbers:
    """A container of nodes that takes booleans for integers."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        """Add a node as the container does."""
        return self._container.add_node(*arguments, **{name: _whole(value) for name, value in attributes.items()})


def _whole(value: Any) -> Any:
    kinds = bool | np.bool_ | np.integer
    return [int(each) if isinstance(each, kinds) else each for each in value] if isinstance(value, list) else value
