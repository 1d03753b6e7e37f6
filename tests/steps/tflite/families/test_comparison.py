from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.single import assert_gives

X = np.array([[1.0, np.nan, np.inf], [-np.inf, 0.0, -2.0]], np.float32)


def test_numbers_that_are_none_are_found() -> None:
    assert_gives("IsNaN", {"x": X}, np.isnan(X))


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("negative", [0, 1])
def test_infinite_numbers_are_found_by_their_sign(positive: int, negative: int) -> None:
    expected = np.isinf(X) & np.where(X > 0, positive, negative).astype(bool)

    assert_gives("IsInf", {"x": X}, expected, detect_positive=positive, detect_negative=negative)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "uint8", "int64", "uint64", "bool"])
def test_a_choice_of_any_type_broadcasts(dtype: str) -> None:
    condition = np.array([[True], [False]])
    x, y = np.array([1, 0, 1], dtype), np.array([[0, 1, 1], [1, 0, 0]], dtype)

    assert_gives("Where", {"c": condition, "x": x, "z": y}, np.where(condition, x, y))


@pytest.mark.parametrize(
    ("operator", "function"), [("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)]
)
def test_truth_values_are_combined_and_broadcast(operator: str, function: np.ufunc) -> None:
    x, y = np.array([[True, False]]), np.array([[True], [False]])

    assert_gives(operator, {"x": x, "z": y}, function(x, y))


def test_what_is_no_number_is_less_than_nothing() -> None:
    x, y = np.array([np.nan, 1.0], np.float32), np.array([1.0, np.nan], np.float32)

    assert_gives("Less", {"x": x, "z": y}, np.array([False, False]))
    assert_gives("Equal", {"x": x, "z": x}, np.array([False, True]))
