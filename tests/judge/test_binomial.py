import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeopt.judge.binomial import binomial_cdf, binomial_term, central_range


@st.composite
def outcomes(draw):
    trials = draw(st.integers(1, 50_000))
    return (
        draw(st.integers(-1, trials + 1)),
        trials,
        draw(st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-6, 1 - 1e-6))),
    )


@given(outcomes())
def test_the_cdf_is_that_of_scipy(outcome):
    assert binomial_cdf(*outcome) == pytest.approx(stats.binom.cdf(*outcome), abs=1e-9)


@given(outcomes())
def test_the_term_is_that_of_scipy(outcome):
    assert binomial_term(*outcome) == pytest.approx(stats.binom.pmf(*outcome), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("successes", [0, 3, 40, 100])
def test_far_tails_are_right_in_proportion(successes):
    assert binomial_cdf(successes, 1_000_000, 0.001) == pytest.approx(
        stats.binom.cdf(successes, 1_000_000, 0.001), rel=1e-6
    )


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_central_range_stays_possible_and_holds_the_mean(trials, share):
    values = central_range(trials, share, 6.5)

    assert 0 <= values[0] <= trials * share <= values[-1] + 1
    assert values[-1] <= trials


def test_nearly_all_outcomes_lie_in_the_central_range():
    values = central_range(10_000, 0.01, 6.5)

    assert sum(binomial_term(value, 10_000, 0.01) for value in values) == pytest.approx(1, abs=1e-9)
