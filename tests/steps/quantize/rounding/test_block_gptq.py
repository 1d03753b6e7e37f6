"""GPTQ over blocks: what it promises, held against an exhaustive search."""

import itertools

import numpy as np
import pytest

from edgeopt.steps.quantize.observation.moments import Moments
from edgeopt.steps.quantize.rounding.block_gptq import round_blocks
from edgeopt.steps.quantize.rounding.blockwise import quantize_blocks


def moments_of(inputs, parts=1):
    """Second moments of (column, input) inputs, in parts along the inputs."""
    second = np.stack([rows.T @ rows / len(rows) for rows in np.split(inputs, parts, axis=1)])
    return Moments(
        second=second[np.newaxis].astype(np.float32),
        mean=inputs.mean(axis=0)[np.newaxis],
        columns=len(inputs),
    )


def error_of(blocks, weight, inputs):
    """(column,) mean squared error of the outputs."""
    return np.square(inputs @ (blocks.dequantized() - weight)).mean(axis=0)


def dependent(count, width, rank, seed=0):
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((count, rank)) @ generator.standard_normal((rank, width))
    return (inputs + 0.05 * generator.standard_normal((count, width))).astype(np.float32)


@pytest.mark.parametrize(("rows", "block_size"), [(96, 32), (100, 32), (40, 16), (7, 16)])
@pytest.mark.parametrize("rank", [3, 200])
def test_no_column_errs_more_than_with_the_nearest(rows, block_size, rank):
    inputs = dependent(500, rows, rank)
    weight = np.random.default_rng(1).standard_normal((rows, 16)).astype(np.float32)
    nearest = quantize_blocks(weight, block_size)

    rounded = round_blocks(weight, nearest, moments_of(inputs))

    before, after = error_of(nearest, weight, inputs), error_of(rounded, weight, inputs)
    assert (after <= before * (1 + 1e-4)).all()
    np.testing.assert_array_equal(rounded.scale, nearest.scale)
    assert rounded.integers.max() <= 15


def test_dependent_inputs_leave_a_tenth_of_the_error():
    inputs = dependent(500, 96, 6)
    weight = np.random.default_rng(1).standard_normal((96, 16)).astype(np.float32)
    nearest = quantize_blocks(weight, 32)

    rounded = round_blocks(weight, nearest, moments_of(inputs))

    assert error_of(rounded, weight, inputs).sum() < 0.1 * error_of(nearest, weight, inputs).sum()


def test_independent_inputs_leave_the_nearest():
    weight = np.random.default_rng(1).standard_normal((64, 8)).astype(np.float32)
    nearest = quantize_blocks(weight, 32)
    unit = Moments(second=np.eye(64, dtype=np.float32)[None, None], mean=np.zeros((1, 64)), columns=1)

    np.testing.assert_array_equal(round_blocks(weight, nearest, unit).integers, nearest.integers)


def test_inputs_that_were_never_seen_leave_the_nearest():
    weight = np.random.default_rng(1).standard_normal((64, 8)).astype(np.float32)
    nearest = quantize_blocks(weight, 32)
    nothing = Moments(second=np.zeros((1, 1, 64, 64), np.float32), mean=np.zeros((1, 64)), columns=1)

    np.testing.assert_array_equal(round_blocks(weight, nearest, nothing).integers, nearest.integers)


def test_a_wide_weight_is_rounded_in_the_parts_of_its_moments():
    inputs = dependent(500, 128, 6)
    weight = np.random.default_rng(1).standard_normal((128, 8)).astype(np.float32)
    nearest = quantize_blocks(weight, 32)

    rounded = round_blocks(weight, nearest, moments_of(inputs, parts=2))

    for half in (slice(0, 64), slice(64, 128)):
        gap = [np.square(inputs[:, half] @ (one.dequantized() - weight)[half]).sum() for one in (rounded, nearest)]
        assert gap[0] < 0.2 * gap[1]


def test_it_comes_nearer_to_the_best_of_all_roundings_than_to_the_nearest():
    inputs = dependent(200, 6, 2, seed=3)
    weight = np.random.default_rng(4).standard_normal((6, 10)).astype(np.float32)
    nearest = quantize_blocks(weight, 16)
    best = sum(least_error(nearest, weight, inputs, column) for column in range(10))

    found = error_of(round_blocks(weight, nearest, moments_of(inputs)), weight, inputs).sum()

    assert best * (1 - 1e-6) <= found
    assert found - best < error_of(nearest, weight, inputs).sum() - found


def least_error(blocks, weight, inputs, column):
    """The error of a column's output under the best of the four integers around each weight."""
    scale, point = float(blocks.scale[column, 0]), int(blocks.zero_point[column, 0])
    steps = weight[:, column] / scale + point
    near = [np.clip(np.floor(step) + np.arange(-1, 3), 0, 15) for step in steps]
    errors = (np.array(list(itertools.product(*near))) - point) * scale - weight[:, column]
    return np.square(errors @ inputs.T).mean(axis=1).min()
