"""Learned rounding: one step from the weight at most, and never worse at the layer's output than the nearest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.steps.quantize.affine import weight_scale
from edgeopt.steps.quantize.observation.layer import layer_matrix
from edgeopt.steps.quantize.observation.moments import Moments, second_moments
from edgeopt.steps.quantize.rounding.adaround import round_adaround
from edgeopt.steps.quantize.rounding.gptq import round_gptq
from edgeopt.steps.quantize.rounding.scales import channel_errors, layer_error, round_nearest

LIMITS = pytest.mark.parametrize("limit", [127, 64, 7])


def scale_of(matrix, limit):
    return weight_scale(matrix.reshape(-1, matrix.shape[2]), axis=0, limit=limit).reshape(*matrix.shape[:2], 1)


@LIMITS
@settings(deadline=None, max_examples=30)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), columns=st.integers(1, 20))
def test_each_integer_is_the_one_below_or_above_and_no_channel_errs_more(limit, data, seed, columns):
    generator = np.random.default_rng(seed)
    dead, size = data.draw(st.sampled_from([0.0, 0.4, 1.0])), data.draw(st.sampled_from([1e-12, 1.0, 1e16]))
    clipping = data.draw(st.sampled_from([1.0, 0.5]))
    seen = generator.standard_normal((2, columns, 6)) * size * (generator.random((2, 1, 6)) >= dead)
    second = (seen.swapaxes(1, 2) @ seen / columns).astype(np.float32)[:, np.newaxis]
    moments = Moments(second=second, mean=seen.mean(axis=1), columns=columns)
    matrix = generator.standard_normal((2, 3, 6)).astype(np.float32)
    matrix[0, 0] = 0
    scale = scale_of(matrix, limit) * np.float32(clipping)

    integers = round_adaround(matrix, scale, limit, moments, iterations=20)

    assert integers.dtype == np.int8
    exact = matrix.astype(np.float64) / scale
    assert (np.abs(integers - np.clip(exact, -limit, limit)) < 1 + 1e-4).all()
    assert np.abs(integers.astype(int)).max() <= limit
    nearest = channel_errors(matrix, round_nearest(matrix, scale, limit), scale, moments)
    assert (channel_errors(matrix, integers, scale, moments) <= nearest).all()


@LIMITS
def test_it_comes_close_to_gptq_on_a_convolution(single_layer, limit):
    made = single_layer("Conv", (8, 6, 3, 3), (6, 9, 9))
    moments = second_moments(made.model, [made.node], made.data, rows=1 << 20, rows_per_input=1 << 20)["layer"]
    matrix = layer_matrix(made.node)
    scale = scale_of(matrix, limit)

    found = round_adaround(matrix, scale, limit, moments, iterations=500)

    nearest, greedy = round_nearest(matrix, scale, limit), round_gptq(matrix, scale, limit, moments)
    error, most, least = (layer_error(matrix, integers, scale, moments) for integers in (found, nearest, greedy))
    assert error < 0.6 * most
    assert error < 1.5 * least


def test_the_best_of_all_roundings_is_found_where_all_can_be_tried():
    """Eight weights of two outputs: 2^8 roundings each."""
    generator = np.random.default_rng(4)
    columns = generator.standard_normal((100, 8)) + 2 * generator.standard_normal((100, 1))
    second = (columns.T @ columns / 100).astype(np.float32)[np.newaxis, np.newaxis]
    moments = Moments(second=second, mean=columns.mean(axis=0)[np.newaxis], columns=100)
    matrix = generator.standard_normal((1, 2, 8)).astype(np.float32)
    scale = scale_of(matrix, 7)
    floors = np.floor(matrix / scale)
    every = [floors + np.array([number >> bit & 1 for bit in range(8)]) for number in range(256)]
    errors = np.array([channel_errors(matrix, choice, scale, moments)[0] for choice in every])

    found = channel_errors(matrix, round_adaround(matrix, scale, 7, moments), scale, moments)[0]

    assert (found <= 1.3 * errors.min(axis=0)).all()


def test_weights_on_the_grid_come_back_as_they_were():
    grid = np.random.default_rng(0).integers(-7, 8, (1, 3, 6)).astype(np.int8)
    moments = Moments(second=np.eye(6, dtype=np.float32)[None, None], mean=np.zeros((1, 6)), columns=1)

    found = round_adaround(grid * np.float32(0.25), np.float32(0.25), 7, moments, iterations=100)

    assert np.array_equal(found, grid)
