"""How far apart two models are: the figures by hand, and what no figure can say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeopt.measure.difference import Difference, Differences


def difference_of(wanted: object, given: object) -> Difference:
    differences = Differences()
    differences.add({"y": np.asarray(wanted)}, {"y": np.asarray(given)})
    return differences.by_output()["y"]


def test_the_figures_are_those_of_the_hand() -> None:
    found = difference_of([3.0, -4.0], [3.0, -4.5])

    assert found.largest == 0.5
    assert found.mean == 0.25
    assert found.relative == 0.5 / 4
    assert found.sqnr_db == pytest.approx(10 * math.log10(25 / 0.25))


def test_equal_outputs_do_not_differ() -> None:
    found = difference_of([0.0, 0.0], [0.0, 0.0])

    assert (found.largest, found.mean, found.relative, found.sqnr_db) == (0, 0, 0, 120)


def test_batches_are_gathered() -> None:
    differences = Differences()
    differences.add({"y": np.array([1.0])}, {"y": np.array([2.0])})
    differences.add({"y": np.array([10.0])}, {"y": np.array([10.0])})
    found = differences.by_output()["y"]

    assert (found.largest, found.mean, found.relative) == (1, 0.5, 0.1)


def test_a_difference_from_zeros_has_no_relative_size() -> None:
    assert difference_of([0.0], [1e-9]).relative == math.inf


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ([1.0, 2.0], [[1.0, 2.0]]),
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0, math.inf], [1.0, -math.inf]),
        ([1.0, math.nan], [1.0, math.inf]),
    ],
)
def test_other_shapes_and_lone_infinities_are_infinitely_far(wanted: object, given: object) -> None:
    found = difference_of(wanted, given)

    assert found.largest == found.relative == math.inf
    assert found.sqnr_db == -120


def test_equal_infinities_and_nans_do_not_count() -> None:
    assert difference_of([1.0, math.nan, math.inf], [1.0, math.nan, math.inf]).largest == 0


def test_integers_are_compared_as_numbers() -> None:
    assert difference_of(np.array([3, 5]), np.array([3, 4])).largest == 1


def test_every_figure_has_its_unit() -> None:
    record = difference_of([1.0], [2.0]).as_json()

    assert {name: entry["unit"] for name, entry in record.items()} == {
        "largest": "1",
        "mean": "1",
        "relative": "1",
        "sqnr": "dB",
    }
