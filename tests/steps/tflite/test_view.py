"""Views: the algebra of axes, against NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.view import View, channels_last, collapsed, is_same_order, permuted, regrouping, unpermuted

LENGTHS = st.lists(st.sampled_from([1, 1, 2, 3, 4, 6]), min_size=1, max_size=5)


@st.composite
def laid_values(draw):
    """(a value, the order in which its axes lie)."""
    shape = draw(LENGTHS)
    axes = tuple(draw(st.permutations(range(len(shape)))))
    return np.arange(int(np.prod(shape))).reshape(shape), axes


@st.composite
def reshapes(draw):
    """(a value, the order in which its axes lie, a shape of as many elements)."""
    value, axes = draw(laid_values())
    left, shape = value.size, []
    while left > 1 and len(shape) < 4:
        shape.append(draw(st.sampled_from([each for each in range(1, left + 1) if left % each == 0])))
        left //= shape[-1]
    return value, axes, (*shape, left)


def seen(value, axes, dtype="float32"):
    tensor = Tensor(name="x", shape=permuted(value.shape, axes), dtype=dtype)
    return View(tensor=tensor, axes=axes, dtype=dtype)


@given(laid_values())
def test_lengths_in_memory_and_in_logical_order_are_inverse(laid):
    value, axes = laid

    assert permuted(value.shape, axes) == value.transpose(axes).shape
    assert unpermuted(permuted(value.shape, axes), axes) == value.shape
    assert seen(value, axes).shape == value.shape


@given(laid_values(), st.data())
def test_a_transposed_view_sees_the_same_memory_as_the_transposed_value(laid, data):
    value, axes = laid
    permutation = tuple(data.draw(st.permutations(range(value.ndim))))

    view = seen(value, axes).transposed(permutation)

    turned = value.transpose(permutation)
    assert view.shape == turned.shape
    np.testing.assert_array_equal(turned.transpose(view.axes), value.transpose(axes))


@given(laid_values(), st.data())
def test_an_axis_is_found_in_memory_from_either_end(laid, data):
    value, axes = laid
    axis = data.draw(st.integers(-value.ndim, value.ndim - 1))

    place = seen(value, axes).axis_in_memory(axis)

    assert axes[place] == axis % value.ndim


@given(laid_values(), st.data())
def test_orders_are_the_same_when_the_elements_are(laid, data):
    value, axes = laid
    other = tuple(data.draw(st.permutations(range(value.ndim))))

    same = np.array_equal(value.transpose(axes).ravel(), value.transpose(other).ravel())

    assert is_same_order(axes, other, value.shape) == same


@given(reshapes())
def test_a_reshape_by_groups_is_the_reshape(case):
    value, axes, shape = case

    how = regrouping(seen(value, axes), shape)

    ready = value.transpose(how.before)
    done = ready.reshape(permuted(shape, how.after))
    np.testing.assert_array_equal(done, value.reshape(shape).transpose(how.after))


@given(reshapes())
def test_a_reshape_of_a_plain_value_moves_nothing(case):
    value, _, shape = case
    plain = tuple(range(value.ndim))

    how = regrouping(seen(value, plain), shape)

    assert is_same_order(how.before, plain, value.shape)
    assert is_same_order(how.after, tuple(range(len(shape))), shape)


@given(laid_values(), st.data())
def test_a_reshape_that_only_splits_axes_moves_nothing(laid, data):
    value, axes = laid
    shape = []
    for length in value.shape:
        part = data.draw(st.sampled_from([each for each in range(1, length + 1) if length % each == 0]))
        shape.extend([part, length // part])

    how = regrouping(seen(value, axes), tuple(shape))

    assert is_same_order(how.before, axes, value.shape)


@pytest.mark.parametrize(
    ("old", "axes", "new", "moves"),
    [
        ((1, 6, 5, 4), (0, 2, 3, 1), (1, 6, 20), False),  # the pixels of an image as a sequence
        ((1, 6, 5, 4), (0, 2, 3, 1), (1, 2, 3, 5, 4), False),  # channels in groups
        ((1, 6, 5, 4), (0, 2, 3, 1), (1, 120), True),  # flattened: ONNX's order is another
        ((1, 2, 3, 5, 4), (0, 3, 4, 2, 1), (1, 6, 5, 4), True),  # groups of a shuffle, the other way round
        ((1, 6, 1, 1), (0, 2, 3, 1), (1, 6), False),
        ((2, 7, 8), (0, 2, 1), (2, 7, 2, 4), False),  # heads
    ],
)
def test_which_reshapes_need_a_transposition(old, axes, new, moves):
    view = seen(np.zeros(old), axes)

    assert is_same_order(regrouping(view, new).before, axes, old) != moves


def test_no_elements_are_one_group():
    how = regrouping(seen(np.zeros((2, 0, 3)), (0, 2, 1)), (0, 5))

    assert how.before == (0, 1, 2)
    assert how.after == (0, 1)


def test_channels_last_of_each_rank():
    assert [channels_last(rank) for rank in (2, 3, 4, 5)] == [(0, 1), (0, 2, 1), (0, 2, 3, 1), (0, 2, 3, 4, 1)]


@given(laid_values())
def test_a_collapsed_transposition_is_the_transposition(laid):
    value, order = laid

    lengths, few = collapsed(value.shape, order)

    np.testing.assert_array_equal(value.reshape(lengths).transpose(few).ravel(), value.transpose(order).ravel())
    assert 1 not in lengths
    assert all(later != earlier + 1 for earlier, later in pairwise(few))
