"""Power of shares beside what the gate itself does, exactly where all outcomes can be listed, else by simulation."""

from datetime import date

import numpy as np
import pytest
from scipy import stats

from edgeopt.core.measurement import Origin, single_value
from edgeopt.judge import power_shares
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import judge
from edgeopt.judge.intervals import exact_upper, tango_interval, wilson_interval
from edgeopt.judge.power import needed_units
from edgeopt.judge.power_shares import Churn, PairedShares, Share
from edgeopt.judge.rules import parse_rule

TODAY = date(2026, 11, 25)
DRAWS = 5_000


def verdicts(rule, counts, n):
    """The gate's verdict on `rule` for each of (losses, gains), asked once per distinct pair."""
    found, parsed = {}, parse_rule(rule)
    for losses, gains in {tuple(pair) for pair in counts.tolist()}:
        details = {"losses": losses, "gains": gains, "n": n, "baseline": "old"}
        own = single_value("accuracy", 0.9, artifact="new", unit="1", origin=Origin.HOST, **details)
        evidence = Evidence(candidate=Side(sha256="new", measurements=(own,)), baseline=Side(sha256="old"))
        found[losses, gains] = judge([parsed], evidence, today=TODAY).rules[0].verdict
    return np.array([found[tuple(pair)] for pair in counts.tolist()])


def drawn(n, discordance, difference, seed=0):
    """(draw, losses and gains) of `n` samples."""
    losses, gains = (discordance - difference) / 2, (discordance + difference) / 2
    generator = np.random.default_rng(seed)
    return generator.multinomial(n, [losses, gains, 1 - losses - gains], size=DRAWS)[:, :2]


@pytest.mark.parametrize("limit", [-0.1, -0.05, -0.02, 0.0, 0.03])
@pytest.mark.parametrize(("truth", "discordance"), [(0.0, 0.1), (-0.08, 0.1), (0.05, 0.06), (0.0, 0.0)])
@pytest.mark.parametrize("n", [1, 30, 120])
def test_the_power_of_pairs_is_the_sum_over_all_outcomes_that_the_interval_decides(n, limit, truth, discordance):
    losses, gains = (max(discordance, abs(truth)) - truth) / 2, (max(discordance, abs(truth)) + truth) / 2
    passes = fails = 0.0
    for lost in range(n + 1):
        for gained in range(n + 1 - lost):
            chance = stats.multinomial.pmf([lost, gained, n - lost - gained], n, [losses, gains, 1 - losses - gains])
            if chance < 1e-12:
                continue
            low, high = tango_interval(lost, gained, n, 1 - 2 * ALPHA)
            passes += chance * (low >= limit)
            fails += chance * (high < limit)

    experiment = PairedShares(limit=limit, truth=truth, discordance=discordance)

    assert experiment.passes(n) == pytest.approx(passes, abs=1e-8)
    assert experiment.fails(n, ALPHA) == pytest.approx(fails, abs=1e-8)


@pytest.mark.parametrize(
    ("margin", "discordance", "truth"),
    [(0.005, 0.01, 0.0), (0.005, 0.02, 0.0), (0.01, 0.01, 0.0), (0.02, 0.05, 0.0), (0.01, 0.02, -0.005)],
)
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_needed_samples_pass_the_gate_as_often_as_was_asked(margin, discordance, truth, power):
    experiment = PairedShares(limit=-margin, truth=truth, discordance=discordance)
    n = needed_units(experiment.passes, power)

    told = verdicts(f"accuracy >= baseline - {100 * margin:g} pt", drawn(n, discordance, truth), n)

    passed = (told == "passed").mean()
    assert passed >= power - 0.02
    assert passed == pytest.approx(experiment.passes(n), abs=0.02)


@pytest.mark.parametrize(("margin", "truth"), [(0.0, -0.01), (0.01, -0.02), (0.005, -0.01)])
def test_a_true_breach_fails_the_gate_as_often_as_was_told(margin, truth):
    experiment = PairedShares(limit=-margin, truth=truth, discordance=0.02, is_any_drop=not margin)
    n = needed_units(lambda count: experiment.fails(count, ALPHA), 0.8)
    rule = f"accuracy >= baseline - {100 * margin:g} pt" if margin else "accuracy >= baseline"

    told = verdicts(rule, drawn(n, 0.02, truth), n)

    assert (told == "failed").mean() == pytest.approx(experiment.fails(n, ALPHA), abs=0.02)


@pytest.mark.parametrize("discordance", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("limit", [-0.02, -0.005, 0.0])
@pytest.mark.parametrize("truth", [0.0, -0.004, -0.02])
@pytest.mark.parametrize("near", [(50, 0.012), (2000, 0.001)])
def test_the_normal_approximation_is_as_near_as_is_said(monkeypatch, discordance, limit, truth, near):
    pairs, error = near
    n = round(pairs / max(discordance, abs(truth)))
    experiment = PairedShares(limit=limit, truth=truth, discordance=discordance)
    monkeypatch.setattr(power_shares, "_MANY_PAIRS", 10**9)
    summed = experiment.passes(n)
    monkeypatch.setattr(power_shares, "_MANY_PAIRS", 0)

    assert experiment.passes(n) == pytest.approx(summed, abs=error)


def test_of_very_many_samples_the_approximation_takes_over_without_a_jump():
    experiment = PairedShares(limit=-0.0022, discordance=0.02)

    assert experiment.passes(99_999) == pytest.approx(experiment.passes(100_001), abs=0.001)


@pytest.mark.parametrize("limit", [-0.01, 0.0])
def test_two_equal_models_show_nothing_but_that_they_lost_little(limit):
    experiment = PairedShares(limit=limit, discordance=0.0)

    assert experiment.passes(10**6) == (1.0 if limit < 0 else 0.0)


def test_a_margin_of_nothing_is_kept_by_chance_alone():
    experiment = PairedShares(limit=0.0, discordance=0.02)

    assert needed_units(experiment.passes, 0.8) is None
    assert experiment.passes(10**5) == pytest.approx(ALPHA, abs=0.002)


@pytest.mark.parametrize("n", [5, 40, 899])
@pytest.mark.parametrize(("limit", "truth"), [(0.9, 0.95), (0.9, 0.85), (0.02, 0.01), (0.98, 0.99), (0.5, 1.0)])
def test_the_power_of_a_share_is_the_sum_over_all_outcomes_that_the_interval_decides(n, limit, truth):
    chances = stats.binom.pmf(np.arange(n + 1), n, truth)
    bounds = [wilson_interval(hits, n, 1 - 2 * ALPHA) for hits in range(n + 1)]

    experiment = Share(limit=limit, truth=truth)

    assert experiment.passes(n) == pytest.approx(sum(chances[[low >= limit for low, _ in bounds]]), abs=1e-8)
    assert experiment.fails(n, ALPHA) == pytest.approx(sum(chances[[high < limit for _, high in bounds]]), abs=1e-8)


@pytest.mark.parametrize("n", [5, 100, 600, 3000])
@pytest.mark.parametrize("truth", [0.0, -0.002, -0.01])
def test_the_power_of_flips_is_the_sum_over_all_outcomes_that_the_exact_bound_decides(n, truth):
    chances = stats.binom.pmf(np.arange(n + 1), n, -truth)
    shown = [exact_upper(flips, n, 1 - 2 * ALPHA) <= 0.01 for flips in range(min(n, 100) + 1)]

    experiment = Churn(limit=-0.01, truth=truth)

    assert experiment.passes(n) == pytest.approx(sum(chances[: len(shown)][shown]), abs=1e-8)
    assert experiment.fails(n, ALPHA) == 0
