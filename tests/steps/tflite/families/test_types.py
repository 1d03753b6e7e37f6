from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeopt.steps.tflite.families.types import NATIVE, type_for
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.net import Net, Operation, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from tests.steps.tflite.families.single import assert_gives
from tests.steps.tflite.running import REFERENCE, XNNPACK, run_tflite

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


# kernel -> what NumPy gives for two values, for one, or along the last axis
PAIRS: dict[str, Callable[..., Any]] = {
    "ADD": np.add,
    "BITWISE_XOR": np.bitwise_xor,
    "DIV": lambda x, y: np.trunc(x.astype(np.float64) / y) if x.dtype.kind == "i" else x / y,
    "EQUAL": np.equal,
    "FLOOR_MOD": np.mod,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "NOT_EQUAL": np.not_equal,
    "RIGHT_SHIFT": np.right_shift,
    "SQUARED_DIFFERENCE": lambda x, y: np.square(x - y),
    "SUB": np.subtract,
}
SINGLES: dict[str, Callable[..., Any]] = {
    "ABS": np.abs,
    "LOGICAL_NOT": np.logical_not,
    "NEG": np.negative,
    "SIGN": np.sign,
}
ALONG: dict[str, Callable[..., Any]] = {
    "ARG_MAX": lambda x: x.argmax(-1),
    "ARG_MIN": lambda x: x.argmin(-1),
    "CUMSUM": lambda x: x.cumsum(-1, dtype=x.dtype),
    "MEAN": lambda x: x.mean(-1) if x.dtype.kind == "f" else np.trunc(x.mean(-1)),
    "REDUCE_ALL": lambda x: x.all(-1),
    "REDUCE_ANY": lambda x: x.any(-1),
    "REDUCE_MAX": lambda x: x.max(-1),
    "REDUCE_MIN": lambda x: x.min(-1),
    "REDUCE_PROD": lambda x: x.prod(-1, dtype=x.dtype),
    "SUM": lambda x: x.sum(-1, dtype=x.dtype),
}
OPTIONS = {
    **{kind: options(f"{kind.title()}Options") for kind in ("ADD", "SUB", "MUL", "DIV")},
    "ARG_MAX": options("ArgMaxOptions", outputType="int64"),
    "ARG_MIN": options("ArgMinOptions", outputType="int64"),
    "CUMSUM": options("CumsumOptions", exclusive=False, reverse=False),
}


def _values(dtype: str, seed: int) -> Any:
    if dtype == "bool":
        return np.random.default_rng(seed).integers(0, 2, (3, 4)).astype(bool)
    low = 1 if seed else -5 if not dtype.startswith("uint") else 1
    return np.random.default_rng(seed).integers(low, 6, (3, 4)).astype(dtype)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (kind, dtype)
        for kind, native in NATIVE.items()
        for dtype in sorted(native)
        if dtype != "float64" or kind == "SIGN"  # the others go through the kernels of StableHLO
    ],
)
def test_a_native_type_is_right_by_both_sets_of_kernels(kind: str, dtype: str) -> None:
    values = [_values(dtype, seed) for seed in range(2 if kind in PAIRS else 1)]
    expected = np.asarray({**PAIRS, **SINGLES, **ALONG}[kind](*values))
    inputs = [Tensor(name=f"x{place}", shape=(3, 4), dtype=dtype) for place in range(len(values))]
    result = "bool" if expected.dtype == bool else "int64" if kind.startswith("ARG") else dtype
    output = Tensor(name="y", shape=expected.shape, dtype=result)
    along = [Tensor(name="axis", shape=(1,), dtype="int32", data=np.array([1], np.int32))] if kind in ALONG else []
    attributes = OPTIONS.get(kind, options("ReducerOptions", keepDims=False) if kind in ALONG else None)
    operation = Operation(kind=kind, inputs=(*inputs, *along), outputs=(output,), options=attributes)
    net = Net(inputs={each.name: each for each in inputs}, outputs={"y": output}, operations=[operation])

    for kernels in (XNNPACK, REFERENCE):
        feeds = {f"x{place}": value for place, value in enumerate(values)}
        np.testing.assert_allclose(run_tflite(model_bytes(net), feeds, kernels)["y"], expected, rtol=1e-6)
