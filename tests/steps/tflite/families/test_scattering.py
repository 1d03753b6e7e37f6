"""ScatterElements, ScatterND and TensorScatter against ONNX Runtime and the standard's reference."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.families import scattering
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.models import one_node
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, lowered_model, run_tflite

REDUCTIONS = ["none", "add", "mul", "min", "max"]
ORDER = ("x", "i", "u")
ONE = np.array([[1, -3, 0], [2, 1, -2]], np.int64)  # no place twice, as the standard wants it of reduction `none`
REPEATED = np.array([[1, -2, 0], [1, 1, 0]], np.int64)


def feed(*shape, dtype=np.float32, seed=1):
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(dtype)


def tried(operator, x, indices, updates, *, is_constant, **attributes):
    if is_constant:
        model = one_node(operator, {"x": x, "u": updates}, {"i": indices}, order=ORDER, **attributes)
        return assert_same(model, {"x": x, "u": updates})
    model = one_node(operator, {"x": x, "i": indices, "u": updates}, {}, order=ORDER, **attributes)
    return assert_same(model, {"x": x, "i": indices, "u": updates})


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("is_constant", [False, True])
def test_elements_are_replaced_or_brought_together(reduction, is_constant):
    indices = ONE if reduction == "none" else REPEATED

    tried("ScatterElements", feed(3, 3), indices, feed(2, 3, seed=2), is_constant=is_constant, reduction=reduction)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_elements_are_replaced_along_any_axis(axis):
    indices = np.random.default_rng(3).permuted(np.tile(np.arange(2), (2, 2, 1)), axis=2).swapaxes(2, axis)

    tried("ScatterElements", feed(3, 4, 5), indices, feed(2, 2, 2, seed=2), is_constant=False, axis=axis)


def test_the_last_of_constant_updates_of_one_place_stays():
    tried("ScatterElements", feed(3, 3), REPEATED, feed(2, 3, seed=2), is_constant=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize(("indices", "rest"), [([[2], [-3]], (4, 2)), ([[0, 1], [-1, -1]], (2,))])
def test_rows_are_replaced_or_brought_together(reduction, is_constant, indices, rest):
    indices = np.array(indices, np.int64)
    updates = feed(2, *rest, seed=2)

    tried("ScatterND", feed(3, 4, 2), indices, updates, is_constant=is_constant, reduction=reduction)


@pytest.mark.parametrize("reduction", ["add", "mul", "min", "max"])
def test_rows_of_one_place_come_together(reduction):
    indices = np.array([[1], [1], [-2]], np.int64)

    tried("ScatterND", feed(3, 2), indices, feed(3, 2, seed=2), is_constant=False, reduction=reduction)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_integers_are_scattered_in_their_own_type(dtype, reduction):
    indices = ONE if reduction == "none" else REPEATED
    x, updates = feed(3, 3, dtype=dtype), feed(2, 3, dtype=dtype, seed=2)

    tried("ScatterElements", x, indices, updates, is_constant=False, reduction=reduction)


def test_what_would_fill_the_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(scattering, "_MOST_PAIRS", 50)
    model = one_node("ScatterElements", {"x": feed(3, 3), "i": ONE, "u": feed(2, 3)}, {}, order=ORDER, reduction="mul")

    with pytest.raises(Unsupported, match="reduces 6 updates over 9 places with `mul`"):
        lowered_model(model)


@pytest.mark.parametrize("mode", ["linear", "circular"])
@pytest.mark.parametrize("axis", [-2, 1, -1])
@pytest.mark.parametrize("is_constant", [False, True])
def test_a_cache_is_written_from_the_place_that_is_told(mode, axis, is_constant):
    from onnx.reference.ops.op_tensor_scatter import TensorScatter

    cache = feed(2, 4, 4, 4)
    shape = [2, 4, 4, 4]
    shape[axis] = 2
    updates = feed(*shape, seed=2)
    starts = np.array([1, 3 if mode == "circular" else 2], np.int64)
    expected = TensorScatter._run(None, cache, updates, starts, mode=mode, axis=axis)[0]
    inputs = {"x": cache, "u": updates} | ({} if is_constant else {"i": starts})
    constants = {"i": starts} if is_constant else {}

    from edgeopt.steps.tflite.lower import lowered

    model = one_node("TensorScatter", inputs, constants, order=("x", "u", "i"), opset=24, mode=mode, axis=axis)
    content = model_bytes(lowered(model, where="test.onnx").net)

    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_array_equal(run_tflite(content, inputs, kernels)["y"], expected)
