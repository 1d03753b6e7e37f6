"""Any drop at all: McNemar's one-sided mid-p decides that a margin of exactly 0 is broken."""

import pytest

from edgeopt.judge.estimate import ALPHA, Estimate, breaking_p, keeps
from edgeopt.judge.intervals import mcnemar_change_p
from edgeopt.judge.recorded_findings import counted_estimate


@pytest.mark.parametrize(("losses", "gains"), [(30, 10), (12, 5), (5, 0), (1, 0), (400, 330)])
def test_the_p_is_scipys_and_statsmodels_mid_p(losses, gains):
    binom = pytest.importorskip("scipy.stats").binom
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    n = losses + gains

    p = breaking_p(counted_estimate(losses, gains, 5000), 0.0, is_upper=False)

    assert p == pytest.approx(binom.sf(losses - 1, n, 0.5) - binom.pmf(losses, n, 0.5) / 2, rel=1e-9)
    exact = mcnemar([[0, losses], [gains, 0]], exact=True).pvalue
    assert 2 * p == pytest.approx(exact - binom.pmf(losses, n, 0.5), rel=1e-9)
    assert mcnemar_change_p(losses, gains) == pytest.approx(2 * p, rel=1e-9)


def test_no_drop_breaks_nothing():
    assert breaking_p(counted_estimate(5, 5, 100), 0.0, is_upper=False) == 1.0
    assert breaking_p(counted_estimate(5, 9, 100), 0.0, is_upper=False) == 1.0


def test_a_margin_takes_the_interval():
    counted = counted_estimate(30, 10, 1000)

    p = breaking_p(counted, -0.005, is_upper=False)

    assert counted.interval is not None
    assert counted.interval(1 - 2 * p)[1] == pytest.approx(-0.005, abs=1e-6)
    assert p > breaking_p(counted, 0.0, is_upper=False)


def test_nothing_keeps_and_breaks_a_limit_of_zero():
    both = [
        (losses, gains)
        for losses in range(25)
        for gains in range(25)
        if keeps(counted_estimate(losses, gains, 200), 0.0, is_upper=False)
        and breaking_p(counted_estimate(losses, gains, 200), 0.0, is_upper=False) <= ALPHA
    ]

    assert both == []


def test_a_figure_that_keeps_the_limit_breaks_it_by_no_test():
    odd = Estimate(value=-1e-9, interval=lambda _: (0.0, 1.0), drop_p=0.001)

    assert breaking_p(odd, 0.0, is_upper=False) == 1.0
