import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeopt.judge.intervals import samples_to_decide
from edgeopt.judge.power import MOST_UNITS, POWERS, changed, detectable_truth, needed_units, strictest_limit
from edgeopt.judge.power_means import Mean
from edgeopt.judge.power_shares import PairedShares

margins = st.floats(0.004, 0.05)
shares = st.floats(0.002, 0.1)
# Counts are whole numbers, so that power rises in small steps that fall back a little.
STEP = 1.25
# Each example asks for some dozens of sums over all outcomes.
FEW = settings(max_examples=20)


def pairs(margin, discordance, **more):
    return PairedShares(limit=-margin, discordance=discordance, **more)


@FEW
@given(margins, shares, st.sampled_from(POWERS), st.floats(1, 3))
def test_the_needed_number_has_the_power_and_so_has_every_larger_one(margin, discordance, power, ratio):
    experiment = pairs(margin, discordance)

    needed = needed_units(experiment.passes, power)

    assert experiment.passes(needed) >= power
    assert experiment.passes(math.ceil(ratio * needed)) >= power - 0.01


@FEW
@given(margins, shares, st.sampled_from(POWERS))
def test_half_of_the_needed_number_has_not_the_power(margin, discordance, power):
    experiment = pairs(margin, discordance)
    needed = needed_units(experiment.passes, power)
    assume(needed * discordance > 5)

    assert experiment.passes(needed // 2) < power


def test_a_first_step_that_is_lost_again_does_not_count():
    steps = {range(200, 240): 0.81, range(240, 320): 0.75, range(320, 10**9): 0.9}

    needed = needed_units(lambda n: next((power for units, power in steps.items() if n in units), 0.0), 0.8)

    assert 320 <= needed <= 322


@FEW
@given(margins, shares, st.sampled_from(POWERS))
def test_a_wider_margin_needs_no_more(margin, discordance, power):
    narrow, wide = (needed_units(pairs(one, discordance).passes, power) for one in (margin, STEP * margin))

    assert wide <= narrow


@FEW
@given(margins, shares, st.sampled_from(POWERS))
def test_more_discordance_needs_no_less(margin, discordance, power):
    quiet, loud = (needed_units(pairs(margin, one).passes, power) for one in (discordance, STEP * discordance))

    assert quiet <= loud


@FEW
@given(margins, shares)
def test_95_percent_need_more_than_80(margin, discordance):
    likely, sure = (needed_units(pairs(margin, discordance).passes, power) for power in POWERS)

    assert likely < sure


@FEW
@given(margins, shares)
def test_a_drop_that_leaves_less_room_needs_more(margin, discordance):
    harmless, harmful = (needed_units(pairs(margin, discordance, truth=one).passes, 0.8) for one in (0, -margin / 2))

    assert harmless < harmful


@pytest.mark.parametrize("margin", [0.0025, 0.005, 0.01])
@pytest.mark.parametrize("discordance", [0.01, 0.02, 0.05])
def test_where_pairs_are_many_it_is_the_well_known_formula(margin, discordance):
    known = samples_to_decide(0, discordance, margin)

    needed = needed_units(pairs(margin, discordance).passes, 0.8)

    # The score test charges the margin itself as variance too, so that it needs more where few pairs are discordant.
    assert known <= needed <= known * (1.01 + 0.8 * margin / discordance)


def test_nothing_decides_what_is_never_shown():
    assert needed_units(lambda _: 0.79, 0.8) is None


def test_the_search_ends_at_the_most_units():
    asked = []

    assert needed_units(lambda n: asked.append(n) or 0.0, 0.8) is None
    assert max(asked) <= MOST_UNITS


@pytest.mark.parametrize("least", [1, 2, 5])
def test_no_number_below_the_least_is_asked_for(least):
    asked = []

    assert needed_units(lambda n: asked.append(n) or 1.0, 0.8, least=least) == max(least, 1)
    assert min(asked) >= least


@FEW
@given(st.integers(300, 20_000), shares)
def test_the_strictest_limit_is_shown_and_a_stricter_one_is_not(n, discordance):
    experiment = pairs(0.01, discordance)

    limit = strictest_limit(experiment, n, 0.8, floor=-1)

    assert changed(experiment, limit=limit).passes(n) >= 0.8
    assert changed(experiment, limit=limit * 0.8).passes(n) < 0.8


@FEW
@given(st.integers(300, 20_000), shares, st.sampled_from([0.05, 0.01]))
def test_the_detectable_truth_is_shown_and_a_nearer_one_is_not(n, discordance, level):
    experiment = pairs(0.01, discordance)

    truth = detectable_truth(experiment, n, 0.8, level=level, floor=-1)

    assert truth < experiment.limit
    assert changed(experiment, truth=truth).fails(n, level) >= 0.8
    nearer = experiment.limit + 0.8 * (truth - experiment.limit)
    assert changed(experiment, truth=nearer).fails(n, level) < 0.8


def test_of_too_few_samples_nothing_is_shown():
    assert strictest_limit(Mean(limit=0, deviation=1), 1, 0.8, floor=-100) is None
    assert detectable_truth(Mean(limit=0, deviation=1), 1, 0.8, level=0.05, floor=-100) is None


@FEW
@given(st.integers(500, 5000), shares)
def test_a_stricter_level_detects_less(n, discordance):
    experiment = pairs(0.01, discordance)
    assume(n * discordance > 5)

    alone, among_ten = (detectable_truth(experiment, n, 0.8, level=level, floor=-1) for level in (0.05, 0.005))

    assert among_ten < alone
    assert math.isfinite(among_ten)
