"""Counts on a grid of powers of two."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeopt.steps.quantize.observation.histogram import BINS, Histogram

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
VALUES = arrays.arrays(np.float32, st.integers(1, 60), elements=FINITE)
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.float32(1e-45))


def histogram_of(*parts):
    histogram = Histogram()
    for part in parts:
        histogram.add(np.asarray(part, dtype=np.float32))
    return histogram


@given(VALUES, st.lists(st.integers(0, 60), max_size=4), st.randoms())
def test_it_does_not_depend_on_the_order_of_the_values_nor_on_how_they_are_cut(values, cuts, random):
    mixed = values.copy()
    random.shuffle(mixed)

    parts = [mixed[start:stop] for start, stop in pairwise([0, *sorted(cuts), len(mixed)])]

    assert histogram_of(*parts) == histogram_of(values)


@given(VALUES, VALUES, VALUES)
def test_merging_is_counting_everything_and_associative(one, two, three):
    first, second, third = (histogram_of(values) for values in (one, two, three))

    assert first.merged(second) == second.merged(first) == histogram_of(np.concatenate([one, two]))
    assert first.merged(second).merged(third) == first.merged(second.merged(third))


@given(VALUES, st.integers(2, BINS))
def test_a_coarser_grid_holds_the_same_values(values, bins):
    fine = histogram_of(values)
    coarse = fine.coarsened(bins)

    assert (coarse.low, coarse.high, coarse.count) == (fine.low, fine.high, fine.count)
    assert len(coarse.counts) <= bins
    shift = min(coarse.exponent - fine.exponent, 40)
    indices = (np.arange(len(fine.counts)) + fine.first) >> shift
    assert coarse.counts.tolist() == np.bincount(indices - coarse.first, weights=fine.counts).tolist()
    assert fine.coarsened(BINS) == fine


@given(VALUES)
def test_every_value_lies_in_the_bin_that_counts_it(values):
    histogram = histogram_of(values)

    indices = [math.floor(math.ldexp(float(value), -histogram.exponent)) - histogram.first for value in values]
    assert histogram.counts.tolist() == np.bincount(indices).tolist()
    assert (histogram.low, histogram.high, histogram.count) == (values.min(), values.max(), len(values))
    assert histogram.edges[0] <= histogram.low
    assert histogram.high < histogram.edges[-1]


@given(VALUES)
def test_bins_are_at_most_the_number_allowed_and_as_fine_as_that_lets_them_be(values):
    histogram = histogram_of(values)

    assert len(histogram.counts) <= BINS
    spacing = max(math.frexp(np.abs(values).max())[1] - 24, -149)  # between float32 of this size
    assert histogram.exponent == spacing or len(histogram.counts) > BINS // 2


@pytest.mark.parametrize(
    ("values", "bins"),
    [
        pytest.param([0.0], 1, id="zero"),
        pytest.param([-0.0, 0.0], 1, id="both zeros"),
        pytest.param([1e30], 1, id="one large value"),
        pytest.param([-LARGEST, LARGEST], BINS, id="all of float32"),
        pytest.param([0.0, SMALLEST], 2, id="neighbours among denormals"),
        pytest.param([-SMALLEST, 1e30], None, id="denormal below zero beside a large one"),
    ],
)
def test_extreme_values_are_counted(values, bins):
    histogram = histogram_of(values)

    assert histogram.count == len(values)
    assert histogram == histogram_of(*[[value] for value in values])
    assert bins is None or len(histogram.counts) == bins


def test_nothing_is_counted_of_nothing():
    histogram = histogram_of([], [])

    assert (histogram.count, histogram.low, histogram.high) == (0, math.inf, -math.inf)
    assert histogram.merged(histogram_of([1, 2])) == histogram_of([1, 2])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused_whole(bad):
    histogram = histogram_of([1, 2])

    with pytest.raises(ValueError, match="NaN or infinity"):
        histogram.add(np.array([0, 5, bad], dtype=np.float32))

    assert histogram == histogram_of([1, 2])


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_many_values_are_counted_in_pieces(seed):
    values = np.random.default_rng(seed).standard_normal((3, 40_000)).astype(np.float32)

    histogram = histogram_of(values)

    assert histogram.counts.tolist() == np.histogram(values.astype(np.float64), bins=histogram.edges)[0].tolist()
