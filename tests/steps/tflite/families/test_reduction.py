from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.tflite.families.reduction import reduction_of
from edgeopt.steps.tflite.net import Tensor
from edgeopt.steps.tflite.view import View, permuted, unpermuted
from tests.steps.tflite.families.single import assert_gives, outputs_of
from tests.steps.tflite.running import assert_same, kinds_of, parsed

REDUCTIONS = {
    "ReduceL1": lambda x, **how: np.abs(x).sum(**how),
    "ReduceL2": lambda x, **how: np.sqrt(np.square(x).sum(**how)),
    "ReduceLogSum": lambda x, **how: np.log(x.sum(**how)),
    "ReduceLogSumExp": lambda x, **how: np.log(np.exp(x).sum(**how)),
    "ReduceMax": lambda x, **how: x.max(**how),
    "ReduceMean": lambda x, **how: x.mean(**how, dtype=x.dtype),
    "ReduceMin": lambda x, **how: x.min(**how),
    "ReduceProd": lambda x, **how: x.prod(**how, dtype=x.dtype),
    "ReduceSum": lambda x, **how: x.sum(**how, dtype=x.dtype),
    "ReduceSumSquare": lambda x, **how: np.square(x).sum(**how, dtype=x.dtype),
}


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("keeps", [0, 1])
@pytest.mark.parametrize("axes", [(0,), (1, 2), (-1,), (0, 1, 2)])
def test_a_reduction_goes_along_its_axes(operator: str, keeps: int, axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4)).astype(np.float32)
    expected = REDUCTIONS[operator](x, axis=axes, keepdims=bool(keeps))

    assert_gives(operator, {"x": x}, np.float32(expected), rtol=2e-6, constants={"a": np.array(axes)}, keepdims=keeps)
    assert_gives(operator, {"x": x}, np.float32(expected), rtol=2e-6, opset=11, axes=axes, keepdims=keeps)


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceSumSquare"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint32", "uint64"])
def test_integers_are_reduced_and_wrap_around(operator: str, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 100, (3, 5)).astype(dtype)
    x[0, 0] = np.iinfo(dtype).max
    with np.errstate(over="ignore"):
        expected = REDUCTIONS[operator](x, axis=1, keepdims=True)

    assert_gives(operator, {"x": x}, expected, constants={"a": np.array([1])})


def test_nothing_is_reduced_where_no_axes_are_none() -> None:
    x = np.array([[1.0, -2.0]], np.float32)
    none = {"a": np.array([], np.int64)}

    assert_gives("ReduceSum", {"x": x}, x, constants=none, noop_with_empty_axes=1)
    assert_gives("ReduceL1", {"x": x}, np.abs(x), constants=none, noop_with_empty_axes=1)
    assert_gives("ReduceSum", {"x": x}, x.sum(keepdims=True), constants=none)


def test_more_axes_than_kernels_take_are_merged() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 1, 2, 3, 2, 2)).astype(np.float32)

    expected = x.sum(axis=(1, 2, 6), keepdims=True)
    assert_gives("ReduceSum", {"x": x}, expected, rtol=1e-4, constants={"a": np.array([1, 2, 6])})


def test_a_logarithm_of_exponentials_neither_overflows_nor_loses_what_is_nothing() -> None:
    x = np.array([[1000.0, 999.0], [-1000.0, -1001.0], [-np.inf, -np.inf]], np.float32)
    expected = np.array([1000.31326169, -999.68673831], np.float32)

    for made in outputs_of("ReduceLogSumExp", {"x": x}, constants={"a": np.array([1])}, keepdims=0):
        np.testing.assert_allclose(made[:2], expected, rtol=1e-6)
        assert made[2] < -3.4e38  # XNNPACK's sums end at the lowest finite number


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("is_last", [0, 1])
def test_of_equal_values_the_first_or_the_last_is_found(operator: str, dtype: str, is_last: int) -> None:
    x = np.array([[3, 1, 3, 1], [7, 7, 7, 7], [0, 2, 1, 0]]).astype(dtype)
    function = np.argmax if operator == "ArgMax" else np.argmin
    expected = x.shape[1] - 1 - function(x[:, ::-1], axis=1) if is_last else function(x, axis=1)

    assert_gives(operator, {"x": x}, expected[:, None], axis=1, select_last_index=is_last)
    assert_gives(operator, {"x": x}, expected, axis=-1, select_last_index=is_last, keepdims=0)


CUMULATIVE = {"CumSum": (np.cumsum, 0, 14), "CumProd": (np.cumprod, 1, 26)}


@pytest.mark.parametrize("operator", CUMULATIVE)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_what_comes_before_is_added_or_multiplied(operator: str, dtype: str, exclusive: int, reverse: int) -> None:
    function, neutral, opset = CUMULATIVE[operator]
    x = np.array([[1, 2, 3, 4, 5], [2, 1, -1, 2, 2]], dtype)
    done = function(x[:, ::-1] if reverse else x, axis=1).astype(dtype)
    if exclusive:
        done = np.concatenate([np.full((2, 1), neutral, dtype), done[:, :-1]], axis=1)
    expected = done[:, ::-1] if reverse else done

    settings = {"constants": {"a": np.array(1)}, "exclusive": exclusive, "reverse": reverse, "opset": opset}
    assert_gives(operator, {"x": x}, expected, **settings)


def test_an_image_is_reduced_as_it_lies() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 3, 5, 5] x, float[4, 3, 3, 3] w) => (float[1, 3] y) {
          a = Conv(x, w)
          m = ReduceMax <axes = [1], keepdims = 1> (a)
          s = Sub(a, m)
          y = ReduceMean <axes = [1, 3], keepdims = 0> (s)
        }"""
    )
    generator = np.random.default_rng(0)
    feeds = {
        "x": generator.standard_normal((1, 3, 5, 5)).astype(np.float32),
        "w": generator.standard_normal((4, 3, 3, 3)).astype(np.float32),
    }

    kinds = kinds_of(assert_same(model, feeds))

    assert kinds == ["TRANSPOSE", "TRANSPOSE", "CONV_2D", "REDUCE_MAX", "SUB", "MEAN"]


@given(st.permutations(range(4)), st.sets(st.integers(0, 3)), st.booleans())
def test_what_is_left_of_the_axes_lies_in_the_order_it_did(order: list[int], axes: set[int], keeps: bool) -> None:
    shape = (2, 3, 4, 5)
    value = np.arange(120).reshape(shape)
    tensor = Tensor(name="t", shape=permuted(shape, tuple(order)), dtype="int64")
    view = View(tensor=tensor, axes=tuple(order), dtype="int64")

    how = reduction_of(view, tuple(axes), keeps=keeps)

    made = value.transpose(order).sum(axis=how.axes, keepdims=keeps)
    expected = value.sum(axis=tuple(axes), keepdims=keeps)
    assert made.shape == how.shape
    assert unpermuted(how.shape, how.order) == expected.shape
    np.testing.assert_array_equal(made.transpose(np.argsort(how.order)), expected)
