"""Operators that only move values keep integers as they are, signed or not, between pairs and beside them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.steps.tflite.running import assert_same, kinds_of

# operator, constants behind its input, attributes
MOVES = {
    "Concat": ("Concat", ["x"], {"axis": 1}),
    "Expand": ("Expand", [np.array([3, 4, 3, 5])], {}),
    "Flatten": ("Flatten", [], {"axis": 2}),
    "Gather": ("Gather", [np.array([2, 0])], {"axis": 1}),
    "GatherElements": ("GatherElements", [np.array([[[[1, 0, 2, 1, 0]]]])], {"axis": 2}),
    "GatherND": ("GatherND", [np.array([[0, 3], [0, 1]])], {}),
    "Reshape": ("Reshape", [np.array([2, 2, 15])], {}),
    "ReverseSequence": ("ReverseSequence", [np.array([3])], {"time_axis": 1, "batch_axis": 0}),
    "ScatterElements": ("ScatterElements", [np.array([[[[1, 0, 2, 1, 0]]]]), "part"], {"axis": 2}),
    "ScatterND": ("ScatterND", [np.array([[0, 3]]), "plane"], {}),
    "Slice": ("Slice", [np.array([3]), np.array([-9]), np.array([1]), np.array([-2])], {}),
    "Tile": ("Tile", [np.array([1, 2, 1, 2])], {}),
    "Transpose": ("Transpose", [], {"perm": [2, 0, 3, 1]}),
    "Trilu": ("Trilu", [], {}),
}
ZERO_POINTS = [np.int8(-3), np.uint8(120)]


def model_of(case, zero_point, *, is_between_pairs):
    """`x` quantized, moved as what the integers stand for or as integers, and given as numbers."""
    operator, given, attributes = MOVES[case]
    constants = {"scale": np.float32(0.5), "zero_point": zero_point}
    nodes = [helper.make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["integers"])]
    source = "integers"
    if is_between_pairs:
        nodes.append(helper.make_node("DequantizeLinear", ["integers", "scale", "zero_point"], ["numbers"]))
        source = "numbers"
    names = [source]
    for place, value in enumerate(given):
        if isinstance(value, str):
            names.append(source if value == "x" else value)
        else:
            names.append(f"given_{place}")
            constants[names[-1]] = value
    if "part" in names or "plane" in names:
        shape = [1, 1, 1, 5] if "part" in names else [1, 1, 3, 5]
        constants |= {"none": np.zeros(4, np.int64), "size": np.array(shape), "second": np.array([1])}
        nodes.append(helper.make_node("Slice", [source, "none", "size"], ["part"]))
        nodes.append(helper.make_node("Squeeze", ["part", "second"], ["plane"]))
    nodes.append(helper.make_node(operator, names, ["moved"], **attributes))
    if is_between_pairs:
        nodes.append(helper.make_node("QuantizeLinear", ["moved", "scale", "zero_point"], ["moved_integers"]))
    last = "moved_integers" if is_between_pairs else "moved"
    nodes.append(helper.make_node("DequantizeLinear", [last, "scale", "zero_point"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "moves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 3, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    del model.graph.output[:]
    model.graph.output.extend(inferred.graph.output)
    return model


@pytest.mark.parametrize("zero_point", ZERO_POINTS, ids=["int8", "uint8"])
@pytest.mark.parametrize("case", MOVES)
def test_a_move_between_pairs_is_a_move_of_integers(case, zero_point):
    x = np.random.default_rng(1).integers(-50, 50, (1, 4, 3, 5)).astype(np.float32)

    kinds = kinds_of(assert_same(model_of(case, zero_point, is_between_pairs=True), {"x": x}))

    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1
    assert kinds.index("DEQUANTIZE") >= len(kinds) - 2  # behind it at most what brings the output in order


@pytest.mark.parametrize("zero_point", ZERO_POINTS, ids=["int8", "uint8"])
@pytest.mark.parametrize("case", sorted(set(MOVES) - {"Trilu"}))  # which ONNX Runtime has not for integers of 8 bits
def test_integers_themselves_are_moved(case, zero_point):
    x = np.random.default_rng(1).integers(-50, 50, (1, 4, 3, 5)).astype(np.float32)

    assert_same(model_of(case, zero_point, is_between_pairs=False), {"x": x})
