"""Ranges of tensors from their statistics."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.steps.quantize.affine import activation_parameters
from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observations import TensorStatistics
from edgeopt.steps.quantize.ranges.squared_error import SquaredError
from edgeopt.steps.quantize.ranges.tensor import Estimator, Range, tensor_range
from edgeopt.steps.quantize.types import Int8Types

UINT8 = Int8Types(activations="uint8", weight_limit=127, reason="test")
INT8 = Int8Types(activations="int8", weight_limit=127, reason="test")
METHODS = get_args(Estimator)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VALUES = arrays.arrays(np.float32, st.integers(1, 200), elements=FINITE)
TYPES = st.sampled_from([UINT8, INT8])


def statistics_of(values):
    histogram = Histogram()
    histogram.add(np.asarray(values, dtype=np.float32))
    return TensorStatistics(low=histogram.low, high=histogram.high, histogram=histogram)


def error_of(values, found, types=UINT8):
    """Mean squared error of the values themselves, rounded to the integers of a range and clipped."""
    parameters = activation_parameters(found.low, found.high, types)
    low, high = types.activation_range
    integers = np.clip(np.rint(values / parameters.scale) + parameters.zero_point, low, high)
    return float(np.mean((values - (integers - parameters.zero_point) * parameters.scale) ** 2))


def expected_error(statistics, found, types):
    low, high = np.array([min(found.low, 0)]), np.array([max(found.high, 0)])
    return float(SquaredError.of(statistics.histogram, types)(low, high)[0])


@given(VALUES, st.sampled_from(METHODS), TYPES)
def test_a_range_lies_within_the_extremes(values, method, types):
    found = tensor_range(statistics_of(values), method, types)

    assert values.min() <= found.low <= found.high <= values.max()


@given(VALUES, TYPES)
def test_the_expected_error_of_mse_is_never_above_that_of_the_extremes(values, types):
    statistics = statistics_of(values)
    least, whole = (tensor_range(statistics, method, types) for method in ("mse", "minmax"))

    if statistics.low < statistics.high:
        assert expected_error(statistics, least, types) <= expected_error(statistics, whole, types) * (1 + 1e-12)


@given(VALUES, st.sampled_from([UINT8, INT8]))
def test_a_percentile_of_100_is_the_extremes(values, types):
    statistics = statistics_of(values)

    assert tensor_range(statistics, "percentile", types, percentile=100) == tensor_range(statistics, "minmax", types)


@given(VALUES, st.floats(50, 100))
def test_percentiles_are_those_of_the_values_within_a_bin(values, percentile):
    statistics = statistics_of(values)
    found = tensor_range(statistics, "percentile", UINT8, percentile=percentile)

    rest, width = 100 - percentile, statistics.histogram.width
    low, high = (rest / 2, 100 - rest / 2) if values.min() < 0 < values.max() else (rest, 100 - rest)
    exact = np.percentile(values.astype(np.float64), [low, high], method="inverted_cdf")
    if values.min() < 0:
        assert abs(found.low - exact[0]) <= width
    if values.max() > 0:
        assert abs(found.high - exact[1]) <= width


@given(arrays.arrays(np.float32, st.integers(2, 100), elements=st.floats(0, 1e6, width=32)), st.sampled_from(METHODS))
def test_only_the_high_end_of_what_is_never_negative_moves(values, method):
    assert tensor_range(statistics_of(values), method, UINT8).low == values.min()
    assert tensor_range(statistics_of(-values), method, UINT8).high == (-values).max()


def test_entropy_keeps_all_of_an_even_spread():
    values = np.arange(-2048, 2048, dtype=np.float32) / 2048

    found = tensor_range(statistics_of(np.repeat(values, 10)), "entropy", UINT8)

    assert found == Range(values.min(), values.max())


@pytest.mark.parametrize("method", ["percentile", "entropy", "mse"])
def test_what_saturates_is_kept(method):
    values = np.clip(np.random.default_rng(0).standard_normal(100_000) * 4, 0, 6)

    assert tensor_range(statistics_of(values), method, UINT8).high == pytest.approx(6, abs=0.03)


# The squared error of clipping 1 of 200,000 values from 30 to h, (30 - h)² / 200,000, and that of rounding the others
# in 255 steps, (h + 4.6)² / 255² / 12, are least at h = 25.
@pytest.mark.parametrize(("method", "most"), [("percentile", 8), ("entropy", 8), ("mse", 25)])
def test_a_rare_value_far_out_is_cut_off(method, most):
    values = np.append(np.random.default_rng(0).standard_normal(200_000), 30).astype(np.float32)

    found = tensor_range(statistics_of(values), method, UINT8)

    assert found.high < most


@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "shifted", "student"])
def test_mse_is_as_good_as_trying_every_range_on_the_values_themselves(kind):
    generator = np.random.default_rng(1)
    values = {
        "normal": lambda: generator.standard_normal(20_000),
        "laplace": lambda: generator.laplace(size=20_000),
        "relu": lambda: np.maximum(generator.standard_normal(20_000), 0),
        "shifted": lambda: generator.laplace(size=20_000) + 2,
        "student": lambda: generator.standard_t(3, size=20_000),
    }[kind]().astype(np.float32)

    found = tensor_range(statistics_of(values), "mse", UINT8)

    shares = np.linspace(1, 0.05, 60)
    lows = values.min() * shares if values.min() < 0 else [0.0]
    best = min(error_of(values, Range(low, values.max() * share)) for low in lows for share in shares)
    assert error_of(values, found) <= best * 1.01


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0, 0, 0], id="zeros"),
        pytest.param([2.5, 2.5], id="a constant"),
        pytest.param([-3], id="one value"),
        pytest.param([1e-45, 0], id="denormals"),
        pytest.param([1e30, 1e-3, -1e-3], id="an outlier"),
    ],
)
def test_ranges_of_few_values_give_usable_scales(values, method):
    found = tensor_range(statistics_of(values), method, INT8)

    parameters = activation_parameters(found.low, found.high, INT8)
    assert np.isfinite([found.low, found.high, parameters.scale]).all()
    assert parameters.scale > 0


def test_a_tensor_without_values_has_the_range_of_zero():
    empty = TensorStatistics(low=np.inf, high=-np.inf, histogram=Histogram())

    assert {tensor_range(empty, method, INT8) for method in METHODS} == {Range(0.0, 0.0)}


def test_methods_that_need_a_histogram_say_so():
    with pytest.raises(ValueError, match="mse needs a histogram"):
        tensor_range(TensorStatistics(low=0, high=1), "mse", INT8)


@pytest.mark.parametrize("percentile", [0, -1, 101])
def test_a_percentile_is_a_share_of_the_values(percentile):
    with pytest.raises(ValueError, match="percentile is"):
        tensor_range(statistics_of([0, 1]), "percentile", INT8, percentile=percentile)
