"""Limits kept or broken beyond doubt, and Holm's correction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.judge.estimate import ALPHA, Estimate, breaking_p, holm, keeps
from edgeopt.judge.intervals import normal_quantile, wilson_interval


def normal(value, error):
    def interval(confidence):
        half = normal_quantile(confidence) * error
        return value - half, value + half

    return Estimate(value=value, interval=interval)


@pytest.mark.parametrize(
    ("value", "limit", "is_upper", "is_strict", "is_kept"),
    [
        (5.0, 6.0, True, False, True),
        (6.0, 6.0, True, False, True),
        (6.0, 6.0, True, True, False),
        (7.0, 6.0, True, False, False),
        (5.0, 6.0, False, False, False),
        (6.0, 6.0, False, False, True),
        (6.0, 6.0, False, True, False),
        (7.0, 6.0, False, True, True),
    ],
)
def test_a_figure_without_chance_is_held_to_the_limit_itself(value, limit, is_upper, is_strict, is_kept):
    assert keeps(Estimate(value=value), limit, is_upper=is_upper, is_strict=is_strict) == is_kept


@pytest.mark.parametrize(("limit", "is_kept"), [(1.64, False), (1.65, True)])
def test_a_figure_with_chance_is_held_to_its_one_sided_bound(limit, is_kept):
    assert keeps(normal(0.0, 1.0), limit, is_upper=True) == is_kept
    assert keeps(normal(0.0, 1.0), -limit, is_upper=False) == is_kept


@pytest.mark.parametrize(("distance", "p"), [(1.6449, 0.05), (2.3263, 0.01), (3.0902, 0.001), (0.6745, 0.25)])
def test_the_p_value_inverts_the_interval(distance, p):
    assert breaking_p(normal(distance, 1.0), 0.0, is_upper=True) == pytest.approx(p, rel=1e-3)
    assert breaking_p(normal(-distance, 1.0), 0.0, is_upper=False) == pytest.approx(p, rel=1e-3)


def test_a_limit_that_the_figure_keeps_is_not_broken_at_any_level():
    assert breaking_p(normal(-0.1, 1.0), 0.0, is_upper=True) == 1.0
    assert breaking_p(normal(0.0, 1.0), 0.0, is_upper=True) == 1.0


@pytest.mark.parametrize(("value", "p"), [(5.0, 1.0), (6.0, 1.0), (6.1, 0.0)])
def test_without_chance_a_limit_is_broken_or_not(value, p):
    assert breaking_p(Estimate(value=value), 6.0, is_upper=True) == p


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.01, 0.99))
def test_a_limit_is_never_kept_and_broken_at_once(successes, more, limit):
    n = successes + more
    estimate = Estimate(value=successes / n, interval=lambda confidence: wilson_interval(successes, n, confidence))

    is_kept = keeps(estimate, limit, is_upper=True)
    is_broken = breaking_p(estimate, limit, is_upper=True) <= ALPHA

    assert not (is_kept and is_broken)


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([], []),
        ([0.04], [True]),
        ([0.06], [False]),
        ([0.04, 0.04], [False, False]),
        ([0.02, 0.04], [True, True]),
        ([0.04, 0.02], [True, True]),
        ([0.001, 0.03, 0.04], [True, False, False]),
        ([0.03, 0.001, 0.02], [True, True, True]),
        ([1.0, 0.0, 1.0], [False, True, False]),
    ],
)
def test_holm_rejects_by_rank_until_one_fails(p_values, rejected):
    assert holm(p_values) == rejected


def test_holm_keeps_the_family_wise_level():
    generator = np.random.default_rng(0)

    alarms = [any(holm(list(generator.uniform(size=8)))) for _ in range(4000)]

    assert np.mean(alarms) == pytest.approx(ALPHA, abs=0.012)
