"""Scales and zero points: what is rounded comes back within half a step, and nothing overflows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgeopt.steps.quantize.affine import (
    activation_parameters,
    quantize_bias,
    quantize_weight,
    scale_for_bias,
    weight_scale,
)
from edgeopt.steps.quantize.types import Int8Types

UNSIGNED = Int8Types(activations="uint8", weight_limit=127, reason="a test")
SIGNED = Int8Types(activations="int8", weight_limit=127, reason="a test")
BOTH = pytest.mark.parametrize("types", [UNSIGNED, SIGNED], ids=["uint8", "int8"])
# The scale is rounded to float32, so half a step may be exceeded by 255 times its rounding error.
HALF_A_STEP = 0.5 + 1e-4

numbers = st.floats(-1e6, 1e6, width=32)
scales = st.floats(2**-20, 2**10, width=32)
weights = arrays(np.float32, array_shapes(min_dims=2, max_dims=4, max_side=4), elements=numbers)


@BOTH
@settings(deadline=None)
@given(st.tuples(numbers, numbers).map(sorted), st.floats(0, 1))
def test_a_value_in_the_range_comes_back_within_half_a_step(types, bounds, where):
    low, high = bounds
    value = low + where * (high - low)

    found = activation_parameters(low, high, types)

    integer = np.clip(np.rint(value / found.scale) + found.zero_point, *types.activation_range)
    assert abs((integer - found.zero_point) * found.scale - value) <= HALF_A_STEP * found.scale


@BOTH
@settings(deadline=None)
@given(st.tuples(numbers, numbers).map(sorted))
def test_zero_is_represented_exactly_and_the_range_to_half_a_step(types, bounds):
    found = activation_parameters(*bounds, types)

    low, high = found.represented(types)
    qmin, qmax = types.activation_range
    assert qmin <= found.zero_point <= qmax
    assert low <= 0 <= high
    assert low - HALF_A_STEP * found.scale <= min(bounds[0], 0)
    assert high + HALF_A_STEP * found.scale >= max(bounds[1], 0)


@pytest.mark.parametrize(
    ("low", "high", "types", "scale", "zero_point"),
    [
        (0.0, 255.0, UNSIGNED, 1.0, 0),
        (0.0, 255.0, SIGNED, 1.0, -128),
        (-128.0, 127.0, UNSIGNED, 1.0, 128),
        (-128.0, 127.0, SIGNED, 1.0, 0),
        (3.0, 51.0, UNSIGNED, 0.2, 0),  # widened to hold zero
        (-51.0, -3.0, UNSIGNED, 0.2, 255),
    ],
)
def test_parameters_of_plain_ranges(low, high, types, scale, zero_point):
    found = activation_parameters(low, high, types)

    assert (found.scale, found.zero_point) == (pytest.approx(scale), zero_point)


@BOTH
@pytest.mark.parametrize("width", [0.0, 1e-45, 1e-38])
def test_a_range_without_width_gets_a_scale_that_no_kernel_flushes_to_zero(types, width):
    found = activation_parameters(0.0, width, types)

    assert (found.scale, found.zero_point) == (1.0, types.activation_range[0])


@pytest.mark.parametrize("limit", [127, 64])
@settings(deadline=None)
@given(weights)
def test_weights_per_channel_are_symmetric_within_the_limit_and_half_a_step(limit, weight):
    scale = weight_scale(weight, axis=0, limit=limit)

    found = quantize_weight(weight, scale, axis=0, limit=limit)

    step = scale.reshape(-1, *[1] * (weight.ndim - 1))
    largest = np.abs(found.values.astype(int)).reshape(len(weight), -1).max(axis=1)
    is_zero = np.abs(weight).reshape(len(weight), -1).max(axis=1) < limit * np.finfo(np.float32).tiny
    assert found.values.dtype == np.int8
    assert np.all(np.where(is_zero, largest == 0, largest == limit))
    assert np.all(np.abs(found.values * step - weight) <= HALF_A_STEP * step)
    assert np.all(found.values[weight == 0] == 0)


@settings(deadline=None)
@given(weights)
def test_a_weight_per_tensor_has_one_scale(weight):
    scale = weight_scale(weight, axis=None, limit=127)

    found = quantize_weight(weight, scale, axis=None, limit=127)

    assert scale.shape == ()
    assert found.axis is None
    assert np.all(np.abs(found.values * scale - weight) <= HALF_A_STEP * scale)


def test_the_channel_axis_may_be_the_last():
    weight = np.array([[1.0, 10.0], [-2.0, 5.0]], np.float32)

    scale = weight_scale(weight, axis=1, limit=127)

    assert scale.tolist() == pytest.approx([2 / 127, 10 / 127])
    assert quantize_weight(weight, scale, axis=1, limit=127).values.tolist() == [[64, 127], [-127, 64]]


def test_a_channel_of_zeros_is_as_fine_as_the_coarsest_other():
    weight = np.array([[0.0, 0.0], [0.5, -1.27], [0.1, 0.0]], np.float32)

    assert weight_scale(weight, axis=0, limit=127).tolist() == pytest.approx([0.01, 0.01, 0.1 / 127])


def test_a_weight_of_zeros_has_the_scale_one():
    assert weight_scale(np.zeros((2, 3), np.float32), axis=0, limit=127).tolist() == [1.0, 1.0]
    assert weight_scale(np.zeros((2, 3), np.float32), axis=None, limit=127) == 1.0


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: arrays(np.float32, (2, n), elements=numbers)), scales, st.booleans())
def test_a_bias_never_overflows_and_comes_back_within_half_a_step(pair, input_scale, per_channel):
    weight, bias = pair[:1].T, pair[1]
    first = weight_scale(weight, axis=0 if per_channel else None, limit=127)

    widened = scale_for_bias(first, bias, input_scale)
    scale = np.broadcast_to(widened * np.float32(input_scale), bias.shape)
    found = quantize_bias(bias, scale)

    error = np.abs(found * scale.astype(np.float64) - bias)
    assert np.all(widened >= first)
    assert np.all(np.abs(found.astype(np.int64)) <= 2**31 - 1)
    assert np.all(error <= HALF_A_STEP * scale)


def test_a_scale_that_suits_its_bias_already_is_left_alone():
    scale = np.array([0.01, 0.02], np.float32)

    assert scale_for_bias(scale, np.array([5.0, -5.0], np.float32), 0.05).tolist() == scale.tolist()


def test_a_huge_bias_widens_only_the_scale_of_its_own_channel():
    scale = np.array([1e-8, 1e-8], np.float32)

    widened = scale_for_bias(scale, np.array([1e6, 1e-3], np.float32), 0.01)

    assert widened[0] == pytest.approx(1e6 / 0.01 / (2**31 - 1), rel=1e-5)
    assert widened[1] == scale[1]
