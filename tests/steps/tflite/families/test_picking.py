"""NonZero, Compress and Unique: outputs of as many elements as the data say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.families import unique
from tests.steps.tflite.models import one_node
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model


def feed(*shape, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).integers(0, 3, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4)])
def test_places_that_are_not_zero_are_told(dtype, shape):
    x = feed(*shape, dtype=dtype)

    assert_same(one_node("NonZero", {"x": x}, {}), {"x": x})


@pytest.mark.parametrize("x", [np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)])
def test_none_and_all_of_them(x):
    assert_same(one_node("NonZero", {"x": x}, {}), {"x": x})


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("is_constant", [False, True])
def test_parts_are_picked_by_a_condition(axis, is_constant):
    x, condition = feed(3, 4), np.array([False, True, True])
    attributes = {} if axis is None else {"axis": axis}
    if is_constant:
        assert_same(one_node("Compress", {"x": x}, {"c": condition}, **attributes), {"x": x})
    else:
        assert_same(one_node("Compress", {"x": x, "c": condition}, {}, **attributes), {"x": x, "c": condition})


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), is_sorted=st.integers(0, 1), dtype=st.sampled_from(["float32", "int64", "int8"]))
def test_values_are_told_once(seed, is_sorted, dtype):
    x = feed(3, 4, dtype=dtype, seed=seed) - np.array(1, dtype)

    assert_same(one_node("Unique", {"x": x}, {}, outputs=4, sorted=is_sorted), {"x": x})


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), is_sorted=st.integers(0, 1), axis=st.integers(0, 1))
def test_rows_and_columns_are_told_once(seed, is_sorted, axis):
    x = feed(*((6, 2) if axis == 0 else (2, 6)), seed=seed)

    assert_same(one_node("Unique", {"x": x}, {}, outputs=4, sorted=is_sorted, axis=axis), {"x": x})


def test_what_nothing_wants_of_unique_is_not_computed():
    x = feed(9)
    everything = kinds_of(assert_same(one_node("Unique", {"x": x}, {}, outputs=4), {"x": x}))

    alone = kinds_of(assert_same(one_node("Unique", {"x": x}, {}), {"x": x}))

    assert len(alone) < len(everything)


def test_too_many_comparisons_are_refused(monkeypatch):
    monkeypatch.setattr(unique, "_MOST_COMPARED", 80)

    with pytest.raises(Unsupported, match="compares 9 parts of 1 with each other"):
        lowered_model(one_node("Unique", {"x": feed(9)}, {}))
