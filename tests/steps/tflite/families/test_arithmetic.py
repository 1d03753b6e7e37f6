from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.single import assert_gives, lowered_single
from tests.steps.tflite.running import assert_same, kinds_of, parsed

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'


def test_an_activation_behind_a_sum_is_done_by_it() -> None:
    model = parsed(f"{HEADER} g (float[2, 3] a, float[3] b) => (float[2, 3] y) {{ s = Add(a, b) y = Relu(s) }}")
    feeds = {"a": np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5, -1, 0.1], np.float32)}

    assert kinds_of(assert_same(model, feeds)) == ["ADD"]


def test_more_axes_than_kernels_take_are_merged_where_they_broadcast_alike() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 2, 3, 1, 2, 2, 2)).astype(np.float32)
    y = np.random.default_rng(1).standard_normal((2, 3, 2, 3, 1, 1, 1, 1)).astype(np.float32)

    assert_gives("Mul", {"x": x, "z": y}, x * y)


def test_too_many_axes_that_broadcast_each_otherwise_are_refused() -> None:
    x, y = np.zeros((2, 1) * 4, np.float32), np.zeros((1, 2) * 4, np.float32)

    with pytest.raises(Unsupported, match="cannot be merged"):
        lowered_single("Add", {"x": x, "z": y})


@pytest.mark.parametrize("dtype", ["float32", "int8", "int32", "int64", "uint8"])
def test_a_remainder_has_the_sign_of_the_divisor_or_with_fmod_of_the_dividend(dtype: str) -> None:
    x = np.array([7, 100, 5, 12, 3]).astype(dtype)
    y = np.array([3, 7, 5, 5, 4]).astype(dtype)
    if not dtype.startswith("u"):
        x, y = x * np.array([1, -1, 1, -1, -1], dtype), y * np.array([-1, 1, 1, -1, 1], dtype)

    assert_gives("Mod", {"x": x, "z": y}, np.fmod(x, y), fmod=1)
    if not dtype.startswith("f"):
        assert_gives("Mod", {"x": x, "z": y}, np.mod(x, y))


@pytest.mark.parametrize("exponent", [0.5, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 1.5])
def test_a_power_with_a_constant_exponent_is_a_few_products_where_it_can_be(exponent: float) -> None:
    x = np.array([0.1, 1.0, 2.5, 11.0], np.float32)
    z = np.array(exponent, np.float32)

    assert_gives("Pow", {"x": x}, x**z, rtol=1e-5, constants={"z": z})
    kinds = kinds_of(lowered_single("Pow", {"x": x}, constants={"z": z}))
    assert ("POW" in kinds) == (exponent in (0.0, 7.0, 1.5))


def test_powers_of_integers_are_exact_and_wrap_around() -> None:
    x = np.array([2, 3, -3, 1, -1, 0, 10, 2, -2, -1, 5], np.int64)
    y = np.array([62, 39, 3, 200, 201, 0, 18, -1, -3, -5, 0], np.int64)
    whole = [int(a) ** int(b) if b >= 0 else int(float(a) ** int(b)) for a, b in zip(x, y, strict=True)]
    expected = np.array([(value + 2**63) % 2**64 - 2**63 for value in whole], np.int64)

    assert_gives("Pow", {"x": x, "z": y}, expected)


def test_sums_and_means_take_any_number_of_values() -> None:
    values = {name: np.full((2, 2), index, np.float32) for index, name in enumerate("abcd")}

    assert_gives("Sum", values, np.full((2, 2), 6, np.float32))
    assert_gives("Mean", values, np.full((2, 2), 1.5, np.float32))
    assert_gives("Max", values, np.full((2, 2), 3, np.float32))


def test_operands_keep_the_order_in_which_an_image_lies() -> None:
    model = parsed(
        f"""{HEADER}
        g (float[1, 3, 5, 5] x, float[4, 3, 3, 3] w, float[1, 4, 1, 1] s, float[3] t) => (float[1, 4, 3, 3] y) {{
          a = Conv(x, w)
          b = Mul(a, s)
          c = Sub(b, t)
          y = Sigmoid(c)
        }}"""
    )
    generator = np.random.default_rng(0)
    feeds = {
        "x": generator.standard_normal((1, 3, 5, 5)).astype(np.float32),
        "w": generator.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "s": generator.standard_normal((1, 4, 1, 1)).astype(np.float32),
        "t": generator.standard_normal(3).astype(np.float32),
    }

    kinds = kinds_of(assert_same(model, feeds))

    assert kinds.count("TRANSPOSE") <= 3  # of the image, the weights that are inputs here, and the output
