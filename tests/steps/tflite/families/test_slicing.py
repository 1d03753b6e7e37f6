"""Slice, Split and Trilu against ONNX Runtime and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.families.slicing import span_of
from tests.steps.tflite.models import integer_chain, one_node
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model

HUGE = 2**63 - 1
EDGES = st.one_of(st.integers(-12, 12), st.sampled_from([HUGE, -HUGE, 2**31, -(2**31)]))


def feed(*shape, dtype=np.float32):
    return np.random.default_rng(1).integers(-50, 50, shape).astype(dtype)


@settings(max_examples=300)
@given(length=st.integers(1, 7), start=EDGES, end=EDGES, step=st.sampled_from([-HUGE, -7, -2, -1, 1, 2, 3, HUGE]))
def test_a_span_is_what_numpy_takes(length, start, end, step):
    span = span_of(length, start, end, step)

    taken = [span.start + span.step * place for place in range(span.length)]
    assert taken == list(range(length))[start : end if step > 0 or end >= -length else None : step]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_slices_of_any_step_and_order_are_those_of_onnx(data):
    shape = (1, 4, 5, 3)
    axes = data.draw(st.permutations(range(-4, 0)))[: data.draw(st.integers(1, 4))]
    starts, ends, steps = [], [], []
    for axis in axes:
        length = shape[axis]
        low = data.draw(st.integers(0, length - 1))
        high = data.draw(st.integers(low + 1, length))
        step = data.draw(st.sampled_from([1, 2, -1, -2]))
        starts.append(low if step > 0 else high - 1)
        ends.append((HUGE if high == length else high) if step > 0 else (low - 1 - length if low == 0 else low - 1))
        steps.append(step)
    constants = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    model = one_node("Slice", {"x": feed(*shape)}, {name: np.array(each, np.int64) for name, each in constants.items()})

    assert_same(model, {"x": feed(*shape)})


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"])
def test_slices_move_every_type(dtype):
    x = feed(3, 4, dtype=dtype)
    bounds = {"starts": np.array([0, -1]), "ends": np.array([3, -9]), "axes": np.array([0, 1]), "steps": [2, -1]}

    assert_same(one_node("Slice", {"x": x}, {k: np.array(v, np.int64) for k, v in bounds.items()}), {"x": x})


def test_a_slice_of_many_axes_goes_through_fewer():
    x = feed(2, 1, 3, 2, 2, 3, 2)
    bounds = {"starts": [1, 1], "ends": [2, 3], "axes": [2, 5]}

    result = assert_same(one_node("Slice", {"x": x}, {k: np.array(v, np.int64) for k, v in bounds.items()}), {"x": x})

    (cut,) = [each for each in result.net.operations if each.kind == "SLICE"]
    assert len(cut.outputs[0].shape) == 5


def test_a_slice_of_everything_is_nothing():
    x = feed(2, 3)
    model = one_node("Slice", {"x": x}, {"starts": np.array([0]), "ends": np.array([HUGE]), "axes": np.array([1])})

    assert kinds_of(assert_same(model, {"x": x})) == ["RESHAPE"]  # an output is made by an operation of its own


def test_a_slice_with_computed_bounds_is_refused_with_a_rewrite():
    model = one_node("Slice", {"x": feed(2, 3), "starts": np.array([0]), "ends": np.array([1])}, {})

    with pytest.raises(Unsupported, match="starts is computed while the model runs"):
        lowered_model(model)


@pytest.mark.parametrize(
    ("lengths", "kinds"), [([2, 2, 2], ["SPLIT"]), ([1, 3, 2], ["SLICE"] * 3), ([1] * 6, ["SLICE"] * 6)]
)
def test_a_split_is_one_operation_or_a_slice_each(lengths, kinds):
    x = feed(2, 6, 3)
    model = one_node("Split", {"x": x}, {"lengths": np.array(lengths)}, outputs=len(lengths), axis=1)

    assert kinds_of(assert_same(model, {"x": x})) == kinds


def test_parts_that_nothing_wants_are_not_made():
    x = feed(2, 6)
    model = one_node("Split", {"x": x}, {"lengths": np.array([1, 3, 2])}, outputs=3, axis=1)
    del model.graph.output[1:]

    assert kinds_of(assert_same(model, {"x": x})) == ["SLICE"]


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [-1, 0, 2])
def test_a_triangle_lets_infinity_through_and_holds_nan_back(upper, diagonal):
    x = feed(2, 3, 4)
    x[0] = np.inf
    x[0, 2, 0] = x[0, 0, 3] = np.nan
    model = one_node("Trilu", {"x": x}, {"k": np.array(diagonal)}, upper=upper)

    assert_same_with_nan(model, x)


def assert_same_with_nan(model, x):
    from edgeopt.steps.tflite.flatbuffer import model_bytes
    from tests.steps.tflite.running import REFERENCE, XNNPACK, run_onnx, run_tflite

    content = model_bytes(lowered_model(model).net)
    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_array_equal(run_tflite(content, {"x": x}, kernels)["y"], run_onnx(model, {"x": x})["y"])


@pytest.mark.parametrize(
    ("operator", "constants", "attributes", "outputs"),
    [
        ("Slice", {"starts": [1], "ends": [4], "axes": [1]}, {}, 1),
        ("Slice", {"starts": [-1], "ends": [-9], "axes": [2], "steps": [-1]}, {}, 1),
        ("Split", {"lengths": [2, 2]}, {"axis": 1}, 2),
        ("Split", {"lengths": [1, 3]}, {"axis": 1}, 2),
        ("Trilu", {"k": 1}, {}, 1),
    ],
)
def test_integers_are_moved_as_they_are(operator, constants, attributes, outputs):
    x = feed(1, 4, 3, 5)
    arrays = {name: np.array(value, np.int64) for name, value in constants.items()}

    result = assert_same(integer_chain(operator, x.shape, arrays, outputs=outputs, **attributes), {"x": x})

    kinds = kinds_of(result)
    assert kinds.count("QUANTIZE") == 1
    assert kinds.count("DEQUANTIZE") == outputs
    assert kinds[0] == "QUANTIZE"
    assert set(kinds[-outputs:]) == {"DEQUANTIZE"}
