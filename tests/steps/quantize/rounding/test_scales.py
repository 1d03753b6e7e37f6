"""What a rounding costs at the layer's output, and scales that make the squared error least."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeopt.steps.quantize.affine import quantize_weight, weight_scale
from edgeopt.steps.quantize.observation.layer import layer_matrix, layer_scale
from edgeopt.steps.quantize.observation.moments import second_moments
from edgeopt.steps.quantize.rounding.scales import layer_error, round_nearest, weight_scale_mse

LIMITS = pytest.mark.parametrize("limit", [127, 64, 7])


def test_the_layer_error_is_the_mean_squared_error_of_the_output(single_layer, outputs_of):
    made = single_layer("Conv", (6, 2, 3, 3), (4, 9, 8), group=2, pads=[1, 1, 1, 1])
    moments = second_moments(made.model, [made.node], made.data, rows=1 << 20, rows_per_input=1 << 20)["layer"]
    scales = weight_scale(made.weight, axis=0, limit=7)
    rounded = quantize_weight(made.weight, scales, axis=0, limit=7)
    matrix, scale = layer_matrix(made.node), layer_scale(made.node, scales)

    found = layer_error(matrix, round_nearest(matrix, scale, 7), scale, moments)

    coarse = made.with_weight(rounded.values * scales.reshape(-1, 1, 1, 1))
    before, after = (outputs_of(model, made.data.inputs)["y"] for model in (made.model, coarse))
    assert found == pytest.approx(np.square(after - before).sum(axis=1).mean(), rel=1e-3)


@LIMITS
@settings(deadline=None, max_examples=40)
@given(
    weight=arrays(np.float32, (3, 4, 2), elements=st.floats(-1e3, 1e3, width=32)),
    axis=st.sampled_from([None, 0, 1, 2, -1]),
    importance=st.none() | arrays(np.float32, (4, 1), elements=st.floats(0, 10, width=32)),
)
def test_the_scale_of_least_error_is_never_worse_than_the_largest_magnitude(limit, weight, axis, importance):
    def error(scale):
        found = quantize_weight(weight, scale, axis=axis, limit=limit)
        shape = [1] * 3
        if axis is not None:
            shape[axis] = -1
        difference = found.values * scale.reshape(shape).astype(np.float64) - weight
        return (np.square(difference) * (1 if importance is None else importance)).sum()

    plain = weight_scale(weight, axis=axis, limit=limit)
    found = weight_scale_mse(weight, axis=axis, limit=limit, importance=importance)

    assert found.dtype == np.float32
    assert found.shape == plain.shape
    assert (found > 0).all()
    assert error(found) <= error(plain) * (1 + 1e-5) + 1e-9


def test_at_four_bits_one_outlier_is_clipped_for_the_sake_of_the_others():
    weight = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    weight[1, 0] = 6

    plain = weight_scale(weight, axis=0, limit=7)
    found = weight_scale_mse(weight, axis=0, limit=7)

    assert found[1] < 0.75 * plain[1]


def test_an_outlier_that_meets_large_inputs_is_not_clipped():
    weight = np.random.default_rng(0).standard_normal((1, 500)).astype(np.float32)
    weight[0, 0] = 6
    importance = np.ones(500)
    importance[0] = 1e6

    found = weight_scale_mse(weight, axis=0, limit=7, importance=importance)

    assert np.abs(quantize_weight(weight, found, axis=0, limit=7).values[0, 0] * found[0] - 6) < 0.01


def test_a_channel_of_zeros_takes_a_scale_of_the_others():
    weight = np.zeros((3, 4), np.float32)
    weight[0] = [1, -2, 0.3, 0.1]

    found = weight_scale_mse(weight, axis=0, limit=127)

    assert found[1] == found[2] == np.float32(2 / 127)
    assert weight_scale_mse(0 * weight, axis=0, limit=127).tolist() == [1, 1, 1]
