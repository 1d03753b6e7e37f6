"""Two models of the risk that a loan defaults: a scorecard as banks run it, and gradient boosting to replace it.

`python train.py` writes `eval.csv`, applicants that neither model was fitted on. `edgeopt convert train.py:scorecard`
calls the function of that name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from applicants import applicants, write_csv
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

TRAINED_ON, TRAINING_SEED = 12_000, 1
EVALUATED_ON, EVALUATION_SEED = 6_000, 2


@cache
def _training() -> tuple[Any, Any]:
    table, defaulted, _ = applicants(TRAINED_ON, TRAINING_SEED)
    return table, defaulted


def scorecard() -> Pipeline:
    """Logistic regression on standardized features."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*_training())


def boosted() -> HistGradientBoostingClassifier:
    """Gradient-boosted trees; they need no scaler."""
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=60, random_state=0
    ).fit(*_training())


if __name__ == "__main__":
    write_csv(Path("eval.csv"), EVALUATED_ON, EVALUATION_SEED)
