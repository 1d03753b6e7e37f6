"""The expected error of an affine quantizer, against the mean over values spread evenly within bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.steps.quantize.affine import activation_parameters
from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.ranges.squared_error import SquaredError
from edgeopt.steps.quantize.types import Int8Types

UINT8 = Int8Types(activations="uint8", weight_limit=127, reason="test")
INT8 = Int8Types(activations="int8", weight_limit=127, reason="test")
TYPES = st.sampled_from([UINT8, INT8])


def error_of(values, types=UINT8):
    histogram = Histogram()
    histogram.add(np.asarray(values, dtype=np.float32))
    return SquaredError.of(histogram, types)


def mean_error(values, low, high, types):
    parameters = activation_parameters(low, high, types)
    first, last = types.activation_range
    integers = np.clip(np.rint(values / parameters.scale) + parameters.zero_point, first, last)
    return float(np.mean((values - (integers - parameters.zero_point) * parameters.scale) ** 2))


@settings(max_examples=40)
@given(st.floats(-8, -0.01), st.floats(0.01, 8), TYPES)
def test_it_is_the_mean_over_evenly_spread_values(low, high, types):
    values = np.linspace(-5, 7, 60_001)

    found = error_of(values, types)(np.array([low]), np.array([high]))[0]

    assert found == pytest.approx(mean_error(values, low, high, types), rel=2e-3)


@settings(max_examples=40)
@given(st.integers(-140, 100), TYPES)
def test_it_grows_with_the_square_of_the_values(exponent, types):
    values = np.round(np.random.default_rng(0).laplace(size=2000) * 2**8) / 2**8
    unit = 2.0**exponent
    lows, highs = np.linspace(-3, -1, 5), np.linspace(1, 4, 5)

    scaled = error_of(values * unit, types)(lows * unit, highs * unit)

    assert scaled == pytest.approx(error_of(values, types)(lows, highs) * unit**2, rel=1e-6, abs=0)


def test_rounding_noise_is_a_twelfth_of_the_squared_step():
    error = error_of(np.linspace(0, 1, 100_000))

    assert error(np.array([0.0]), np.array([1.0]))[0] == pytest.approx((1 / 255) ** 2 / 12, rel=1e-2)


def test_values_that_all_saturate_at_the_end_have_no_error_there():
    values = [0.0] + [6.0] * 1000

    whole, less = error_of(values)(np.zeros(2), np.array([6.0, 5.0]))

    assert whole < 1e-4
    assert less == pytest.approx(1, rel=0.01)
