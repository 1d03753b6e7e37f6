"""Why a model became slower or faster: only what the system told is said to be so."""

import pytest

from edgeopt.judge.soak_causes import Conditions, cause_of_slowing, cause_of_speeding


def told(early, late):
    """A figure in 60 windows, which changes in the middle."""
    return [early] * 30 + [late] * 30


@pytest.mark.parametrize(
    ("slowdown", "conditions", "cause"),
    [
        (
            0.2,
            Conditions(clock_hz=told(2.4e9, 1.9e9), celsius=told(50.0, 84.0)),
            "the clock fell from 2.40 GHz to 1.90 GHz at 84 °C",
        ),
        (0.2, Conditions(clock_hz=told(2.4e9, 1.9e9), preemptions=told(0, 300)), "the clock fell from 2.40 GHz"),
        (0.2, Conditions(clock_hz=told(2.4e9, 2.4e9)), "the clock held at 2.40 GHz, so it is not heat"),
        (0.2, Conditions(clock_hz=told(2.4e9, 2.35e9)), "the clock held at"),
        (
            0.2,
            Conditions(clock_hz=told(2.4e9, 2.4e9), preemptions=told(3.0, 120.0)),
            "other work took the core more often (3 times a second at first, 120 at last)",
        ),
        (0.2, Conditions(preemptions=told(100.0, 110.0)), "this system does not tell the clock"),
        (0.2, Conditions(celsius=told(45.0, 80.0)), "the chip went from 45 to 80 °C; this system does not tell the"),
        (0.2, Conditions(), "this system does not tell the clock: either it fell (cool the chip), or other work grew"),
    ],
)
def test_slowing_has_the_cause_that_was_seen(slowdown, conditions, cause):
    assert cause_of_slowing(slowdown, conditions).startswith(cause)


def test_a_clock_that_fell_by_far_less_than_the_speed_is_not_the_cause():
    held = Conditions(clock_hz=told(2.4e9, 2.3e9))

    assert cause_of_slowing(0.5, held).startswith("the clock held")
    assert cause_of_slowing(0.05, held).startswith("the clock fell")


@pytest.mark.parametrize(
    ("conditions", "cause"),
    [
        (Conditions(clock_hz=told(1.2e9, 2.4e9)), "the clock rose from 1.20 GHz to 2.40 GHz"),
        (Conditions(preemptions=told(200.0, 2.0)), "other work that took the core ended (200 times a second at first"),
        (Conditions(), "other work on the machine ended, or the clock rose"),
    ],
)
def test_speeding_has_the_cause_that_was_seen(conditions, cause):
    assert cause_of_speeding(conditions).startswith(cause)


def test_windows_without_a_figure_do_not_count():
    clock = [None if index % 3 else hertz for index, hertz in enumerate(told(2.4e9, 1.8e9))]

    assert "from 2.40 GHz to 1.80 GHz" in cause_of_slowing(0.3, Conditions(clock_hz=clock))
    assert "does not tell" in cause_of_slowing(0.3, Conditions(clock_hz=[2.4e9] * 20 + [None] * 40))
