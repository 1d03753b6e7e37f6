from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.single import assert_gives

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def _pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    limits = np.iinfo(dtype)
    generator = np.random.default_rng(0)
    x = np.append(
        generator.integers(limits.min, limits.max, 30, dtype, endpoint=True), np.array([limits.min, limits.max], dtype)
    )
    y = np.append(
        generator.integers(limits.min, limits.max, 30, dtype, endpoint=True), np.array([limits.max, limits.min], dtype)
    )
    return x, y


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    ("operator", "function"),
    [("BitwiseAnd", np.bitwise_and), ("BitwiseOr", np.bitwise_or), ("BitwiseXor", np.bitwise_xor)],
)
def test_bits_of_every_type_are_combined(operator: str, function: np.ufunc, dtype: str) -> None:
    x, y = _pairs(dtype)

    assert_gives(operator, {"x": x, "z": y}, function(x, y))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits_of_every_type_are_turned(dtype: str) -> None:
    x, _ = _pairs(dtype)

    assert_gives("BitwiseNot", {"x": x}, ~x)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_a_shift_by_every_number_of_places_is_known(dtype: str, direction: str) -> None:
    count = np.iinfo(dtype).bits
    by = np.arange(0, count + 3).astype(dtype)
    x = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, len(by), dtype, endpoint=True)
    left = [int(a) << int(b) if direction == "LEFT" else int(a) >> int(b) for a, b in zip(x, by, strict=True)]
    expected = np.array([value % (1 << count) for value in left], dtype)

    assert_gives("BitShift", {"x": x, "z": by}, expected, direction=direction)
