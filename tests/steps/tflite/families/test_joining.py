"""Concat, Tile and Expand against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.models import integer_chain, one_node
from tests.steps.tflite.running import assert_same, kinds_of, parsed

TYPES = ["float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]
SCALES = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 2, 3, 3] a, float[1, 4, 3, 3] b) => (float[1, 6, 3, 3] y)
<float s = {0.5}, float t = {0.25}, int8 z = {-3}>
{
  qa = QuantizeLinear (a, s, z)
  da = DequantizeLinear (qa, s, z)
  qb = QuantizeLinear (b, t, z)
  db = DequantizeLinear (qb, t, z)
  c = Concat <axis = 1> (da, db)
  qc = QuantizeLinear (c, s, z)
  y = DequantizeLinear (qc, s, z)
}
"""


def feed(*shape, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).integers(-50, 50, shape).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_is_joined(dtype):
    a, b = feed(2, 3, dtype=dtype), feed(2, 2, dtype=dtype, seed=2)

    assert_same(one_node("Concat", {"a": a, "b": b}, {}, axis=-1), {"a": a, "b": b})


def test_values_of_many_axes_are_joined_through_three():
    a, b = feed(2, 1, 3, 2, 1, 2, 2), feed(2, 1, 3, 1, 1, 2, 2, seed=2)

    result = assert_same(one_node("Concat", {"a": a, "b": b}, {}, axis=3), {"a": a, "b": b})

    (join,) = [each for each in result.net.operations if each.kind == "CONCATENATION"]
    assert join.outputs[0].shape == (6, 3, 4)


def test_integers_of_two_scales_are_brought_to_that_of_the_result():
    a, b = feed(1, 2, 3, 3) / 10, feed(1, 4, 3, 3, seed=2) / 10

    # one step where halves are rounded otherwise
    result = assert_same(parsed(SCALES), {"a": a, "b": b}, tolerance=0.11)

    join = next(each for each in result.net.operations if each.kind == "CONCATENATION")
    assert {each.dtype for each in join.inputs} == {"int8"}
    assert {each.quantization for each in join.inputs} == {join.outputs[0].quantization}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("repeats", [(2, 1, 3), (1, 2, 1)])
def test_every_type_is_repeated(dtype, repeats):
    x = feed(2, 1, 3, dtype=dtype)

    assert_same(one_node("Tile", {"x": x}, {"repeats": np.array(repeats, np.int64)}), {"x": x})


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(2, 4, 3), (5, 2, 4, 3), (1, 3)])
def test_every_type_is_spread(dtype, shape):
    x = feed(2, 1, 3, dtype=dtype)

    assert_same(one_node("Expand", {"x": x}, {"shape": np.array(shape, np.int64)}), {"x": x})


@pytest.mark.parametrize(
    ("operator", "constants", "becomes"),
    [
        ("Tile", {"repeats": np.array([1, 2, 1, 2])}, "BROADCAST_TO"),
        ("Expand", {"shape": np.array([2, 4, 3, 5])}, "BROADCAST_TO"),
    ],
)
def test_integers_are_repeated_as_they_are(operator, constants, becomes):
    x = feed(1, 4, 3, 5)

    kinds = kinds_of(assert_same(integer_chain(operator, x.shape, constants), {"x": x}))

    assert [kinds[0], kinds[-1]] == ["QUANTIZE", "DEQUANTIZE"]
    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1
    assert becomes in kinds
