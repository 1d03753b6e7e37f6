"""GPTQ: within its limits, never worse at the layer's output than the nearest integers, and mostly far better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeopt.steps.quantize.affine import weight_scale
from edgeopt.steps.quantize.observation.layer import layer_matrix
from edgeopt.steps.quantize.observation.moments import Moments, second_moments
from edgeopt.steps.quantize.rounding.gptq import ORDERS, round_gptq
from edgeopt.steps.quantize.rounding.scales import channel_errors, layer_error, round_nearest

LIMITS = pytest.mark.parametrize("limit", [127, 64, 7])


@st.composite
def problems(draw):
    """Weights (group, output, input), their scales, and moments of few or many columns, some of dead inputs."""
    groups, outputs, blocks, width = (draw(st.integers(1, most)) for most in (3, 4, 2, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = generator.standard_normal((groups, blocks, draw(st.integers(1, 20)), width)) + draw(st.floats(-3, 3))
    columns *= generator.random((groups, blocks, 1, width)) > draw(st.sampled_from([0.0, 0.3, 1.0]))
    columns *= draw(st.sampled_from([1e-12, 1.0, 1e6, 1e16]))
    second = columns.swapaxes(2, 3) @ columns / columns.shape[2]
    mean = columns.mean(axis=2).reshape(groups, -1)
    elements = st.floats(-1e3, 1e3, width=32)
    matrix = draw(arrays(np.float32, (groups, outputs, blocks * width), elements=elements))
    return matrix, Moments(second=second.astype(np.float32), mean=mean, columns=columns.shape[2])


def scale_of(matrix, limit):
    return weight_scale(matrix.reshape(-1, matrix.shape[2]), axis=0, limit=limit).reshape(*matrix.shape[:2], 1)


def identity(matrix):
    groups, _, inputs = matrix.shape
    second = np.broadcast_to(np.eye(inputs, dtype=np.float32), (groups, 1, inputs, inputs))
    return Moments(second=second, mean=np.zeros((groups, inputs)), columns=1)


@LIMITS
@settings(deadline=None, max_examples=40)
@given(
    problem=problems(),
    orders=st.sampled_from([ORDERS, *[(order,) for order in ORDERS]]),
    damping=st.sampled_from([0.0, 0.01, 1.0]),
)
def test_gptq_stays_within_the_limit_and_errs_no_more_than_the_nearest(limit, problem, orders, damping):
    matrix, moments = problem
    scale = scale_of(matrix, limit)

    integers = round_gptq(matrix, scale, limit, moments, damping=damping, orders=orders)

    assert integers.dtype == np.int8
    assert integers.shape == matrix.shape
    assert np.abs(integers.astype(int)).max() <= limit
    nearest = channel_errors(matrix, round_nearest(matrix, scale, limit), scale, moments)
    assert (channel_errors(matrix, integers, scale, moments) <= nearest).all()


@LIMITS
@settings(deadline=None, max_examples=40)
@given(problem=problems())
def test_gptq_of_uncorrelated_inputs_is_the_nearest(limit, problem):
    matrix, _ = problem
    scale = scale_of(matrix, limit)

    assert np.array_equal(round_gptq(matrix, scale, limit, identity(matrix)), round_nearest(matrix, scale, limit))


@LIMITS
@settings(deadline=None, max_examples=40)
@given(problem=problems(), data=st.data())
def test_weights_on_the_grid_come_back_as_they_were(limit, problem, data):
    matrix, moments = problem
    grid = data.draw(arrays(np.int8, matrix.shape, elements=st.integers(-limit, limit)))

    assert np.array_equal(round_gptq(grid * np.float32(0.25), np.float32(0.25), limit, moments), grid)


def test_gptq_is_the_greedy_choice_one_input_at_a_time():
    """By the paper's own recursion: quantize an input, then let all later weights make its error good."""
    generator = np.random.default_rng(3)
    columns = generator.standard_normal((200, 90)) @ generator.standard_normal((90, 90))
    second = columns.T @ columns / 200
    matrix = generator.standard_normal((1, 5, 90)).astype(np.float32)
    scale, moments = (
        scale_of(matrix, 7),
        Moments(second=second[None, None].astype(np.float32), mean=np.zeros((1, 90)), columns=10**6),
    )

    found = round_gptq(matrix, scale, 7, moments, orders=["given"])

    damped = moments.second[0, 0].astype(np.float64) + 0.01 * np.trace(second) / 90 * np.eye(90)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, expected = (matrix[0] / scale[0]).astype(np.float64), np.zeros((5, 90))
    for k in range(90):
        expected[:, k] = np.clip(np.rint(left[:, k]), -7, 7)
        error = (left[:, k] - expected[:, k]) / upper[k, k]
        left[:, k:] -= error[:, None] * upper[k, k:]
    assert np.array_equal(found[0], expected)


def test_few_columns_do_not_make_weights_drift_where_nothing_was_seen():
    """Held-back columns of the same layer, against moments of 8 columns for 64 inputs."""
    generator = np.random.default_rng(0)
    mixing = generator.standard_normal((64, 64))
    matrix = generator.standard_normal((1, 32, 64)).astype(np.float32)
    scale = scale_of(matrix, 127)

    def moments(count):
        columns = generator.standard_normal((count, 64)) @ mixing
        second = (columns.T @ columns / count).astype(np.float32)[np.newaxis, np.newaxis]
        return Moments(second=second, mean=columns.mean(axis=0)[np.newaxis], columns=count)

    few, held = moments(8), moments(4000)
    drifting = Moments(second=few.second, mean=few.mean, columns=10**6)
    nearest = layer_error(matrix, round_nearest(matrix, scale, 127), scale, held)
    assert layer_error(matrix, round_gptq(matrix, scale, 127, few), scale, held) < 1.2 * nearest
    assert layer_error(matrix, round_gptq(matrix, scale, 127, drifting), scale, held) > 1.5 * nearest


@pytest.mark.parametrize("case", ["dense", "depthwise", "gemm"])
@LIMITS
def test_gptq_takes_most_of_the_error_away_on_samples_that_it_has_not_seen(single_layer, case, limit):
    made = {
        "dense": lambda: single_layer("Conv", (8, 6, 3, 3), (6, 12, 12), count=40),
        "depthwise": lambda: single_layer("Conv", (32, 1, 3, 3), (32, 9, 9), count=60, group=32),
        "gemm": lambda: single_layer("Gemm", (24, 8), (24,), count=1000),
    }[case]()
    half = np.arange(len(made.data) // 2)
    seen, held = (
        second_moments(made.model, [made.node], part, rows=1 << 20, rows_per_input=1 << 20)["layer"]
        for part in (made.data.rows(half), made.data.rows(half + len(half)))
    )
    matrix = layer_matrix(made.node)
    scale = scale_of(matrix, limit)

    found, nearest = round_gptq(matrix, scale, limit, seen), round_nearest(matrix, scale, limit)

    assert layer_error(matrix, found, scale, held) < 0.8 * layer_error(matrix, nearest, scale, held)
