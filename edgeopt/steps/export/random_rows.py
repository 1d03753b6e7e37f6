"""Random rows that exercise a fitted estimator: as far apart as those it was fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Thresholds = dict[int, Rows]


def random_rows(estimator: Any, count: int, *, samples: int, seed: int) -> Rows:
    """Rows, (sample, feature) float64.

    Encoders tell their categories, scalers centre and spread, trees their thresholds, on which a quarter of the rows
    lie exactly; other features are standard normal.

    Args:
        estimator: Fitted.
        count: Number of features.
        samples: Number of rows.
        seed: Seed of the draw.
    """
    generator = np.random.default_rng(seed)
    rows: Rows = generator.standard_normal((samples, count))
    _suit(rows, estimator, np.arange(count), generator)
    return rows


def hides_trees(estimator: Any) -> bool:
    """Whether trees compare what a step before them has changed."""
    first, *others = steps_of(estimator)
    return not thresholds_of(first) and any(thresholds_of(step) for step in others)


def steps_of(estimator: Any) -> list[Any]:
    """An estimator, or the steps of a pipeline in order."""
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]


def thresholds_of(estimator: Any) -> Thresholds:
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


def _suit(rows: Rows, estimator: Any, places: NDArray[np.int64], generator: np.random.Generator) -> None:
    """Make, in place, the features of standard normal rows at `places` what an estimator that reads these expects."""
    step = steps_of(estimator)[0]
    if hasattr(step, "transformers_"):
        for name, inner, _ in step.transformers_:
            chosen = step._transformer_to_input_indices.get(name, [])
            if hasattr(inner, "fit") and len(chosen):
                _suit(rows, inner, places[np.asarray(chosen)], generator)
        return
    for feature, values in enumerate(getattr(step, "categories_", ())):
        rows[:, places[feature]] = generator.choice(np.asarray(values, dtype=np.float64), len(rows))
    scale = np.asarray(getattr(step, "scale_", None))
    shift = np.asarray(getattr(step, "mean_", getattr(step, "center_", None)))
    if scale.shape == shift.shape == places.shape:
        rows[:, places] = shift + scale * rows[:, places]
    for feature, values in thresholds_of(step).items():
        place, quarter = places[feature], len(rows) // 4
        rows[:, place] = values.mean() + (values.std() * 2 or abs(values[0]) or 1.0) * rows[:, place]
        rows[:quarter, place] = generator.choice(values, quarter)


def _trees(estimator: Any) -> list[Any]:
    if hasattr(estimator, "tree_"):
        return [estimator.tree_]
    if not hasattr(estimator, "estimators_"):
        return []
    inner = np.ravel(np.asarray(estimator.estimators_, dtype=object))
    return [each.tree_ for each in inner if hasattr(each, "tree_")]
