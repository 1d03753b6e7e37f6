from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.single import assert_gives, lowered_single, outputs_of
from tests.steps.tflite.running import assert_same, kinds_of, parsed

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
RANDOM = np.random.default_rng(0)


def _real(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def _constants(**shapes: tuple[int, ...]) -> str:
    """Nodes of constants with random values, in the text form of `onnx.parser`."""
    text = ""
    for name, shape in shapes.items():
        values = ", ".join(f"{value:.6f}" for value in _real(*shape).ravel())
        text += f"{name} = Constant <value = float[{', '.join(map(str, shape))}] {{{values}}}> ()\n"
    return text


SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((2, 5, 1, 2, 3), (2, 1, 6, 3, 4)),
    ((2, 5, 2, 2, 3, 2, 3), (1, 1, 2, 2, 3, 3, 4)),
    ((3,), (2, 2, 3, 4)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
@pytest.mark.parametrize("is_constant", [True, False])
def test_operands_of_any_rank_are_multiplied(
    left: tuple[int, ...], right: tuple[int, ...], *, dtype: str, is_constant: bool
) -> None:
    x, y = ((np.abs(_real(*shape)) * 9).astype(dtype) for shape in (left, right))
    given = {"x": x} if is_constant else {"x": x, "z": y}
    settings = {"constants": {"z": y}} if is_constant else {}

    assert_gives("MatMul", given, np.matmul(x, y), rtol=2e-6, **settings)


def test_stacks_over_more_axes_than_kernels_take_are_refused() -> None:
    x, y = np.zeros((2, 1, 2, 1, 2, 3), np.float32), np.zeros((1, 2, 1, 2, 3, 4), np.float32)

    with pytest.raises(Unsupported, match="cannot be merged"):
        lowered_single("MatMul", {"x": x, "z": y})


@given(
    alpha=st.sampled_from([1.0, 0.5, -2.0]),
    beta=st.sampled_from([1.0, 0.25]),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    bias=st.sampled_from([None, (), (1,), (4,), (1, 4), (2, 1), (2, 4)]),
    constant=st.sets(st.sampled_from(["b", "c"])),
)
def test_gemm_has_every_factor_transposition_and_bias(
    alpha: float, beta: float, *, trans_a: bool, trans_b: bool, bias: tuple[int, ...] | None, constant: set[str]
) -> None:
    a, b = _real(3, 2) if trans_a else _real(2, 3), _real(4, 3) if trans_b else _real(3, 4)
    arrays = {"a": a, "b": b} | ({} if bias is None else {"c": _real(*bias)})
    expected = alpha * ((a.T if trans_a else a) @ (b.T if trans_b else b))
    if bias is not None:
        expected = expected + beta * arrays["c"]

    for given_array in _gemm(arrays, constant, alpha=alpha, beta=beta, transA=int(trans_a), transB=int(trans_b)):
        np.testing.assert_allclose(given_array, expected, rtol=1e-4, atol=1e-5)


def _gemm(arrays: dict[str, np.ndarray], constant: set[str], **attributes: float) -> list[np.ndarray]:
    inputs = {name: value for name, value in arrays.items() if name not in constant}
    constants = {name: value for name, value in arrays.items() if name in constant}
    return outputs_of("Gemm", inputs, constants=constants, order=tuple(arrays), **attributes)


def test_gemm_of_integers_is_exact() -> None:
    a, b, c = (RANDOM.integers(-(2**30), 2**30, shape, np.int32) for shape in ((2, 3), (3, 4), (4,)))
    with np.errstate(over="ignore"):
        expected = a @ b + c

    assert_gives("Gemm", {"a": a, "b": b, "c": c}, expected)


@pytest.mark.parametrize("terms", [4, 257, 1000])
@pytest.mark.parametrize("points", [(0, 0), (255, 255), (7, 100)])
def test_integers_of_eight_bits_are_multiplied_exactly_however_many(terms: int, points: tuple[int, int]) -> None:
    a, b = (RANDOM.integers(0, 255, shape, np.uint8, endpoint=True) for shape in ((3, terms), (terms, 5)))
    zero_a, zero_b = (np.array(point, np.uint8) for point in points)
    expected = (a.astype(np.int32) - points[0]) @ (b.astype(np.int32) - points[1])

    assert_gives("MatMulInteger", {"a": a, "b": b}, expected, constants={"p": zero_a, "q": zero_b})


def test_zero_points_of_rows_and_columns_are_taken_off() -> None:
    a, b = RANDOM.integers(-128, 127, (3, 4), np.int8), RANDOM.integers(-128, 127, (4, 2), np.int8)
    p, q = np.array([1, -2, 3], np.int8), np.array([5, -6], np.int8)
    expected = (a.astype(np.int32) - p[:, None]) @ (b.astype(np.int32) - q)

    assert_gives("MatMulInteger", {"a": a, "b": b}, expected, constants={"p": p, "q": q})


def test_a_bias_and_an_activation_behind_a_product_are_done_by_it() -> None:
    model = parsed(
        f"""{HEADER} g (float[2, 5, 3] x) => (float[2, 5, 4] y) {{ {_constants(w=(3, 4), b=(4,))}
          p = MatMul(x, w)
          s = Add(b, p)
          y = Relu(s)
        }}"""
    )

    assert kinds_of(assert_same(model, {"x": _real(2, 5, 3)})) == ["FULLY_CONNECTED"]


def test_keys_of_attention_are_turned_by_the_product_itself() -> None:
    model = parsed(
        f"""{HEADER} g (float[1, 6, 8] q, float[1, 6, 8] k) => (float[1, 2, 6, 6] y) <int64[4] s = {{1, 6, 2, 4}}> {{
          a = Reshape(q, s)
          b = Reshape(k, s)
          c = Transpose <perm = [0, 2, 1, 3]> (a)
          d = Transpose <perm = [0, 2, 3, 1]> (b)
          y = MatMul(c, d)
        }}"""
    )

    result = assert_same(model, {"q": _real(1, 6, 8), "k": _real(1, 6, 8)})

    product = result.net.operations[-1]
    assert product.kind == "BATCH_MATMUL"
    assert product.options is not None
    assert product.options.values["adjY"]
    assert product.inputs[1] is not None
    assert product.inputs[1].shape == (1, 2, 6, 4)


def test_reshapes_around_a_product_vanish() -> None:
    model = parsed(
        f"""{HEADER}
        g (float[2, 5, 3] x) => (float[2, 5, 4] y) <int64[2] r = {{10, 3}}, int64[3] s = {{2, 5, 4}}> {{
          {_constants(w=(3, 4))}
          a = Reshape(x, r)
          p = Gemm(a, w)
          y = Reshape(p, s)
        }}"""
    )

    assert kinds_of(assert_same(model, {"x": _real(2, 5, 3)})) == ["FULLY_CONNECTED"]


EQUATIONS = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "bij,bjk->bik": ((5, 2, 3), (5, 3, 4)),
    "...ij,...jk": ((5, 2, 3), (5, 3, 4)),
    "bhqd,bhkd->bhqk": ((2, 3, 4, 5), (2, 3, 6, 5)),
    "bqhd,bkhd->bhqk": ((2, 4, 3, 5), (2, 6, 3, 5)),
    "i,j->ij": ((2,), (3,)),
    "i,i": ((4,), (4,)),
    "ij->ji": ((2, 3),),
    "ij->": ((2, 3),),
    "ii->i": ((3, 3),),
    "iij->j": ((3, 3, 2),),
    "ij,jk,kl->il": ((2, 3), (3, 4), (4, 5)),
    "abc,cd->dab": ((2, 3, 4), (4, 5)),
    "ab,c->a": ((2, 3), (4,)),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_an_equation_of_einstein_is_products_and_sums(equation: str) -> None:
    arrays = {f"x{place}": _real(*shape) for place, shape in enumerate(EQUATIONS[equation])}
    expected = np.einsum(equation, *arrays.values())

    for dtype in ("float32", "float64"):
        given = {name: value.astype(dtype) for name, value in arrays.items()}
        for output in _einsum(given, equation):
            assert output.shape == expected.shape
            np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def _einsum(arrays: dict[str, np.ndarray], equation: str) -> list[np.ndarray]:
    return outputs_of("Einsum", arrays, equation=equation)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_determinant_of_few_rows_is_written_out(count: int) -> None:
    x = _real(2, 3, count, count)

    assert_gives("Det", {"x": x}, np.linalg.det(x.astype(np.float64)).astype(np.float32), rtol=1e-3)


def test_a_determinant_of_many_rows_is_refused() -> None:
    with pytest.raises(Unsupported, match="6 rows"):
        lowered_single("Det", {"x": _real(6, 6)})
