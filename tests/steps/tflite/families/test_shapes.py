"""Values that shapes alone tell, and operators that nothing in TFLite stands for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.beyond import BEYOND
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import lowered
from edgeopt.steps.tflite.operators import OPERATORS
from tests.steps.tflite.models import one_node
from tests.steps.tflite.running import run_onnx, run_tflite


def feed(*shape, dtype=np.float32):
    return np.random.default_rng(1).integers(-50, 50, shape).astype(dtype)


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes"),
    [
        ("Shape", {"x": feed(2, 3, 4)}, {}, {}),
        ("Shape", {"x": feed(2, 3, 4)}, {}, {"start": -2, "end": 5}),
        ("Size", {"x": feed(2, 3, 4)}, {}, {}),
        ("EyeLike", {"x": feed(3, 4)}, {}, {"k": 1}),
        ("EyeLike", {"x": feed(3, 4)}, {}, {"k": -1, "dtype": onnx.TensorProto.INT32}),
        ("ConstantOfShape", {}, {"x": np.array([2, 3])}, {}),
        (
            "ConstantOfShape",
            {},
            {"x": np.array([0, 3])},
            {"value": onnx.numpy_helper.from_array(np.array([5], np.int64))},
        ),
        ("Range", {}, {"a": np.array(3), "b": np.array(-4), "c": np.array(-2)}, {}),
        ("Range", {}, {"a": np.float32(1), "b": np.float32(2), "c": np.float32(0.3)}, {}),
        ("Range", {}, {"a": np.array(3), "b": np.array(1), "c": np.array(1)}, {}),
    ],
)
def test_what_a_shape_tells_is_a_constant(operator, inputs, constants, attributes):
    model = one_node(operator, inputs, constants, **attributes)
    content = model_bytes(lowered(model, where="test.onnx").net)  # as it is: ONNX Runtime would fold it all

    found = run_tflite(content, inputs)["y"]

    expected = run_onnx(model, inputs)["y"]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # ONNX Runtime adds up a Range, step by step


def test_no_operator_is_both_written_and_beyond():
    beyond = [operator for each in BEYOND for operator in each.operators]

    assert not set(beyond) & set(OPERATORS)
    assert len(beyond) == len(set(beyond))


@pytest.mark.parametrize(
    ("operator", "domain", "told"),
    [
        ("RandomNormalLike", "", r"draws random numbers.*the random numbers as an input"),
        ("Binarizer", "ai.onnx.ml", r"ai.onnx.ml.Binarizer.*classical machine learning"),
        ("Frobnicate", "com.example", r"the domain `com.example`, which edgeopt does not know"),
        ("Unheard", "", "no TFLite counterpart for this operator"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(operator, domain, told):
    node = onnx.helper.make_node(operator, ["x"], ["y"], domain=domain)
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "net", value[:1], value[1:]))

    with pytest.raises(Unsupported, match=told):
        lowered(model, where="test.onnx")


def test_the_table_of_operators_is_in_order_and_every_writer_exists():
    names = list(OPERATORS)

    assert names == sorted(names, key=str.lower)
    assert all(callable(operator.load()) for operator in OPERATORS.values())
