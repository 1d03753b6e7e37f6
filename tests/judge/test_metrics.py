import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.judge.answers import answers_from_scores
from edgeopt.judge.metrics import evaluate_metrics, measure_metrics

LABELS = np.arange(60) % 10
SCORES = np.eye(10, dtype=np.float32)[np.where(np.arange(60) < 54, LABELS, (LABELS + 1) % 10)]
PROBABILITIES = np.linspace(0.05, 0.95, 40)
SIDES = (np.arange(40) >= 15).astype(np.int64)


@pytest.mark.parametrize(
    ("scores", "labels", "names"),
    [
        (SCORES, LABELS, ["accuracy", "top5", "f1", "log_loss", "brier"]),
        (SCORES[:, :5], LABELS % 5, ["accuracy", "f1", "log_loss", "brier"]),
        (SCORES[:, :2], LABELS % 2, ["accuracy", "f1", "auc", "ks", "log_loss", "brier"]),
        (SCORES[:, :2].astype(np.int8), LABELS % 2, ["accuracy", "f1", "auc", "ks"]),
        (PROBABILITIES, SIDES, ["accuracy", "f1", "auc", "ks", "log_loss", "brier"]),
        (LABELS, LABELS, ["accuracy", "f1"]),
        (PROBABILITIES, PROBABILITIES, ["mse", "mae"]),
        (np.zeros((5, 8, 4)), np.ones((5, 8, 4)), ["mse", "mae"]),
    ],
)
def test_the_metrics_are_those_that_suit_the_task(scores, labels, names):
    assert list(evaluate_metrics(scores, labels)) == names


def test_accuracy_is_the_share_of_hits_with_wilsons_interval():
    found = evaluate_metrics(SCORES, LABELS, names=["accuracy"])["accuracy"]

    assert (found.value, found.n, found.unit) == (0.9, 60, "1")
    assert (found.low, found.high) == pytest.approx((0.7985, 0.9534), abs=1e-4)


def test_a_metric_is_written_as_value_interval_and_number():
    record = evaluate_metrics(SCORES, LABELS)["accuracy"].as_json()

    assert record.keys() >= {"value", "ci95", "n"}
    assert len(record["ci95"]) == 2


def test_errors_are_in_units_of_the_label():
    found = evaluate_metrics(np.array([1.0, 2.0, 6.0]), np.array([1.0, 4.0, 3.0]))

    assert found["mse"].value == pytest.approx(13 / 3)
    assert found["mae"].value == pytest.approx(5 / 3)
    assert found["mse"].low <= found["mse"].value <= found["mse"].high


def test_more_confidence_widens_every_interval():
    narrow = evaluate_metrics(PROBABILITIES, SIDES[::-1].copy(), confidence=0.8)
    wide = evaluate_metrics(PROBABILITIES, SIDES[::-1].copy(), confidence=0.99)

    assert all(wide[name].low <= narrow[name].low for name in narrow)
    assert all(wide[name].high >= narrow[name].high for name in narrow)


def test_the_seed_sets_the_bootstrap():
    first, again, other = (evaluate_metrics(SCORES, LABELS, names=["f1"], seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_an_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="no metric `acuracy`") as caught:
        evaluate_metrics(SCORES, LABELS, names=["acuracy"])

    assert "`accuracy`" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "scores", "labels", "reason"),
    [
        ("mse", SCORES, LABELS, r"it is for regression, and with these labels .integers. this is classification"),
        ("accuracy", PROBABILITIES, PROBABILITIES, "it is for binary or classification, and .* .floats. this is regr"),
        ("top5", SCORES[:, :5], LABELS % 5, "it says little with 5 classes"),
        ("top5", LABELS, LABELS, "not a score per class"),
        ("auc", SCORES, LABELS, "it needs two classes, the model has 10"),
        ("auc", PROBABILITIES, np.ones(40, np.int64), "labels of both classes, all 40 are `1`"),
    ],
)
def test_a_metric_that_does_not_suit_is_refused_with_the_reason(name, scores, labels, reason):
    with pytest.raises(InputError, match=f"metric `{name}` cannot be computed: .*{reason}") as caught:
        evaluate_metrics(scores, labels, names=[name])

    assert "suit" in caught.value.hint


def test_by_default_auc_is_left_out_where_all_labels_are_of_one_class():
    assert list(evaluate_metrics(PROBABILITIES, np.ones(40, np.int64))) == ["accuracy", "f1", "log_loss", "brier"]


def test_a_model_that_gives_nan_is_refused_before_anything_is_counted():
    scores = SCORES.copy()
    scores[3] = np.nan

    with pytest.raises(InputError, match="NaN on 1 of 60 samples"):
        evaluate_metrics(scores, LABELS)


def test_a_label_out_of_range_is_named_with_its_source():
    with pytest.raises(InputError, match=r"label `9` of sample 9 in `eval\.npz`"):
        evaluate_metrics(SCORES[:, :9], LABELS, source="eval.npz")


def test_a_slice_keeps_the_threshold_of_the_whole():
    scores, labels = np.array([-2.0, 0.2, 0.4, 3.0]), np.array([0, 1, 1, 1])
    answers = answers_from_scores(scores, labels)

    part = measure_metrics(answers.rows(np.array([1, 2])), names=["accuracy"])["accuracy"]

    assert part.value == 1.0
    assert evaluate_metrics(scores[1:3], labels[1:3])["accuracy"].value == 0.0
