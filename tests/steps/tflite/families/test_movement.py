"""Reshape, Transpose and the like against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization
from edgeopt.steps.tflite.quantized import constant_value
from edgeopt.steps.tflite.source import source_from_model
from edgeopt.steps.tflite.view import View
from tests.steps.tflite.models import integer_chain, one_node
from tests.steps.tflite.running import assert_same, kinds_of, parsed


def feed(*shape, dtype=np.float32):
    return np.random.default_rng(1).integers(-50, 50, shape).astype(dtype)


@settings(max_examples=12, deadline=None)
@given(permutation=st.permutations(range(7)))
def test_seven_axes_are_transposed_in_any_order(permutation):
    x = feed(2, 1, 3, 2, 1, 2, 3)

    assert_same(one_node("Transpose", {"x": x}, {}, perm=permutation), {"x": x})


def test_many_axes_that_stay_together_are_few():
    x = feed(2, 3, 2, 2, 3, 2)

    result = assert_same(one_node("Transpose", {"x": x}, {}, perm=[3, 4, 5, 0, 1, 2]), {"x": x})

    (move,) = [each for each in result.net.operations if each.kind == "TRANSPOSE"]
    assert move.outputs[0].shape == (12, 12)


@pytest.mark.parametrize(
    "dtype", ["float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool", "float64"]
)
def test_every_type_is_moved(dtype):
    x = feed(2, 3, 4, dtype=dtype)

    assert_same(one_node("Transpose", {"x": x}, {}, perm=[2, 0, 1]), {"x": x})


@pytest.mark.parametrize(
    ("operator", "constants", "attributes"),
    [
        ("Reshape", {"shape": np.array([0, -1, 2])}, {}),
        ("Flatten", {}, {"axis": 2}),
        ("Squeeze", {"axes": np.array([0])}, {}),
        ("Unsqueeze", {"axes": np.array([2, -1])}, {}),
        ("Transpose", {}, {"perm": [0, 2, 3, 1]}),
        ("Identity", {}, {}),
    ],
)
def test_integers_are_moved_as_they_are(operator, constants, attributes):
    x = feed(1, 4, 3, 6)

    kinds = kinds_of(assert_same(integer_chain(operator, x.shape, constants, **attributes), {"x": x}))

    assert kinds[0] == "QUANTIZE"
    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1


@pytest.mark.parametrize(
    ("shape", "axis", "new", "becomes"),
    [((3, 2, 12), 2, (6, 12), 1), ((12, 3, 2), 0, (12, 6), 0), ((2, 12, 3), 1, (24, 3), None)],
)
def test_scales_of_channels_follow_a_reshape_or_become_numbers(shape, axis, new, becomes):
    rng = np.random.default_rng(0)
    net = Lowering(source_from_model(one_node("Relu", {"x": feed(2)}, {})))
    scales = tuple(float(each) for each in (rng.random(12) + 0.1).astype(np.float32))
    weights = net.new_constant(
        rng.integers(-127, 127, shape).astype(np.int8),
        quantization=Quantization(scales=scales, zero_points=(0,) * 12, axis=axis),
    )
    view = View(tensor=weights, axes=tuple(range(len(shape))), dtype="float32", is_quantized=True)

    changed = net.reshaped(view, new)

    assert changed.is_quantized == (becomes is not None)
    np.testing.assert_array_equal(constant_value(changed), constant_value(view).reshape(new))


def test_no_elements_are_given_as_they_are():
    text = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2, 3] x) => (float[0, 3] y, float[2, 3] z)
<int64[1] zero = {0}>
{
  y = Slice (x, zero, zero, zero)
  z = Relu (x)
}
"""
    assert_same(parsed(text), {"x": feed(2, 3)})
