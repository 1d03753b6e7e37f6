"""Bisection over layers ranked by harm."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edgeopt.search.prefix import smallest_prefix


@given(data=st.data(), most=st.integers(min_value=0, max_value=200))
def test_the_smallest_count_that_keeps_the_limit_is_found_in_logarithmic_evaluations(
    data: st.DataObject, most: int
) -> None:
    drops = sorted(data.draw(st.lists(st.floats(0, 10), min_size=most + 1, max_size=most + 1)), reverse=True)
    limit = data.draw(st.floats(0, 10))

    found = smallest_prefix(most, drops.__getitem__, limit)

    expected = next((count for count, drop in enumerate(drops) if drop <= limit), None)
    assert found.is_met == (expected is not None)
    if expected is not None:
        assert found.best.count == expected
    else:
        assert found.best.drop == drops[-1]
    assert len(found.evaluations) <= 2 + (math.ceil(math.log2(most)) if most > 1 else 0)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40), st.floats(0, 10))
def test_noisy_drops_never_end_with_a_count_that_breaks_a_limit_which_an_evaluation_kept(
    drops: list[float], limit: float
) -> None:
    found = smallest_prefix(len(drops) - 1, drops.__getitem__, limit)

    assert found.best in found.evaluations
    assert found.is_met == any(one.drop <= limit for one in found.evaluations)
    assert (found.best.drop <= limit) == found.is_met


def test_nothing_is_spared_where_the_limit_holds_at_once() -> None:
    found = smallest_prefix(50, lambda _: 0.1, 0.5)

    assert found.best.count == 0
    assert len(found.evaluations) == 1
