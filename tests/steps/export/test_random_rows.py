"""Random rows lie where a fitted estimator expects its samples."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from edgeopt.steps.export.random_rows import hides_trees, random_rows, thresholds_of

GENERATOR = np.random.default_rng(0)
FEATURES = np.stack(
    [GENERATOR.normal(4000, 900, 400), GENERATOR.normal(-3, 0.1, 400), GENERATOR.integers(2, 5, 400)], 1
)
LABELS = (FEATURES[:, 0] + 900 * FEATURES[:, 2] > 7000).astype(int)


def test_a_scaler_tells_centre_and_spread() -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, LABELS)
    rows = random_rows(estimator, 3, samples=500, seed=0)

    np.testing.assert_allclose(rows.mean(axis=0), FEATURES.mean(axis=0), rtol=0.1)
    np.testing.assert_allclose(rows.std(axis=0), FEATURES.std(axis=0), rtol=0.1)


def test_an_encoder_tells_its_categories_and_each_column_its_own() -> None:
    chosen = ColumnTransformer([("number", StandardScaler(), [0]), ("kind", OrdinalEncoder(), [2])])
    estimator = make_pipeline(chosen, LogisticRegression()).fit(FEATURES, LABELS)
    rows = random_rows(estimator, 3, samples=200, seed=0)

    assert set(rows[:, 2]) == {2.0, 3.0, 4.0}
    assert 3500 < rows[:, 0].mean() < 4500
    assert abs(rows[:, 1].mean()) < 0.5


@pytest.mark.parametrize("kind", [GradientBoostingClassifier, HistGradientBoostingClassifier])
def test_a_quarter_of_the_rows_lie_on_thresholds_of_trees(kind: type) -> None:
    estimator = kind(max_depth=3).fit(FEATURES, LABELS)
    thresholds = thresholds_of(estimator)
    rows = random_rows(estimator, 3, samples=100, seed=0)

    assert set(thresholds) >= {0, 2}
    for feature, values in thresholds.items():
        assert set(rows[:25, feature]) <= set(values)


def test_without_hints_rows_are_standard_normal() -> None:
    rows = random_rows(LogisticRegression().fit(FEATURES, LABELS), 3, samples=2000, seed=0)

    np.testing.assert_allclose(rows.std(axis=0), 1, atol=0.1)


def test_trees_behind_another_step_are_found() -> None:
    trees = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, LABELS)

    assert not hides_trees(trees)
    assert hides_trees(
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=2)).fit(FEATURES, LABELS)
    )
    assert not hides_trees(make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, LABELS))
