"""scikit-learn estimators as ONNX files: same outputs, what is judged first, and each that cannot be converted."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeopt
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset
from edgeopt.errors import ExtraMissing, InputError, Unsupported
from edgeopt.runners import runner_named
from edgeopt.steps.export.proof import TOLERANCE
from edgeopt.steps.export.reference import Source
from edgeopt.steps.export.sklearn_export import export_sklearn
from edgeopt.steps.protocol import StepReport

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

PROBABLE = {
    "logistic": LogisticRegression(max_iter=500),
    "scaled logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "min-max logistic": make_pipeline(MinMaxScaler(), LogisticRegression()),
    "boosting": GradientBoostingClassifier(n_estimators=10),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=10),
    "forest": RandomForestClassifier(8),
    "extra trees": ExtraTreesClassifier(5),
    "tree": DecisionTreeClassifier(max_depth=5),
    "network": MLPClassifier((8,), max_iter=2000),
    "bayes": GaussianNB(),
    "neighbours": KNeighborsClassifier(),
    "calibrated": CalibratedClassifierCV(LogisticRegression(max_iter=500), cv=2),
    "search": GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1]}, cv=2),
    "ada boost": AdaBoostClassifier(n_estimators=5),
    "bagging": BaggingClassifier(n_estimators=3),
}
SCORED = {
    "support vectors": SVC(),
    "linear support vectors": LinearSVC(),
    "ridge": RidgeClassifier(),
    "stochastic": SGDClassifier(),
}
VALUED = {
    "linear": LinearRegression(),
    "boosting": GradientBoostingRegressor(n_estimators=10),
    "histogram boosting": HistGradientBoostingRegressor(max_iter=10),
    "forest": RandomForestRegressor(5),
}
MODEL = Path("model.onnx")


def classes(count: int = 2) -> tuple[Any, Any]:
    return make_classification(300, 8, n_informative=5, n_classes=count, random_state=0)


def fitted(estimator: Any, features: Any, labels: Any = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(features, labels)


def export(estimator: Any, **options: Any) -> StepReport:
    return export_sklearn(Source(text="train.py:model", kind="sklearn", value=estimator), MODEL, **options)


def outputs_of(features: Any) -> dict[str, Any]:
    with runner_named("onnxruntime").open(MODEL) as session:
        return session.infer({"x": np.asarray(features, dtype=np.float32)})


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", PROBABLE)
def test_a_classifier_gives_its_probabilities_first(name: str, count: int) -> None:
    features, labels = classes(count)
    estimator = fitted(PROBABLE[name], features, labels)
    report = export(estimator)
    artifact = edgeopt.inspect(MODEL).artifact
    given = outputs_of(features)

    assert [str(each) for each in artifact.inputs] == ["x (batch x 8) float32"]
    assert [str(each) for each in artifact.outputs] == [
        f"probabilities (batch x {count}) float32",
        "label (batch) int64",
    ]
    np.testing.assert_allclose(given["probabilities"], estimator.predict_proba(features), atol=1e-5)
    assert (given["label"] == estimator.predict(features)).all()
    assert report.details["classes"] == [str(each) for each in range(count)]
    assert report.warnings == ()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", SCORED)
def test_a_classifier_without_probabilities_gives_a_score_per_class(name: str, count: int) -> None:
    features, labels = classes(count)
    estimator = fitted(SCORED[name], features, labels)
    export(estimator)
    artifact = edgeopt.inspect(MODEL).artifact
    given = outputs_of(features)

    assert str(artifact.outputs[0]) == f"scores (batch x {count}) float32"
    scores = estimator.decision_function(features)
    wanted = np.stack([-scores, scores], axis=1) if count == 2 else scores
    np.testing.assert_allclose(given["scores"], wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", VALUED)
def test_a_regressor_gives_its_value(name: str) -> None:
    features, target = make_regression(300, 8, random_state=0)
    estimator = fitted(VALUED[name], features, target)
    export(estimator)

    assert str(edgeopt.inspect(MODEL).artifact.outputs[0]) == "value (batch x 1) float32"
    np.testing.assert_allclose(outputs_of(features)["value"][:, 0], estimator.predict(features), rtol=1e-4, atol=1e-2)


def test_a_transformer_gives_its_features() -> None:
    features, _ = classes()
    export(fitted(PCA(3), features))

    assert str(edgeopt.inspect(MODEL).artifact.outputs[0]) == "features (batch x 3) float32"


def test_classes_with_names_are_counted_and_said() -> None:
    features, labels = classes(3)
    report = export(fitted(LogisticRegression(), features, np.array(["good", "bad", "ugly"])[labels]))

    assert report.details["classes"] == ["bad", "good", "ugly"]
    assert [each.name for each in edgeopt.inspect(MODEL).artifact.outputs] == ["probabilities"]
    assert report.warnings[0].startswith("the classes are `bad`, `good`, `ugly`: labels of data")


def rounded_samples(features: Any) -> Any:
    """What `--data` gives: the features as float32."""

    def read(inputs: tuple[TensorSpec, ...]) -> Dataset:
        rows = {spec.name: features.astype(spec.dtype) for spec in inputs}
        return Dataset(inputs=rows, source="eval.csv", indices=np.arange(len(features)))

    return read


def coarse() -> tuple[Any, Any]:
    """Features of few values that float32 does not hold, which thresholds of trees come to lie on."""
    features = np.round(np.random.default_rng(0).standard_normal((400, 3)), 1) + 1 / 3
    return features, (features[:, 0] * features[:, 1] > 0.1).astype(int)


@pytest.mark.parametrize("name", ["histogram boosting", "boosting", "tree"])
def test_samples_on_a_threshold_take_the_branch_that_they_took_in_float64(name: str) -> None:
    features, labels = coarse()
    estimator = fitted(PROBABLE[name], features, labels)
    report = export(estimator, samples=rounded_samples(features))

    for compared in report.details["proof"]["compared"]:
        assert compared["outputs"]["probabilities"]["relative"]["value"] < TOLERANCE
    np.testing.assert_allclose(outputs_of(features)["probabilities"], estimator.predict_proba(features), atol=1e-5)


def test_trees_behind_a_scaler_are_said_and_refused_on_data_that_shows_it() -> None:
    features, labels = classes()
    estimator = fitted(make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=10)), features, labels)

    assert "trees need no scaler" in export(estimator).warnings[0]
    with pytest.raises(Unsupported) as caught:
        export(estimator, samples=rounded_samples(features))
    assert "output `probabilities` differs by" in caught.value.message
    assert "leave out what scales features before trees" in caught.value.hint


def test_missing_values_are_handled_as_histogram_boosting_does() -> None:
    features, labels = classes()
    features[::7, 0] = np.nan
    estimator = fitted(HistGradientBoostingClassifier(max_iter=10), features, labels)
    export(estimator)

    np.testing.assert_allclose(outputs_of(features)["probabilities"], estimator.predict_proba(features), atol=1e-5)


def test_the_users_samples_are_compared_too() -> None:
    features, labels = classes()
    asked: list[tuple[TensorSpec, ...]] = []

    def samples(inputs: tuple[TensorSpec, ...]) -> Dataset:
        asked.append(inputs)
        return Dataset(inputs={"x": features.astype(np.float32)}, source="eval.csv", indices=np.arange(300))

    report = export(fitted(LogisticRegression(), features, labels), samples=samples)

    assert [each["inputs"] for each in report.details["proof"]["compared"]] == ["random inputs", "`eval.csv`"]
    assert str(asked[0][0]) == "x (batch x 8) float32"


def test_a_file_names_its_estimator(written: Any) -> None:
    reference = written(
        """
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        def build():
            return LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
        """
    )

    assert export_sklearn(reference, MODEL).details["features"] == 4


def test_names_of_columns_are_told_in_their_order() -> None:
    pandas = pytest.importorskip("pandas")
    features, labels = classes()
    table = pandas.DataFrame(features, columns=[f"column {number}" for number in range(8)])
    report = export(fitted(LogisticRegression(), table, labels))

    assert "input `x` holds the columns in the order that they were fitted in" in report.warnings[0]


def columns_by(names: Any) -> Any:
    """A pipeline that scales two columns and encodes the third."""
    encoded = ColumnTransformer([("numbers", StandardScaler(), names[:2]), ("kind", OneHotEncoder(), names[2:])])
    return make_pipeline(encoded, LogisticRegression())


def mixed() -> tuple[Any, Any]:
    """Two numbers and a category, and classes."""
    generator = np.random.default_rng(0)
    features = np.stack([generator.normal(40, 9, 300), generator.exponential(3, 300), generator.integers(0, 3, 300)], 1)
    return features, (features[:, 0] + 9 * features[:, 2] > 50).astype(int)


def test_columns_by_their_numbers_stay_one_input() -> None:
    features, labels = mixed()
    estimator = fitted(columns_by([0, 1, 2]), features, labels)
    export(estimator)

    np.testing.assert_allclose(outputs_of(features)["probabilities"], estimator.predict_proba(features), atol=1e-5)


def test_columns_by_their_names_are_inputs_of_their_own() -> None:
    pandas = pytest.importorskip("pandas")
    features, labels = mixed()
    names = ["age", "income (k)", "region"]
    export(fitted(columns_by(names), pandas.DataFrame(features, columns=names), labels))

    assert [str(each) for each in edgeopt.inspect(MODEL).artifact.inputs] == [
        f"{name} (batch x 1) float32" for name in names
    ]


def test_categories_that_are_text_are_refused() -> None:
    pandas = pytest.importorskip("pandas")
    features, labels = mixed()
    table = pandas.DataFrame(
        {"age": features[:, 0], "income": features[:, 1], "region": ["north", "south", "west"] * 100}
    )
    with pytest.raises(Unsupported, match="has categories that are text"):
        export(fitted(columns_by(["age", "income", "region"]), table, labels))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (LogisticRegression, InputError, "is a `LogisticRegression` that is not fitted"),
        (
            lambda: fitted(KMeans(2), classes()[0]),
            Unsupported,
            "is a `KMeans`: no classifier, regressor or transformer",
        ),
        (
            lambda: fitted(MultiOutputClassifier(LogisticRegression()), classes()[0], np.stack([classes()[1]] * 2, 1)),
            Unsupported,
            "has several targets",
        ),
        (lambda: fitted(KernelDensity(), classes()[0]), Unsupported, "is a `KernelDensity`: no classifier"),
    ],
)
def test_what_cannot_be_converted_is_refused(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        export(make())

    assert not MODEL.exists()


def test_an_estimator_that_skl2onnx_does_not_know_is_refused_in_one_line() -> None:
    class Own(LogisticRegression):
        """Its converter is not known."""

    features, labels = classes()
    with pytest.raises(Unsupported) as caught:
        export(fitted(Own(), features, labels))

    assert caught.value.message.startswith("model `train.py:model` cannot be converted: ")
    assert "\n" not in caught.value.message
    assert "supported" in caught.value.hint


def test_a_wrong_conversion_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeopt.steps.export import sklearn_export

    features, labels = classes()
    estimator = fitted(LogisticRegression(), features, labels)
    other = fitted(LogisticRegression(C=0.9), features, labels)
    convert = sklearn_export._converted
    monkeypatch.setattr(
        sklearn_export, "_converted", lambda given, opset: convert(_replaced(given, estimator=other), opset)
    )
    MODEL.write_text("what was there")
    with pytest.raises(Unsupported, match="output `probabilities` differs by"):
        export(estimator)

    assert MODEL.read_text() == "what was there"


def _replaced(value: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(value, **changes)


def test_skl2onnx_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    features, labels = classes()
    estimator = fitted(LogisticRegression(), features, labels)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ExtraMissing) as caught:
        export(estimator)

    assert caught.value.hint == "pip install 'edgeopt[sklearn]'"
