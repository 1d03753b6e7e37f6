"""TopK, OneHot, ReverseSequence and BitCast against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import lowered
from tests.steps.tflite.models import integer_chain, one_node
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, kinds_of, lowered_model, run_tflite


def feed(*shape, dtype=np.float32):
    return np.random.default_rng(1).integers(-4, 5, shape).astype(dtype)  # few values: many are equal


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_largest_and_smallest_come_with_the_first_of_equal_ones(dtype, largest, axis):
    x = feed(4, 5, 6, dtype=dtype)
    model = one_node("TopK", {"x": x}, {"k": np.array([3])}, outputs=2, largest=largest, axis=axis)

    assert_same(model, {"x": x})


@pytest.mark.parametrize(("dtype", "largest"), [("int64", 0), ("int64", 1), ("int32", 0), ("uint8", 0)])
def test_the_extremes_of_a_type_are_no_trap(dtype, largest):
    bounds = np.iinfo(dtype)
    x = np.array([0, bounds.min, bounds.max, bounds.min + 1, bounds.max - 1], dtype)
    model = one_node("TopK", {"x": x}, {"k": np.array([4])}, outputs=2, largest=largest)

    found = run_tflite(model_bytes(lowered_model(model).net), {"x": x})

    ordered = np.sort(x)[:4] if not largest else np.sort(x)[::-1][:4]
    np.testing.assert_array_equal(found["y0"], ordered)


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_a_one_hot_counts_from_either_end_and_leaves_out_what_lies_outside(axis, dtype):
    x = np.array([[0, -1, 3], [-4, -5, 7]]).astype(dtype)
    values = np.array([2, 5], np.float32)
    model = one_node("OneHot", {"x": x, "v": values}, {"depth": np.array(4)}, order=("x", "depth", "v"), axis=axis)
    content = model_bytes(lowered(model, where="test.onnx").net)

    wanted = (np.where(x < 0, x + 4, x)[..., None] == np.arange(4)).astype(np.float32) * 3 + 2
    for kernels in (XNNPACK, REFERENCE):
        found = run_tflite(content, {"x": x, "v": values}, kernels)["y"]
        np.testing.assert_array_equal(found, np.moveaxis(wanted, -1, axis))


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=3, max_size=3), time_first=st.booleans())
def test_the_beginning_of_each_sequence_is_turned_round(lengths, time_first):
    x = feed(5, 3, 2) if time_first else feed(3, 5, 2)
    inputs = {"x": x, "n": np.array(lengths, np.int64)}
    axes = {"time_axis": 0, "batch_axis": 1} if time_first else {"time_axis": 1, "batch_axis": 0}

    assert_same(one_node("ReverseSequence", inputs, {}, **axes), inputs)


@pytest.mark.parametrize(
    ("operator", "constants", "outputs"),
    [("TopK", {"k": np.array([2])}, 2), ("ReverseSequence", {"n": np.array([1, 3, 2, 1])}, 1)],
)
def test_integers_are_ordered_as_they_are(operator, constants, outputs):
    x = feed(3, 4, 5)
    if outputs == 1:
        model = integer_chain(operator, x.shape, constants)
    else:
        model = integer_chain(operator, x.shape, constants, outputs=2)
        _keep_indices(model)

    kinds = kinds_of(assert_same(model, {"x": x}))

    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1


def _keep_indices(model):
    """Take the rounding of the second output, which counts, off, in place."""
    import onnx

    kept = [node for node in model.graph.node if not node.name and not node.output[0].startswith("y1")]
    tried = next(node for node in model.graph.node if node.name)
    tried.output[1] = "y1"
    del model.graph.node[:]
    model.graph.node.extend([*kept[:2], tried, *kept[2:]])
    del model.graph.output[1:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("y1", onnx.TensorProto.INT64, (3, 4, 2)))


@pytest.mark.parametrize(
    ("source", "target"), [("float32", "int32"), ("int16", "float16"), ("float16", "uint16"), ("uint64", "int64")]
)
def test_bits_stay_and_types_change(source, target):
    import onnx

    x = feed(2, 3, dtype=source)
    code = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(target))
    model = one_node("BitCast", {"x": x}, {}, opset=26, to=code)
    content = model_bytes(lowered(model, where="test.onnx").net)

    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_array_equal(run_tflite(content, {"x": x}, kernels)["y"], x.view(target))


def test_bits_that_may_be_no_bool_are_refused():
    import onnx

    model = one_node("BitCast", {"x": feed(2, dtype=np.int8)}, {}, opset=26, to=onnx.TensorProto.BOOL)

    with pytest.raises(Unsupported, match="bits that may be neither 0 nor 1"):
        lowered(model, where="test.onnx")
