"""Information that a range loses, against the definition bin by bin."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.ranges.divergence import Divergence
from edgeopt.steps.quantize.types import Int8Types

UINT8 = Int8Types(activations="uint8", weight_limit=127, reason="test")
NORMAL = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)


def divergence_of(values):
    histogram = Histogram()
    histogram.add(np.asarray(values, dtype=np.float32))
    return Divergence.of(histogram, UINT8)


def loss(divergence, low, high):
    return float(divergence(np.array([low]), np.array([high]))[0])


def loss_by_definition(divergence, low, high):
    """KL(P || Q), both distributions written out."""
    counts, unit = divergence.counts, divergence.unit
    start, stop = (math.floor(end / unit) - divergence.first for end in (low, high))
    stop += 1
    inside = counts[start:stop]
    p = inside.copy()
    p[0] += counts[:start].sum()
    p[-1] += counts[stop:].sum()
    q = np.zeros(len(inside))
    borders = np.rint(np.arange(257) * (len(inside) / 256) + start).astype(int) - start
    for first, last in pairwise(borders):
        level = inside[first:last]
        q[first:last] = level.sum() / max((level > 0).sum(), 1)
    p, q = p / p.sum(), q / inside.sum()
    if (q[p > 0] == 0).any():
        return math.inf
    return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())


@settings(max_examples=50)
@given(st.floats(-4, -1.5), st.floats(1.5, 4))
def test_it_is_the_divergence_of_what_is_clipped_and_spread(low, high):
    divergence = divergence_of(NORMAL)

    assert loss(divergence, low, high) == pytest.approx(loss_by_definition(divergence, low, high), rel=1e-9)


def test_an_even_spread_loses_nothing_whole_and_something_clipped():
    divergence = divergence_of(np.arange(-1024, 1024))

    assert loss(divergence, -1024, 1023) == pytest.approx(0, abs=1e-12)
    assert loss(divergence, -1024, 900) > 0.01


def test_a_value_that_is_repeated_says_nothing_about_the_range():
    plain = divergence_of(NORMAL)
    peak = divergence_of(np.append(NORMAL, np.full(100_000, 0.7)))

    ends = np.linspace(-4, -2, 9), np.linspace(4, 2, 9)
    assert peak(*ends) == pytest.approx(plain(*ends), rel=0.05)


def test_what_saturates_at_the_end_counts():
    divergence = divergence_of(np.clip(NORMAL * 4, 0, 6))

    assert loss(divergence, 0, 6) < loss(divergence, 0, 5.9) / 2


def test_a_range_that_ends_where_nothing_lies_is_out_of_the_question():
    divergence = divergence_of([*NORMAL, 40, 41, 42])

    assert loss(divergence, -4.5, 20) == math.inf


def test_values_far_apart_leave_only_the_whole_range():
    assert loss(divergence_of([-1, 5]), -1, 3) == math.inf
