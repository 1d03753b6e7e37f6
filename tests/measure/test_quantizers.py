"""What quantizers meet: clipping, outliers, and channels that become zero, counted over batches."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.graph.pieces import pieces
from edgeopt.graph.qdq import take_apart
from edgeopt.measure.quantizers import PairCounts, keys_of, pair_counts, weight_statistics


@pytest.fixture
def pair(small_models):
    """int8 of scale 0.05 around zero point 0 on a uint8 grid: -6.4 to 6.35."""
    return take_apart(small_models.qdq(), where="m").pairs["raw_q"]


def counted(pair, *batches, is_picture=True):
    counts = PairCounts(pair, is_picture=is_picture)
    for batch in batches:
        counts.add(np.asarray(batch, dtype=np.float32))
    return counts.statistics()


def test_values_beyond_the_range_are_counted_over_batches(pair):
    inside, outside = np.zeros((1, 4, 5, 5)), np.full((1, 4, 5, 5), 7.0)

    found = counted(pair, inside, inside, inside, outside)

    assert found.clipped_share == 0.25
    assert (found.low, found.high) == (pytest.approx(-6.4), pytest.approx(6.35))
    assert (found.seen_low, found.seen_high) == (0.0, 7.0)


def test_half_a_step_beyond_the_range_is_rounding_and_no_clipping(pair):
    assert counted(pair, np.full((1, 4, 1, 1), 6.37)).clipped_share == 0
    assert counted(pair, np.full((1, 4, 1, 1), 6.38)).clipped_share == 1


def test_the_reach_is_where_nearly_all_magnitudes_lie(pair):
    values = np.full(20_000, 0.5)
    values[0] = 6.3

    assert counted(pair, values.reshape(1, 1, 100, 200)).reach == pytest.approx(0.5 / 6.4, abs=0.002)
    assert counted(pair, np.linspace(-6.4, 6.3, 20_000).reshape(1, 1, 100, 200)).reach == pytest.approx(1, abs=0.002)


def test_channels_that_round_to_zero_are_told_from_those_that_are_zero(pair):
    values = np.ones((2, 4, 3, 3))
    values[:, 1], values[:, 2] = 0.02, 0.0

    found = counted(pair, values[:1], values[1:])

    assert (found.channels, found.zeroed_channels, found.dead_channels) == (4, 1, 1)


def test_channels_of_rows_lie_on_the_last_axis(pair):
    values = np.ones((2, 7, 3))
    values[..., 0] = 0

    assert counted(pair, values, is_picture=False).dead_channels == 1
    assert counted(pair, values, is_picture=True).channels == 7
    assert counted(pair, np.ones(3), is_picture=False).channels == 0


def test_each_pair_around_layers_is_counted_once(small_models, quantize_foreign):
    samples = np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)
    base = small_models.dense()
    parts = pieces(base, quantize_foreign(base, {"x": samples}), base_name="b", candidate_name="c")

    keys = keys_of(parts.candidate.layers)

    assert sorted(keys) == sorted(parts.candidate.pairs)
    assert not any(counts.is_picture for counts in pair_counts(parts, keys).values())


def statistics_of(small_models, quantize_foreign, *, change=None, **options):
    samples = np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)
    base = small_models.dense(**(change or {}))
    parts = pieces(base, quantize_foreign(base, {"x": samples}, **options), base_name="b", candidate_name="c")
    return weight_statistics(parts, parts.candidate.layers[1])


def test_the_spread_of_channels_is_that_of_the_float_weight(small_models, quantize_foreign):
    plain = statistics_of(small_models, quantize_foreign)
    wide = statistics_of(small_models, quantize_foreign, change={"channel": 50.0}, per_channel=False)

    assert (plain.is_per_channel, wide.is_per_channel) == (True, False)
    assert plain.largest_over_median < 2
    assert wide.largest_over_median > 30
    assert wide.largest_over_smallest >= wide.largest_over_median
    assert (plain.channels, plain.zeroed_channels, plain.dead_channels) == (12, 0, 0)


def test_channels_that_one_scale_rounds_to_zero_are_counted(small_models, quantize_foreign):
    found = statistics_of(small_models, quantize_foreign, change={"channel": 2000.0}, per_channel=False)

    assert (found.zeroed_channels, found.dead_channels) == (11, 0)


def test_channels_without_weights_are_dead_already(small_models, quantize_foreign):
    found = statistics_of(small_models, quantize_foreign, change={"channel": 1e-9}, per_channel=False)

    assert (found.zeroed_channels, found.dead_channels) == (0, 1)


def test_seven_bits_are_reported(small_models, quantize_foreign):
    found = statistics_of(small_models, quantize_foreign, reduce_range=True)

    assert (found.bits, found.dtype, found.is_bias_clipped, found.clipped_share) == (7, "int8", False, 0.0)
