from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from tests.steps.tflite.families.single import assert_gives, lowered_single, single
from tests.steps.tflite.running import assert_same, kinds_of, parsed

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
X = np.concatenate([[-80.0, -20.0, -1e-4, 0.0, 1e-4, 30.0], np.linspace(-7, 7, 113)]).astype(np.float32)
ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("Celu", {"alpha": 0.7}),
    ("Elu", {"alpha": 1.3}),
    ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}),
    ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    ("HardSwish", {}),
    ("LeakyRelu", {"alpha": 0.2}),
    ("Mish", {}),
    ("Relu", {}),
    ("Selu", {}),
    ("Shrink", {"lambd": 1.5, "bias": 0.5}),
    ("Sigmoid", {}),
    ("Softplus", {}),
    ("Softsign", {}),
    ("Tanh", {}),
    ("ThresholdedRelu", {"alpha": 1.2}),
]


@pytest.mark.parametrize(("operator", "attributes"), ACTIVATIONS, ids=[str(each) for each in ACTIVATIONS])
def test_an_activation_gives_what_onnx_runtime_gives(operator: str, attributes: dict[str, Any]) -> None:
    assert_same(single(operator, {"x": X}, **attributes), {"x": X}, tolerance=1e-6)


@pytest.mark.parametrize(
    ("bounds", "kinds"),
    [
        ({"low": 0.0, "high": 6.0}, ["RELU6"]),
        ({"low": -1.0, "high": 1.0}, ["RELU_N1_TO_1"]),
        ({"low": -2.0, "high": 0.5}, ["MAXIMUM", "MINIMUM"]),
        ({"low": 2.0, "high": 1.0}, ["MAXIMUM", "MINIMUM"]),
    ],
)
def test_a_clip_is_one_kernel_where_there_is_one(bounds: dict[str, float], kinds: list[str]) -> None:
    constants = {name: np.array(value, np.float32) for name, value in bounds.items()}

    assert_gives("Clip", {"x": X}, np.minimum(np.maximum(X, constants["low"]), constants["high"]), constants=constants)
    assert kinds_of(lowered_single("Clip", {"x": X}, constants=constants)) == kinds


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float16"])
def test_a_clip_of_any_type_may_have_one_computed_bound(dtype: str) -> None:
    x = np.array([0, 3, 100, 127], dtype)
    high = np.array(50, dtype)

    assert_gives("Clip", {"x": x, "high": high}, np.minimum(x, high), order=("x", "", "high"))


def test_bounds_of_the_old_clip_are_attributes() -> None:
    assert_gives("Clip", {"x": X}, np.clip(X, -0.5, 2), opset=6, min=-0.5, max=2.0)


@pytest.mark.parametrize("slope", [(3, 1, 1), (1,), (2, 3, 4, 4), (4,)])
def test_slopes_of_prelu_broadcast(slope: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 3, 4, 4)).astype(np.float32)
    slopes = generator.standard_normal(slope).astype(np.float32)

    assert_gives("PRelu", {"x": x}, np.where(x < 0, x * slopes, x), constants={"s": slopes}, rtol=1e-6)


def test_a_slope_of_integers_is_applied_in_integers() -> None:
    x = np.array([[-3, 5, -100]], np.int32)

    assert_gives("PRelu", {"x": x}, np.where(x < 0, x * 7, x), constants={"s": np.array([7], np.int32)})


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("opset", [11, 13])
def test_a_softmax_looks_along_its_axis_or_before_opset_13_along_all_from_it(
    operator: str, axis: int, opset: int
) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)

    assert_same(single(operator, {"x": x}, opset=opset, axis=axis), {"x": x})


def test_a_softmax_of_many_axes_is_done_on_a_matrix() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 2, 1, 3, 1, 4)).astype(np.float32)

    assert_same(single("Softmax", {"x": x}), {"x": x})


GELUS = {
    "torch": "a = Div(x, r) b = Erf(a) c = Add(b, one) d = Mul(half, c) y = Mul(x, d)",
    "onnx runtime": "a = Mul(x, s) b = Erf(a) c = Add(one, b) d = Mul(c, x) y = Mul(d, half)",
}
CONSTANTS = {"r": 2**0.5, "s": 0.5**0.5, "one": 1.0, "half": 0.5, "three": 3.0, "six": 6.0, "sixth": 1 / 6, "zero": 0.0}


def _with_constants(body: str) -> onnx.ModelProto:
    used = [name for name in CONSTANTS if f"({name}" in body or f", {name}" in body]
    told = "".join(f" {name} = Constant <value_float = {CONSTANTS[name]!r}> ()" for name in used)
    return parsed(f"{HEADER} g (float[119] x) => (float[119] y) {{{told} {body} }}")


@pytest.mark.parametrize("body", GELUS.values(), ids=GELUS.keys())
def test_gelu_written_with_erf_is_one_kernel(body: str) -> None:
    assert kinds_of(assert_same(_with_constants(body), {"x": X})) == ["GELU"]


@pytest.mark.parametrize(
    "body",
    [
        "a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six)",
        "a = Add(three, x) b = Clip(a, zero, six) c = Mul(b, x) y = Mul(c, sixth)",
        "h = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) y = Mul(h, x)",
    ],
)
def test_hard_swish_written_out_is_one_kernel(body: str) -> None:
    assert kinds_of(assert_same(_with_constants(body), {"x": X})) == ["HARD_SWISH"]


@pytest.mark.parametrize(
    "body",
    [
        "a = Div(x, r) b = Erf(a) c = Add(b, one) d = Mul(half, c) y = Mul(a, d)",
        "a = Div(x, six) b = Erf(a) c = Add(b, one) d = Mul(half, c) y = Mul(x, d)",
        "a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(six, c)",
        "a = Add(x, three) b = Clip(a, zero, six) c = Mul(a, b) y = Div(c, six)",
    ],
)
def test_what_only_looks_like_an_activation_is_left_as_it_is(body: str) -> None:
    x = np.abs(X) + np.float32(0.1)

    kinds = kinds_of(assert_same(_with_constants(body), {"x": x}))

    assert not {"GELU", "HARD_SWISH"} & set(kinds)


def test_mish_written_with_softplus_keeps_small_values() -> None:
    body = "a = Softplus(x) b = Tanh(a) y = Mul(x, b)"

    assert "LOG" not in kinds_of(assert_same(_with_constants(body), {"x": X}, tolerance=1e-6))
