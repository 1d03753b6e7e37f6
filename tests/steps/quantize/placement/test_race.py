"""Which of two models is faster, by times that were taken in rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.steps.quantize.placement.race import Race, race, session_of

ROUNDS = 40


def times(first: float, second: float, *, noise: float = 0.01, disturbed: tuple[int, float] = (0, 1.0)) -> Race:
    """Two models over 40 rounds with log-normal noise; in `disturbed[0]` rounds the second takes that much longer."""
    generator = np.random.default_rng(0)
    seconds = np.array([[first], [second]]) * np.exp(noise * generator.standard_normal((2, ROUNDS)))
    seconds[1, : disturbed[0]] *= disturbed[1]
    return Race(seconds)


@pytest.mark.parametrize(
    ("second", "is_faster"), [(0.9, True), (0.96, True), (0.99, False), (1.0, False), (1.1, False)]
)
def test_a_model_is_faster_by_more_than_three_percent(second, is_faster):
    assert times(1.0, second).is_faster(1, 0) == is_faster


def test_rounds_in_which_another_process_ran_do_not_decide():
    assert times(1.0, 0.9, disturbed=(15, 8.0)).is_faster(1, 0)
    assert not times(1.0, 1.0, disturbed=(15, 0.5)).is_faster(1, 0)


def test_a_model_is_not_faster_where_only_its_disturbed_rounds_are():
    """Half the rounds of the first were disturbed: the median says so, the quick quarter does not."""
    assert not times(1.0, 1.0, disturbed=(22, 0.9)).is_faster(0, 1)
    assert not Race(times(1.0, 1.0, disturbed=(22, 1.2)).seconds).is_faster(0, 1)


def test_the_ratio_pairs_times_of_one_round():
    seconds = np.array([[1.0, 2.0, 4.0], [0.5, 1.0, 2.0]])

    assert Race(seconds).ratio(0, 1) == 2.0
    assert Race(seconds).median(0) == 2.0


@pytest.mark.parametrize("count", [1, 3])
def test_every_model_is_timed_in_every_round(small_models: Any, count: int):
    sessions = [session_of(small_models.mlp(), threads=1) for _ in range(count)]
    found = race(sessions, {"x": np.zeros((1, 3), np.float32)}, budget_seconds=0.0)

    assert found.seconds.shape == (count, 9)
    assert np.all(found.seconds > 0)


def test_a_model_that_the_runtime_refuses_is_bad_input(small_models: Any):
    model = small_models.mlp()
    model.graph.node[0].op_type = "NoSuchOperator"

    with pytest.raises(InputError, match="does not take a model to time"):
        session_of(model, threads=1)
