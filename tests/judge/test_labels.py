import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.errors import InputError
from edgeopt.judge.labels import Task, check_labels, correctness, infer_task

TEN = np.zeros((4, 10), np.float32)
SINGLE = np.array([[0.2], [0.4], [0.6], [0.8]], np.float32)


@pytest.mark.parametrize(
    ("scores", "labels", "task"),
    [
        (TEN, np.array([0, 1, 2, 9]), Task.CLASSIFICATION),
        (TEN[:, :2], np.array([0, 1, 1, 0]), Task.CLASSIFICATION),
        (TEN[:, :, None, None], np.array([[0], [1], [2], [9]]), Task.CLASSIFICATION),
        (TEN, np.eye(10)[:4], Task.CLASSIFICATION),
        (TEN, np.array([0.0, 1.0, 2.0, 9.0]), Task.CLASSIFICATION),
        (SINGLE, np.array([0, 1, 1, 0]), Task.BINARY),
        (SINGLE[:, 0], np.array([False, True, True, False]), Task.BINARY),
        (np.array([0, 1, 1, 0]), np.array([0, 1, 1, 1]), Task.BINARY),
        (np.array([0, 1, 5, 0]), np.array([0, 1, 1, 1]), Task.CLASSIFICATION),
        (SINGLE, np.array([0.1, 0.2, 1.3, 2.0]), Task.REGRESSION),
        (TEN, np.random.default_rng(0).normal(size=(4, 10)), Task.REGRESSION),
        (np.zeros((4, 8, 8, 3)), np.full((4, 8, 8, 3), 200, np.uint8), Task.REGRESSION),
        (TEN, None, Task.CLASSIFICATION),
        (SINGLE, None, Task.BINARY),
        (np.array([0, 1, 5, 0]), None, Task.CLASSIFICATION),
        (10 * SINGLE, None, Task.REGRESSION),
        (np.zeros((4, 8, 8)), None, Task.REGRESSION),
    ],
)
def test_scores_and_labels_set_the_task(scores, labels, task):
    assert infer_task(scores, labels) is task


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        (np.zeros((4, 10, 8, 8)), np.zeros((4, 8, 8), np.int64), "`4x8x8` do not fit scores of shape `4x10x8x8`"),
        (np.zeros((4, 5, 10)), np.zeros(4, np.int64), "`4` do not fit scores of shape `4x5x10`"),
        (TEN, np.eye(12)[:4], "`4x12` do not fit scores of shape `4x10`"),
        (TEN, np.ones((4, 10), np.int64), "several classes per sample"),
    ],
)
def test_what_fits_no_task_is_refused_with_the_reason(scores, labels, reason):
    with pytest.raises(InputError, match=reason) as caught:
        infer_task(scores, labels)

    assert caught.value.hint


def test_labels_become_a_row_of_classes():
    assert check_labels(TEN, np.array([[0], [1], [2], [9]], np.uint8), "d.npz").tolist() == [0, 1, 2, 9]
    assert check_labels(TEN, np.eye(10, dtype=np.float32)[[3, 0, 9, 1]], "d.npz").tolist() == [3, 0, 9, 1]
    assert check_labels(TEN, np.array([0.0, 1.0, 2.0, 9.0]), "d.npz").dtype == np.int64
    assert check_labels(SINGLE, np.array([[True], [False], [True], [True]]), "d.npz").tolist() == [1, 0, 1, 1]


def test_labels_of_a_regression_keep_their_values():
    labels = np.array([[0.5], [1.5], [2.5], [3.5]])

    assert check_labels(SINGLE, labels, "d.npz").tolist() == [0.5, 1.5, 2.5, 3.5]
    assert check_labels(np.zeros((2, 1, 3)), np.zeros((2, 3, 1)), "d.npz").shape == (2, 3)


@pytest.mark.parametrize(
    ("scores", "labels", "message", "hint"),
    [
        (TEN, [0, 1, 12, 3], r"label `12` of sample 2 in `d.npz` is no class: the model has 10 classes \(0 to 9\)", ""),
        (TEN, [0, -1, 2, 3], r"label `-1` of sample 1", ""),
        (TEN, [1, 10, 2, 3], r"label `10` of sample 1", "subtract 1"),
        (TEN, [0.0, 1.5, 2.0, 3.0], r"label `1.5` of sample 1 in `d.npz` is a fraction", "class numbers"),
        (SINGLE, [-1, 1, 1, -1], r"label `-1` of sample 0", "write 0"),
        (SINGLE, [0, 1, 2, 3], r"label `2` of sample 2", "as floats"),
        (np.array([1, 2, 3, 4]), [1, 2, -3, 4], r"label `-3` of sample 2", ""),
        (TEN, [0, 1, 2], r"`d.npz` has 3 labels for 4 samples", "one label per sample"),
        (TEN, 3, r"`d.npz` has 1 labels for 4 samples", ""),
        (TEN[:0], np.zeros(0, np.int64), r"`d.npz` holds zero samples", ""),
        (TEN, ["a", "b", "c", "d"], r"labels of `d.npz` are `<U1`", "class numbers"),
        (TEN, [0.0, np.nan, 1.0, np.inf], r"NaN or infinite in 2 of 4 samples \(the first is number 1\)", "drop"),
    ],
)
def test_an_unusable_label_is_named(scores, labels, message, hint):
    with pytest.raises(InputError, match=message) as caught:
        check_labels(scores, np.asarray(labels), "d.npz")

    assert hint in caught.value.hint


def test_checked_labels_pass_the_check_again():
    labels = check_labels(TEN, np.eye(10)[:4], "d.npz")

    assert check_labels(TEN, labels, "d.npz").tolist() == labels.tolist()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_scores_that_peak_at_the_label_are_right(classes):
    scores = np.eye(10, dtype=np.float32)[classes]

    assert correctness(scores, np.array(classes)).all()
    assert not correctness(scores, (np.array(classes) + 1) % 10).any()


def test_right_and_wrong_need_classes():
    assert correctness(SINGLE, np.array([0, 0, 0, 1])).tolist() == [True, True, False, True]
    with pytest.raises(InputError, match="regression"):
        correctness(SINGLE, np.array([0.5, 0.5, 0.5, 0.5]))
