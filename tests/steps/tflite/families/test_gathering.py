"""Gather, GatherElements and GatherND against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.models import integer_chain, one_node
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model, run_tflite

TYPES = ["float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]
PLACES = np.array([[2, -1], [0, -3]], np.int64)


def feed(*shape, dtype=np.float32):
    return np.random.default_rng(1).integers(-50, 50, shape).astype(dtype)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize("indices", [PLACES, PLACES.astype(np.int32), PLACES[0], np.array(-1)])
def test_indices_of_any_rank_count_from_either_end(axis, is_constant, indices):
    x = feed(3, 4, 3)
    if is_constant:
        assert_same(one_node("Gather", {"x": x}, {"i": indices}, axis=axis), {"x": x})
    else:
        assert_same(one_node("Gather", {"x": x, "i": indices}, {}, axis=axis), {"x": x, "i": indices})


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_is_gathered(dtype):
    x = feed(3, 4, dtype=dtype)

    assert_same(one_node("Gather", {"x": x, "i": PLACES}, {}), {"x": x, "i": PLACES})


def test_indices_that_follow_each_other_are_a_slice():
    x = feed(3, 4)

    kinds = kinds_of(assert_same(one_node("Gather", {"x": x}, {"i": np.array([1, 2, 3])}, axis=1), {"x": x}))

    assert kinds == ["SLICE"]


def test_a_computed_index_outside_its_axis_fails_while_the_model_runs():
    x, i = feed(3, 4), np.array([3], np.int64)
    content = model_bytes(lowered_model(one_node("Gather", {"x": x, "i": i}, {})).net)

    with pytest.raises((RuntimeError, ValueError), match="out of bounds"):
        run_tflite(content, {"x": x, "i": i})


def test_a_constant_index_outside_its_axis_is_refused():
    from edgeopt.steps.tflite.lower import lowered

    model = one_node("Gather", {"x": feed(3, 4)}, {"i": np.array([7])})

    with pytest.raises(Unsupported, match="indices outside an axis of 3"):
        lowered(model, where="test.onnx")  # without ONNX Runtime, which would refuse it first


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("is_constant", [False, True])
def test_elements_are_gathered_along_any_axis(axis, is_constant):
    x = feed(4, 5, 6)
    indices = np.random.default_rng(2).integers(-4, 4, (2, 5, 3))
    if is_constant:
        assert_same(one_node("GatherElements", {"x": x}, {"i": indices}, axis=axis), {"x": x})
    else:
        assert_same(one_node("GatherElements", {"x": x, "i": indices}, {}, axis=axis), {"x": x, "i": indices})


@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize(
    ("batches", "shape", "indices"),
    [
        (0, (3, 4, 2), [[2, -1], [-3, 0]]),
        (0, (3, 4, 2), [[[2, 1, -1]], [[0, 0, 0]]]),
        (1, (2, 4, 3), [[[3], [-1]], [[0], [2]]]),
        (2, (2, 2, 3), [[[2], [-1]], [[0], [1]]]),
    ],
)
def test_coordinates_are_gathered_by_batches(batches, shape, indices, is_constant):
    x, indices = feed(*shape), np.array(indices, np.int64)
    if is_constant:
        assert_same(one_node("GatherND", {"x": x}, {"i": indices}, batch_dims=batches), {"x": x})
    else:
        assert_same(one_node("GatherND", {"x": x, "i": indices}, {}, batch_dims=batches), {"x": x, "i": indices})


@pytest.mark.parametrize(
    ("operator", "indices", "attributes"),
    [
        ("Gather", [2, 0], {"axis": 1}),
        ("Gather", 1, {"axis": 2}),
        ("GatherElements", [[[[1, 0, 2, 1, 0]]]], {"axis": 2}),
        ("GatherND", [[0, 3], [0, 1]], {}),
    ],
)
def test_integers_are_gathered_as_they_are(operator, indices, attributes):
    x = feed(1, 4, 3, 5)

    kinds = kinds_of(assert_same(integer_chain(operator, x.shape, {"i": np.array(indices)}, **attributes), {"x": x}))

    assert [kinds[0], kinds[-1]] == ["QUANTIZE", "DEQUANTIZE"]
    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1
