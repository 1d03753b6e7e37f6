from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeopt.steps.tflite.families.types import NATIVE, type_for
from edgeopt.steps.tflite.refusal import Refused
from tests.steps.tflite.families.single import assert_gives

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(("operator", "function"), [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply)])
def test_sums_differences_and_products_of_integers_wrap_around(operator: str, function: np.ufunc, dtype: str) -> None:
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.max, limits.max, 3, 7, limits.max // 2], dtype)
    y = np.array([limits.max, limits.max, 1, 5, limits.max, 3], dtype)

    assert_gives(operator, {"x": x, "z": y}, function(x, y))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("Max", np.maximum),
        ("Min", np.minimum),
        ("Less", np.less),
        ("GreaterOrEqual", np.greater_equal),
        ("Equal", np.equal),
    ],
)
def test_integers_are_compared_over_their_whole_range(operator: str, function: np.ufunc, dtype: str) -> None:
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.max, limits.max, limits.min, 3, limits.max // 2 + 1], dtype)
    y = np.array([limits.max, limits.min, limits.max - 1, limits.min, 4, limits.max // 2], dtype)

    assert_gives(operator, {"x": x, "z": y}, function(x, y))


@given(
    npst.arrays(np.int64, 6, elements=st.integers(-(2**62), 2**62)),
    npst.arrays(np.int64, 6, elements=st.integers(-(2**62), 2**62).filter(lambda value: value != 0)),
)
def test_long_integers_are_divided_towards_zero_exactly(
    x: np.ndarray[tuple[int], np.dtype[np.int64]], y: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    expected = np.array(
        [abs(int(a)) // abs(int(b)) * (1 if (a < 0) == (b < 0) else -1) for a, b in zip(x, y, strict=True)]
    )

    assert_gives("Div", {"x": x, "z": y}, expected.astype(np.int64))


@given(
    npst.arrays(np.uint64, 5),
    npst.arrays(np.uint64, 5).map(lambda value: np.maximum(value, np.uint64(1))),
)
def test_unsigned_long_integers_are_divided_exactly(
    x: np.ndarray[tuple[int], np.dtype[np.uint64]], y: np.ndarray[tuple[int], np.dtype[np.uint64]]
) -> None:
    assert_gives("Div", {"x": x, "z": y}, x // y)
    assert_gives("Mod", {"x": x, "z": y}, x % y)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_integers_are_divided_towards_zero(dtype: str) -> None:
    x = np.array([7, 100, 0, 1, np.iinfo(dtype).max], dtype)
    y = np.array([2, 7, 5, 3, 1], dtype)

    assert_gives("Div", {"x": x, "z": y}, (x.astype(np.float64) / y).astype(dtype))


def test_double_numbers_are_added_by_kernels_that_have_them_and_broadcast() -> None:
    x = np.array([[1.0], [1e-12]]) + 1.0
    y = np.array([1e300, -1.0, 1e-9])

    assert_gives("Add", {"x": x, "z": y}, x + y)
    assert_gives("Max", {"x": x, "z": y}, np.maximum(x, y))
    assert_gives("ReduceSum", {"x": x + y}, (x + y).sum(keepdims=True), rtol=1e-15)


def test_a_type_without_a_wider_native_one_is_refused_by_name() -> None:
    with pytest.raises(Refused) as caught:
        type_for("uint64", NATIVE["DIV"])

    assert "`uint64`" in caught.value.reason


def test_every_kernel_takes_its_own_types_as_they_are() -> None:
    for native in NATIVE.values():
        assert all(type_for(dtype, native) == dtype for dtype in native)
