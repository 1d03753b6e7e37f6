import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.errors import InputError
from edgeopt.judge.scores import (
    checked_scores,
    class_count,
    decision_threshold,
    has_classes,
    predicted_classes,
    without_unit_axes,
)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 1), (4,)), ((4, 3, 1, 1), (4, 3)), ((4, 1, 3), (4, 3)), ((1, 1), (1,)), ((1, 3), (1, 3))],
)
def test_axes_of_length_one_go_but_for_the_samples(shape, expected):
    assert without_unit_axes(np.zeros(shape)).shape == expected


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_a_model_that_gives_no_numbers_is_named_with_its_samples(value, kind):
    scores = np.zeros((5, 3), np.float32)
    scores[2, 1] = scores[4, 0] = value

    with pytest.raises(InputError, match=rf"the model gives {kind} on 2 of 5 samples \(the first is number 2\)"):
        checked_scores(scores)


def test_text_and_nothing_are_refused():
    with pytest.raises(InputError, match="not numbers"):
        checked_scores(np.array(["cat"]))
    with pytest.raises(InputError, match="zero samples"):
        checked_scores(np.zeros((0, 10)))
    with pytest.raises(InputError, match="zero samples"):
        checked_scores(np.float32(1.0))


def test_one_quantized_value_per_sample_is_refused_with_the_way_out():
    with pytest.raises(InputError, match="neither a class nor a probability") as caught:
        checked_scores(np.zeros((4, 1), np.int8))

    assert "dequantize" in caught.value.hint


def test_the_largest_score_wins_and_the_first_of_equals():
    scores = np.array([[0, 2, 1], [3, 3, 1], [-1, -2, -3]], np.int8)

    assert predicted_classes(scores).tolist() == [1, 0, 0]


def test_single_probabilities_turn_at_a_half_and_logits_at_zero():
    assert predicted_classes(np.array([0.1, 0.5, 0.9])).tolist() == [0, 1, 1]
    assert predicted_classes(np.array([[-3.0], [0.1], [4.0]])).tolist() == [0, 1, 1]
    assert predicted_classes(np.array([0.1, 0.5, 0.9]), threshold=0.0).tolist() == [1, 1, 1]


def test_a_quantized_sigmoid_that_overshoots_one_is_still_a_probability():
    assert decision_threshold(np.array([0.0, 0.4, 1.0039])) == 0.5
    assert decision_threshold(np.array([0.0, 0.4, 1.2])) == 0.0


def test_integers_one_per_sample_are_classes():
    scores = np.array([[3], [0], [7]], np.int64)

    assert has_classes(without_unit_axes(scores))
    assert class_count(without_unit_axes(scores)) is None
    assert predicted_classes(scores).tolist() == [3, 0, 7]


def test_scores_with_more_axes_name_no_class():
    with pytest.raises(InputError, match="`2x3x4`"):
        predicted_classes(np.zeros((2, 3, 4)))


@given(arrays.arrays(np.float32, (20, 4), elements=st.floats(-100, 100, width=32)), st.floats(0.5, 4))
def test_classes_do_not_depend_on_the_scale_of_logits(scores, factor):
    exact = scores.astype(np.float64)

    assert (predicted_classes(exact) == np.argmax(exact, axis=1)).all()
    assert (predicted_classes(exact) == predicted_classes(exact * 2)).all()
    assert predicted_classes(exact * factor).dtype == np.int64
