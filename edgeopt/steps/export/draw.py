"""Random inputs to compare two models on, like the example that the user gave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.export.program import Input


def drawn(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Standard normal floats, zeros and ones of integers."""
    if dtype.kind in "iub":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


def drawn_like(generator: np.random.Generator, given: Input, *, batch: int, length: int | None = None) -> NDArray[Any]:
    """Values like those of an input's example.

    Floats of the user's example are drawn from a normal distribution of its mean and deviation within its range,
    integers evenly from its range: an index stays in its table, a length stays positive.

    Args:
        generator: Source of chance.
        given: The input.
        batch: Length of its first axis, where that is free.
        length: Of every other free axis; None keeps the example's.
    """
    shape = tuple(
        axis if index not in given.free else batch if index == 0 else length or axis
        for index, axis in enumerate(given.example.shape)
    )
    example = given.example
    if given.is_drawn or not example.size:
        return drawn(generator, shape, example.dtype)
    if example.dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(example.dtype)
    low, high = example.min(), example.max()
    if example.dtype.kind in "iu":
        return generator.integers(int(low), int(high), shape, endpoint=True).astype(example.dtype)
    values = generator.normal(float(example.mean()), float(example.std()) or 1.0, shape)
    return (np.clip(values, low, high) if low < high else values).astype(example.dtype)
