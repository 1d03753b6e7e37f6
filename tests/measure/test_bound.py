"""How far an output may be from its source's depends on what the source computes with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeopt.measure.bound import DYNAMIC_SQNR_DB, FLOAT16_TOLERANCE, FLOAT32_TOLERANCE, Bound
from edgeopt.measure.difference import Difference, Differences


def difference(wanted: Any, given: Any) -> Difference:
    tally = Differences()
    tally.add({"y": np.asarray(wanted, np.float64)}, {"y": np.asarray(given, np.float64)})
    return tally.by_output()["y"]


def off_by(share: float) -> Difference:
    """An output of largest magnitude 2 that is off by a share of it in one place."""
    return difference([2.0, -1.0, 0.5], [2.0, -1.0, 0.5 + 2 * share])


@pytest.mark.parametrize(("numbers", "tolerance"), [("float32", FLOAT32_TOLERANCE), ("float16", FLOAT16_TOLERANCE)])
def test_floats_are_held_to_a_share_of_the_largest_value(numbers: Any, tolerance: float) -> None:
    bound = Bound(numbers=numbers)

    assert bound.excess(off_by(tolerance * 0.99)) == ""
    assert "of its largest value" in bound.excess(off_by(tolerance * 1.01))


def test_integers_are_held_to_a_step_of_the_output() -> None:
    one_step, two_steps = difference([0.0, 1.0], [0.1, 1.1]), difference([0.0, 1.0], [0.2, 1.2])

    assert Bound(numbers="integer", step=0.1001).excess(one_step) == ""
    assert "differs by 0.2" in Bound(numbers="integer", step=0.1001).excess(two_steps)


def test_a_model_that_is_restless_itself_may_differ_by_as_much() -> None:
    two_steps = difference([0.0, 1.0], [0.2, 1.2])

    assert Bound(numbers="integer", step=0.1, unrest=0.21).excess(two_steps) == ""
    assert Bound(numbers="integer", step=0.1, unrest=0.19).excess(two_steps) != ""


def test_no_unrest_excuses_an_output_that_is_lost() -> None:
    half = difference([0.0, 1.0], [0.0, 0.5])

    assert "differs by" in Bound(numbers="integer", step=0.01, unrest=10.0).excess(half)


def test_ranges_that_are_found_anew_are_held_to_a_ratio() -> None:
    noise = 10 ** (-DYNAMIC_SQNR_DB / 20)

    assert Bound(numbers="dynamic").excess(difference([1.0], [1 + noise * 0.99])) == ""
    assert "dB" in Bound(numbers="dynamic").excess(difference([1.0], [1 + noise * 1.01]))


@pytest.mark.parametrize("numbers", ["float32", "float16", "integer", "dynamic"])
def test_another_shape_or_nan_breaks_every_bound(numbers: Any) -> None:
    bound = Bound(numbers=numbers, step=1e9, unrest=1e9)

    assert "another shape" in bound.excess(difference([1.0, 2.0], [1.0]))
    assert "NaN" in bound.excess(difference([1.0], [np.nan]))
