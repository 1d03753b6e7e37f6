"""What a fitted estimator takes: one table of numbers, or its columns by name; and random rows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.export.reference import PURPOSE

INPUT = "x"
Feeds = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The inputs of an estimator.

    Attributes:
        count: Number of features.
        names: Of the features, where the estimator was fitted on a table with names; else empty.
        is_apart: Whether each is an input of its own, since the estimator picks them by name.
    """

    count: int
    names: tuple[str, ...] = ()
    is_apart: bool = False

    @property
    def inputs(self) -> dict[str, int]:
        """Number of features of each input of the ONNX model, by its name."""
        return {_plain(name): 1 for name in self.names} if self.is_apart else {INPUT: self.count}

    def feeds(self, rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Rows, (sample, feature), by input of the ONNX model, which takes them as float32."""
        if not self.is_apart:
            return {INPUT: rows}
        return {name: rows[:, [index]] for index, name in enumerate(self.inputs)}

    def table(self, feeds: Feeds) -> Any:
        """What the estimator itself takes for the inputs of the ONNX model: float64, in a table where it has names."""
        rows = np.concatenate([feeds[name].reshape(len(feeds[name]), -1) for name in self.inputs], axis=1)
        if not self.names:
            return rows.astype(np.float64)
        pandas: Any = import_module("pandas")  # it is there where an estimator was fitted on its tables

        return pandas.DataFrame(rows.astype(np.float64), columns=list(self.names))


def columns_of(estimator: Any, text: str) -> Columns:
    """The inputs of a fitted estimator.

    Raises:
        InputError: It does not say how many features it takes.
        Unsupported: It takes text.
    """
    count = getattr(estimator, "n_features_in_", None)
    if not isinstance(count, int | np.integer) or count < 1:
        raise InputError(
            f"{PURPOSE} `{text}` does not say how many features it takes (`n_features_in_`)",
            hint="fit it on a table of numbers, (sample, feature), not on text or a list of dicts",
        )
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    is_apart = bool(names) and _picks_by_name(estimator)
    if is_apart and _takes_text(estimator):
        raise Unsupported(
            f"{PURPOSE} `{text}` has categories that are text, and edgeopt runs models on numbers",
            hint="encode text as numbers before the pipeline, and fit it on these",
        )
    return Columns(count=int(count), names=names, is_apart=is_apart)


def random_rows(estimator: Any, columns: Columns, *, samples: int, seed: int) -> NDArray[np.float64]:
    """Rows that exercise an estimator, (sample, feature): as far apart as what it was fitted on.

    The first scaler tells centre and spread of each feature, trees their thresholds; else they are standard normal.
    A quarter of the rows lie on thresholds of trees exactly.
    """
    generator = np.random.default_rng(seed)
    centre, spread, thresholds = np.zeros(columns.count), np.ones(columns.count), {}
    for step in _steps(estimator):
        scale = np.asarray(getattr(step, "scale_", None))
        shift = np.asarray(getattr(step, "mean_", getattr(step, "center_", None)))
        if scale.shape == shift.shape == (columns.count,):
            centre, spread = shift.astype(np.float64), scale.astype(np.float64)
            break
        thresholds = _thresholds(step)
        if thresholds:
            for feature, values in thresholds.items():
                centre[feature], spread[feature] = values.mean(), values.std() * 2 or abs(values[0]) or 1.0
            break
    rows: NDArray[np.float64] = centre + spread * generator.standard_normal((samples, columns.count))
    for feature, values in thresholds.items():
        rows[: samples // 4, feature] = generator.choice(values, samples // 4)
    return rows


def _steps(estimator: Any) -> list[Any]:
    """An estimator, or the steps of a pipeline in order."""
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]


def hides_trees(estimator: Any) -> bool:
    """Whether trees compare what a step before them has changed."""
    first, *others = _steps(estimator)
    return not _thresholds(first) and any(_thresholds(step) for step in others)


def _thresholds(estimator: Any) -> dict[int, NDArray[np.float64]]:
    """Thresholds that trees compare each feature with; empty where it holds no trees."""
    features, values = [], []
    for tree in _trees(estimator):
        inner = tree.feature >= 0
        features.append(tree.feature[inner])
        values.append(tree.threshold[inner])
    for stage in getattr(estimator, "_predictors", ()):
        for predictor in stage:
            nodes = predictor.nodes[(predictor.nodes["is_leaf"] == 0) & (predictor.nodes["is_categorical"] == 0)]
            features.append(nodes["feature_idx"])
            values.append(nodes["num_threshold"])
    if not features:
        return {}
    feature, value = np.concatenate(features).astype(np.int64), np.concatenate(values)
    kept = np.isfinite(value)
    return {int(each): value[kept & (feature == each)] for each in np.unique(feature[kept])}


def _trees(estimator: Any) -> list[Any]:
    if hasattr(estimator, "tree_"):
        return [estimator.tree_]
    if not hasattr(estimator, "estimators_"):
        return []
    inner = np.ravel(np.asarray(estimator.estimators_, dtype=object))
    return [each.tree_ for each in inner if hasattr(each, "tree_")]


def _picks_by_name(estimator: Any) -> bool:
    """Whether a step selects columns by their names."""
    for step in _steps(estimator):
        for _, _, chosen in getattr(step, "transformers", ()):
            wanted = chosen if isinstance(chosen, list | tuple) else [chosen]
            if any(isinstance(each, str) for each in wanted) or callable(chosen):
                return True
    return False


def _takes_text(estimator: Any) -> bool:
    """Whether an encoder among the steps was fitted on text."""
    waiting = _steps(estimator)
    while waiting:
        step = waiting.pop()
        if any(np.asarray(each).dtype.kind in "OUS" for each in getattr(step, "categories_", ())):
            return True
        waiting += [each for _, each, *_ in getattr(step, "transformers_", ()) if hasattr(each, "fit")]
        waiting += [each for _, each in getattr(step, "steps", ())]
    return False


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)
