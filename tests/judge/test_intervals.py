import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.judge.intervals import (
    exact_upper,
    mcnemar_change_p,
    mcnemar_drop_p,
    normal_quantile,
    samples_to_decide,
    samples_to_separate,
    tango_interval,
    tango_score,
    wilson_interval,
)

confidences = st.floats(0.5, 0.999)


@st.composite
def pairs(draw):
    n = draw(st.integers(1, 5000))
    losses = draw(st.integers(0, n))
    return losses, draw(st.integers(0, n - losses)), n


@st.composite
def shares(draw):
    n = draw(st.integers(1, 5000))
    return draw(st.integers(0, n)), n


@given(shares(), confidences)
def test_the_wilson_interval_holds_the_share_and_stays_a_share(share, confidence):
    successes, n = share

    low, high = wilson_interval(successes, n, confidence)

    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@given(shares())
def test_the_wilson_interval_mirrors_when_successes_and_failures_swap(share):
    successes, n = share

    low, high = wilson_interval(successes, n)
    mirrored_low, mirrored_high = wilson_interval(n - successes, n)

    assert mirrored_low == pytest.approx(1 - high, abs=1e-12)
    assert mirrored_high == pytest.approx(1 - low, abs=1e-12)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 20), (7, 20), (20, 20), (4560, 5000)])
def test_the_wilson_interval_is_that_of_statsmodels(successes, n):
    proportion = pytest.importorskip("statsmodels.stats.proportion")

    ours = wilson_interval(successes, n, 0.9)

    assert ours == pytest.approx(proportion.proportion_confint(successes, n, alpha=0.1, method="wilson"), abs=1e-12)


