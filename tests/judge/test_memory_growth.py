"""Leaks: memory that grows steadily, beside memory that steps, shrinks, wavers or fills up."""

import numpy as np
import pytest

from edgeopt.judge.memory_growth import memory_growth

ENDS = list(range(1, 601))
BASE = 60_000_000
PAGE = 4096


def growth(*, per_second=0.0, noise=0.0, step=0, at=400, seed=0, ends=ENDS):
    """What is told of memory in whole pages."""
    times = np.array(ends, float)
    waver = np.random.default_rng(seed).normal(0, noise, len(times))
    sizes = BASE + per_second * times + waver + step * (times > at)
    return memory_growth(ends, [int(size) // PAGE * PAGE for size in sizes])


@pytest.mark.parametrize("per_second", [1600, 100_000])
def test_a_leak_grows_steadily(per_second):
    found = growth(per_second=per_second, noise=2 * PAGE)

    assert found.verdict == "grows"
    assert found.per_second == pytest.approx(per_second, rel=0.1)
    assert "an hour" in found.text
    assert found.p <= 0.01


def test_the_text_tells_the_growth_per_hour_and_what_was_seen():
    assert "by 360 MB an hour (40.0 MB were seen" in growth(per_second=100_000).text


def test_memory_that_stays_is_steady():
    assert growth().verdict == "steady"
    assert growth(noise=PAGE / 4).verdict == "steady"


def test_one_step_is_no_leak():
    assert [growth(step=725_000, at=at).verdict for at in range(210, 600, 30)].count("grows") == 0


def test_what_fills_up_at_first_is_no_leak():
    assert growth(step=20_000_000, at=150).verdict == "steady"


def test_memory_that_shrinks_is_steady():
    assert growth(per_second=-20_000).verdict == "steady"


def test_memory_that_wavers_seldom_passes_for_a_leak():
    assert [growth(noise=500_000, seed=seed).verdict for seed in range(200)].count("grows") <= 2


def test_a_walk_at_random_seldom_passes_for_a_leak():
    steps = np.random.default_rng(0).normal(0, 100_000, (300, 600))
    found = [memory_growth(ENDS, (BASE + walk).astype(int).tolist()) for walk in steps.cumsum(axis=1)]

    assert sum(one.verdict == "grows" for one in found) <= 9


def test_growth_that_no_device_would_feel_is_steady():
    assert growth(per_second=10).verdict == "steady"


@pytest.mark.parametrize("told", [[], [None] * 20, [BASE] * 5, [None] * 17 + [BASE] * 3])
def test_too_little_memory_told_is_nothing_told(told):
    assert memory_growth(list(range(1, len(told) + 1)), told) is None


def test_windows_without_a_figure_do_not_count():
    sizes = [None if end % 7 == 0 else BASE + 100_000 * end for end in ENDS]

    assert memory_growth(ENDS, sizes).verdict == "grows"


def test_a_short_run_with_a_step_is_undecided():
    found = growth(step=725_000, at=9, ends=[index / 6 for index in range(1, 61)])

    assert (found.verdict, "soak longer" in found.text) == ("undecided", True)


def test_the_record_tells_the_unit():
    assert growth().as_json().keys() == {"value", "unit", "ci95", "p", "verdict", "text"}
    assert growth().as_json()["unit"] == "B/s"
