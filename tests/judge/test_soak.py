"""The end of a long run against its beginning: what is told of heat, of noise and of nothing."""

import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.judge.soak import early_late, soak_interval
from edgeopt.judge.soak_causes import Conditions


def soaked(seed=0, *, windows=600, slowdown=0.0, noise=0.01, memory=0.8):
    """Seconds per call: windows whose noise remembers the one before, slower from the middle on by `slowdown`."""
    generator = np.random.default_rng(seed)
    state, made = 0.0, []
    for index in range(windows):
        state = memory * state + noise * (1 - memory**2) ** 0.5 * generator.standard_normal()
        level = 0.001 * np.exp(state) * (1 + slowdown * (index > windows / 2))
        made.append((level * generator.normal(1, 0.002, 20)).tolist())
    return made


@pytest.mark.parametrize(
    ("slowdown", "verdict", "words"),
    [(0.2, "slows", "takes 20.0% longer"), (-0.2, "speeds up", "less time"), (0.0, "sustained", "speed lasts")],
)
def test_the_last_third_is_held_against_the_first(slowdown, verdict, words):
    found = early_late(soaked(noise=0.0, slowdown=slowdown))

    assert found.verdict == verdict
    assert words in found.text.replace("19.9%", "20.0%").replace("20.1%", "20.0%")
    assert found.ratio == pytest.approx(1 / (1 + slowdown), rel=0.01)
    assert found.ci95[0] <= found.ratio <= found.ci95[1]


def test_noise_that_lasts_over_windows_seldom_passes_for_heat():
    verdicts = [early_late(soaked(seed, noise=0.02)).verdict for seed in range(200)]

    assert sum(verdict in ("slows", "speeds up") for verdict in verdicts) <= 4


def test_a_loss_of_a_tenth_is_found_in_noise():
    verdicts = [early_late(soaked(seed, noise=0.02, slowdown=0.1)).verdict for seed in range(100)]

    assert verdicts.count("slows") >= 95


def test_a_loss_that_does_not_matter_is_not_told():
    assert early_late(soaked(noise=0.0, slowdown=0.01)).verdict == "sustained"


def test_the_conditions_explain_and_do_not_judge():
    windows = soaked(noise=0.0, slowdown=0.2)
    hot = Conditions(clock_hz=[2.4e9] * 300 + [1.8e9] * 300)

    assert early_late(windows, conditions=hot).ratio == early_late(windows).ratio
    assert "the clock fell from 2.40 GHz to 1.80 GHz" in early_late(windows, conditions=hot).text


def test_a_bound_beyond_all_numbers_is_large_and_no_failure():
    low, high = soak_interval([[1.0], [3.0], [1.0], [9.0], [1.0], [5.0]], 1 - 2e-9)

    assert (low, high) == (pytest.approx(-1), pytest.approx(1e304, rel=10))


def test_loud_noise_is_undecided():
    found = early_late(soaked(noise=0.3, windows=60, memory=0.0))

    assert (found.verdict, "soak longer" in found.text) == ("undecided", True)


def test_six_windows_with_calls_are_needed():
    with pytest.raises(InputError, match="early and late need 6"):
        early_late([[0.1]] * 5 + [[]] * 10)


def test_the_record_tells_unit_and_interval():
    found = early_late(soaked()).as_json()

    assert found.keys() == {"early", "late", "unit", "ratio", "ci95", "verdict", "minimum_effect", "text"}
    assert found["unit"] == "s"
