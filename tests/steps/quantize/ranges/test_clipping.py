"""The search over both ends of a range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.quantize.ranges.clipping import clipped

LOW, HIGH = -8.0, 16.0


def bowl(low, high):
    """A cost with its least value where `low` and `high` are, in octaves."""
    return lambda lows, highs: np.log2(lows / low) ** 2 + np.log2(highs / high) ** 2


@given(st.floats(-LOW / 1000, -LOW), st.floats(HIGH / 1000, HIGH))
def test_the_least_cost_is_found_wherever_it_lies(low, high):
    assert clipped(bowl(-low, high), LOW, HIGH) == pytest.approx((-low, high), rel=0.02)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.0, 16.0, (0, 2)), (3.0, 16.0, (0, 2)), (-16.0, -3.0, (-2, 0))]
)
def test_an_end_at_zero_stays_there(low, high, expected):
    found = clipped(lambda lows, highs: np.abs(highs - lows - 2), low, high)

    assert found == pytest.approx(expected, rel=1e-3)


def test_the_whole_range_is_kept_where_nothing_costs_less():
    assert clipped(lambda lows, _highs: np.zeros(len(lows)), LOW, HIGH) == (LOW, HIGH)
    assert clipped(lambda lows, _highs: np.full(len(lows), np.inf), LOW, HIGH) == (LOW, HIGH)


@given(st.integers(0, 1000))
def test_a_rugged_cost_never_ends_above_that_of_the_whole_range(seed):
    frequencies = np.random.default_rng(seed).uniform(-50, 50, (5, 2))

    def cost(lows, highs):
        return np.sin(np.stack([lows, highs], axis=-1) @ frequencies.T).sum(axis=-1)

    low, high = clipped(cost, LOW, HIGH)

    assert LOW <= low <= 0 <= high <= HIGH
    assert cost(low, high) <= cost(LOW, HIGH)
