from __future__ import annotations

import math

import numpy as np
import pytest

from tests.steps.tflite.families.single import assert_gives, outputs_of

EDGES = np.array([-1e30, -100.0, -20.0, -3.7, -1.5, -1e-3, -1e-6, 0.0, 1e-6, 1e-3, 0.5, 1.0, 2.5, 19.0, 80.0, 1e30])
EVERYWHERE = np.concatenate([EDGES, np.linspace(-10, 10, 401)]).astype(np.float32)
INSIDE = np.concatenate([[-1.0, 1.0, 0.0, -1e-7, 1e-7], np.linspace(-0.999, 0.999, 201)]).astype(np.float32)
BELOW_80 = EVERYWHERE[np.abs(EVERYWHERE) <= 80]
ABOVE = np.concatenate([[1.0, 1.0001, 1e10, 1e30], np.linspace(1.01, 50, 201)]).astype(np.float32)
# operator, its domain, NumPy's function, error relative to the value
FUNCTIONS = [
    ("Acos", INSIDE, np.arccos, 2e-6),
    ("Acosh", ABOVE, np.arccosh, 2e-6),
    ("Asin", INSIDE, np.arcsin, 2e-6),
    ("Asinh", EVERYWHERE, np.arcsinh, 2e-6),
    ("Atan", EVERYWHERE, np.arctan, 2e-6),
    ("Atanh", INSIDE[2:], np.arctanh, 2e-6),
    ("Ceil", EVERYWHERE, np.ceil, 0),
    ("Cosh", BELOW_80, np.cosh, 5e-5),
    ("Erf", EVERYWHERE, np.vectorize(math.erf), 2e-6),
    ("Exp", BELOW_80, np.exp, 5e-5),
    ("Floor", EVERYWHERE, np.floor, 0),
    ("Reciprocal", EVERYWHERE[EVERYWHERE != 0], np.reciprocal, 2e-7),
    ("Round", EVERYWHERE, np.round, 0),
    ("Sinh", BELOW_80, np.sinh, 5e-5),
    ("Tanh", EVERYWHERE, np.tanh, 2e-6),
]


@pytest.mark.parametrize(("operator", "x", "function", "error"), FUNCTIONS, ids=[each[0] for each in FUNCTIONS])
def test_a_function_is_right_at_its_edges_too(operator: str, x: np.ndarray, function: np.ufunc, error: float) -> None:
    with np.errstate(over="ignore"):
        expected = function(x.astype(np.float64)).astype(np.float32)

    assert_gives(operator, {"x": x}, expected, rtol=error)


def test_halves_are_rounded_to_the_even_number() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 8388607.5, 4194304.5, 1e20, -1e20], np.float32)

    assert_gives("Round", {"x": x}, np.round(x))


@pytest.mark.parametrize("operator", ["Acosh", "Asin", "Acos", "Log", "Sqrt"])
def test_outside_its_domain_a_function_has_no_value(operator: str) -> None:
    for given in outputs_of(operator, {"x": np.array([-3.0], np.float32)}):
        assert np.isnan(given).all()


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float32", "float16"])
def test_sign_size_and_negative_are_known_for_every_type(dtype: str) -> None:
    x = np.array([-128, -1, 0, 5, 127]).astype(dtype)

    assert_gives("Sign", {"x": x}, np.sign(x))
    assert_gives("Abs", {"x": x}, np.abs(x))
    assert_gives("Neg", {"x": x}, -x)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_an_unsigned_integer_is_its_own_size(dtype: str) -> None:
    x = np.array([0, 1, np.iinfo(dtype).max], dtype)

    assert_gives("Abs", {"x": x}, x)
    assert_gives("Sign", {"x": x}, np.sign(x))
