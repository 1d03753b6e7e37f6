"""Histogram gradient boosting as skl2onnx 1.20 should write it: integers where it writes booleans, exact thresholds."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt._optional import require

Converter = Callable[[Any, Any, Any], None]


def converters() -> dict[type, Converter]:
    """Converters of ours for the estimators that skl2onnx does not write right.

    `nodes_missing_value_tracks_true` is a list of numpy booleans (skl2onnx/common/tree_ensemble.py, `missing`), which
    `onnx.helper.make_attribute` no longer takes. And thresholds are rounded to the nearest float32, above which
    a sample may lie that is at most the threshold, where those of other trees are rounded down.
    """
    registration = require("skl2onnx.common._registration", purpose="convert scikit-learn models")
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def converter(scope: Any, operator: Any, container: Any) -> None:
        original = operator.raw_operator
        operator.raw_operator = _with_float32_thresholds(original)
        try:
            registration.get_converter(operator.type)(scope, operator, _WholeNumbers(container))
        finally:
            operator.raw_operator = original

    return {HistGradientBoostingClassifier: converter, HistGradientBoostingRegressor: converter}


def rounded_down(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest float32 at or below each value: x <= value holds for the same float32 x."""
    nearest = values.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > values, below, nearest).astype(np.float64)


def _with_float32_thresholds(estimator: Any) -> Any:
    """A copy of an estimator whose thresholds are float32; it parts float32 samples as the original does."""
    copy = deepcopy(estimator)
    for stage in copy._predictors:
        for predictor in stage:
            predictor.nodes["num_threshold"] = rounded_down(predictor.nodes["num_threshold"])
    return copy


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