def test_nothing_is_known_of_no_samples():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert tango_interval(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize("counts", [(-1, 10), (11, 10)])
def test_impossible_successes_are_a_bug(counts):
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(*counts)


@pytest.mark.parametrize("counts", [(-1, 0, 10), (0, -1, 10), (6, 5, 10)])
def test_impossible_pairs_are_a_bug(counts):
    with pytest.raises(ValueError, match="pairs"):
        tango_interval(*counts)


# Airway data of Bentur 2009 as worked in Fagerland, Lydersen and Laake 2014; the other is what PropCIs 0.3 gives.
@pytest.mark.parametrize(
    ("counts", "confidence", "expected"),
    [((7, 1, 21), 0.95, (-0.517, -0.026)), ((25, 28, 618), 0.90, (-0.0148, 0.0247))],
)
def test_the_tango_interval_is_the_published_one(counts, confidence, expected):
    assert tango_interval(*counts, confidence) == pytest.approx(expected, abs=5e-4)


@given(pairs(), confidences)
def test_the_tango_interval_holds_the_difference_and_stays_a_difference(pair, confidence):
    losses, gains, n = pair

    low, high = tango_interval(losses, gains, n, confidence)

    assert -1 <= low <= (gains - losses) / n <= high <= 1
    assert low < high


@given(pairs(), confidences)
def test_the_tango_interval_mirrors_when_losses_and_gains_swap(pair, confidence):
    losses, gains, n = pair

    low, high = tango_interval(losses, gains, n, confidence)

    assert tango_interval(gains, losses, n, confidence) == (-high, -low)


@given(pairs())
def test_more_confidence_never_narrows_the_tango_interval(pair):
    narrow = tango_interval(*pair, confidence=0.8)
    wide = tango_interval(*pair, confidence=0.99)

    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@given(pairs())
def test_the_ends_of_the_tango_interval_solve_the_score_equation(pair):
    losses, gains, n = pair
    z = normal_quantile(0.95)

    low, high = tango_interval(losses, gains, n)

    assert low == -1 or tango_score(losses, gains, n, low) == pytest.approx(z, rel=1e-6)
    assert high == 1 or tango_score(losses, gains, n, high) == pytest.approx(-z, rel=1e-6)


@given(st.integers(1, 10**6))
def test_without_discordant_pairs_the_tango_interval_has_its_closed_form(n):
    z = normal_quantile(0.95)

    low, high = tango_interval(0, 0, n)

    assert high == pytest.approx(z * z / (n + z * z), rel=1e-9)
    assert low == -high


@given(pairs())
def test_the_score_of_no_difference_is_that_of_mcnemar(pair):
    losses, gains, n = pair
    expected = (gains - losses) / math.sqrt(gains + losses) if gains + losses else 0.0

    assert tango_score(losses, gains, n, 0.0) == pytest.approx(expected, abs=1e-9) or gains + losses == 0


@pytest.mark.parametrize(("losses", "gains", "n", "difference"), [(7, 1, 21, -0.1), (0, 3, 40, 0.2), (5, 5, 50, -0.3)])
def test_the_score_rests_on_the_most_likely_share_of_losses(losses, gains, n, difference):
    optimize = pytest.importorskip("scipy.optimize")
    special = pytest.importorskip("scipy.special")

    def surprise(share):
        kept = 1 - 2 * share - difference
        terms = ((losses, share), (gains, share + difference), (n - losses - gains, kept))
        return -sum(special.xlogy(count, probability) for count, probability in terms)

    bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
    share = optimize.minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = n * (2 * share + difference - difference**2)

    assert tango_score(losses, gains, n, difference) == pytest.approx(
        (gains - losses - n * difference) / math.sqrt(variance), rel=1e-5
    )


@pytest.mark.parametrize(("loss_share", "gain_share"), [(0.02, 0.02), (0.1, 0.05), (0.005, 0.0), (0.01, 0.03)])
def test_the_tango_interval_covers_the_truth_about_as_often_as_it_says(loss_share, gain_share):
    generator, n = np.random.default_rng(3), 400
    draws = generator.multinomial(n, [loss_share, gain_share, 1 - loss_share - gain_share], size=20_000)
    tables, counts = np.unique(draws, axis=0, return_counts=True)
    truth = gain_share - loss_share

    covered = [low <= truth <= high for low, high in (tango_interval(int(t[0]), int(t[1]), n) for t in tables)]

    assert np.average(covered, weights=counts) > 0.93


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_one_sided_p_values_of_a_drop_and_of_a_rise_add_up_to_one(losses, gains):
    assert mcnemar_drop_p(losses, gains) + mcnemar_drop_p(gains, losses) == pytest.approx(1)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mid_p_values_are_those_of_scipys_binomial(losses, gains):
    binom = pytest.importorskip("scipy.stats").binom
    trials = losses + gains
    expected = binom.sf(losses - 1, trials, 0.5) - binom.pmf(losses, trials, 0.5) / 2

    assert mcnemar_drop_p(losses, gains) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert 0 <= mcnemar_change_p(losses, gains) <= 1
    assert mcnemar_change_p(losses, gains) == mcnemar_change_p(gains, losses)


def test_without_discordant_pairs_there_is_no_sign_of_a_change():
    assert mcnemar_drop_p(0, 0) == 0.5
    assert mcnemar_change_p(0, 0) == 1.0


def test_mid_p_stands_a_million_discordant_pairs():
    assert mcnemar_change_p(500_000, 500_800) == pytest.approx(2 * 0.21195, rel=1e-3)
    assert mcnemar_drop_p(900_000, 100_000) == 0.0


@given(shares(), confidences)
def test_the_exact_upper_end_is_that_of_the_beta_distribution(share, confidence):
    beta = pytest.importorskip("scipy.stats").beta
    successes, n = share
    expected = beta.ppf((1 + confidence) / 2, successes + 1, n - successes) if successes < n else 1.0

    assert exact_upper(successes, n, confidence) == pytest.approx(expected, rel=1e-6)


def test_of_a_share_that_was_never_seen_the_exact_end_promises_less_than_wilsons():
    assert exact_upper(0, 1000, 0.90) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert exact_upper(0, 1000, 0.90) > wilson_interval(0, 1000, 0.90)[1]
    assert exact_upper(0, 0) == 1.0


# The table of field/assurance.md 2.3: one-sided 5 %, power 80 %; it rounds (z + z)² to 6.18.
@pytest.mark.parametrize(
    ("discordance", "margin", "expected"),
    [(0.01, 0.005, 2471), (0.02, 0.005, 4944), (0.05, 0.01, 3090), (0.10, 0.02, 1544), (0.10, 0.0025, 98919)],
)
def test_samples_needed_are_those_of_the_field_study(discordance, margin, expected):
    assert samples_to_decide(0.0, discordance, margin) == pytest.approx(expected, rel=2e-3)


def test_a_difference_at_the_margin_is_never_decided():
    assert samples_to_decide(-0.005, 0.02, 0.005) is None
    assert samples_to_separate(1.0, 0.0) is None


def test_no_discordant_pair_still_needs_the_samples_that_the_score_interval_asks_for():
    n = samples_to_decide(0.0, 0.0, 0.005, power=0.5)

    assert n is not None
    assert tango_interval(0, 0, n, 0.90)[0] > -0.005
    assert tango_interval(0, 0, n - 3, 0.90)[0] <= -0.005


@given(st.floats(0.001, 0.05), st.floats(0.001, 0.02))
def test_the_number_of_samples_decides_if_what_was_seen_goes_on(discordance, margin):
    n = samples_to_decide(0.0, discordance, margin, power=0.8)
    assert n is not None
    half = round(n * discordance / 2)

    low, _ = tango_interval(half, half, n, 0.90)

    assert low > -margin


@given(st.floats(-0.2, 0.2), st.floats(0, 1), st.floats(-0.05, 0.05))
def test_a_number_of_samples_is_at_least_one(difference, extra, margin):
    n = samples_to_decide(difference, min(1.0, abs(difference) + extra), margin)

    assert n is None or n >= 1
