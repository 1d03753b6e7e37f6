"""Operators that the standard defines by others are written out; what follows from constants is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.steps.tflite.evaluate import with_constants_computed
from edgeopt.steps.tflite.expand import expanded, functions_without_writer
from edgeopt.steps.tflite.operators import OPERATORS
from tests.steps.tflite.running import assert_same, parsed

ATTENTION = """
<ir_version: 10, opset_import: ["" : 23]>
attention (float[2,4,24] q, float[2,6,24] k, float[2,6,24] v) => (float[2,4,24] y)
{
  y = Attention <q_num_heads = 3, kv_num_heads = 3> (q, k, v)
}
"""


def operators_of(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_an_operator_without_a_writer_becomes_its_body() -> None:
    model = parsed(ATTENTION)
    assert "Attention" not in OPERATORS
    kinds = operators_of(expanded(model))
    assert "Attention" not in kinds
    assert kinds.count("MatMul") == 2
    assert_same(model, {"q": random(2, 4, 24), "k": random(2, 6, 24), "v": random(2, 6, 24)})


def test_what_the_body_computes_from_shapes_is_computed_now() -> None:
    kinds = set(operators_of(expanded(parsed(ATTENTION))))
    assert not kinds & {"Shape", "Constant", "ConstantOfShape", "Div", "Mod", "Sqrt"}


def test_nodes_of_a_body_are_called_after_the_node_that_people_know() -> None:
    model = parsed(ATTENTION)
    model.graph.node[0].name = "block/attention"
    assert all(node.name.startswith("block/attention/") for node in expanded(model).graph.node)


def test_an_operator_with_a_writer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = parsed(ATTENTION)
    monkeypatch.setitem(OPERATORS, "Attention", OPERATORS["MatMul"])
    assert functions_without_writer(model) == []
    assert operators_of(expanded(model)) == ["Attention"]


def test_a_model_without_functions_stays_the_same_object() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        plain (float[2,3] x) => (float[2,3] y) { y = Relu (x) }"""
    )
    assert expanded(model) is model


def test_functions_of_the_model_are_written_out_in_one_another() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        outer (float[2,3] x) => (float[2,3] y) { y = own.twice (x) }
        <domain: "own", opset_import: ["" : 17, "own" : 1]>
        once (x) => (y) { two = Constant <value = float {2.0}> () y = Mul (x, two) }
        <domain: "own", opset_import: ["" : 17, "own" : 1]>
        twice (x) => (y) { z = own.once (x) y = own.once (z) }"""
    )
    result = expanded(model)
    assert operators_of(result) == ["Mul", "Mul"]
    assert not result.functions
    assert_same(model, {"x": random(2, 3)})


def test_padded_keys_reach_a_body_though_inputs_before_them_are_left_out() -> None:
    model = parsed(
        """<ir_version: 10, opset_import: ["" : 24]>
        attention (float[2,3,4,8] q, float[2,3,6,8] k, float[2,3,6,8] v, int64[2] lengths) => (float[2,3,4,8] y)
        { y = Attention (q, k, v, , , , lengths) }"""
    )
    assert "Attention" not in operators_of(expanded(model))


def test_quantization_is_not_computed_away() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        weights (float[1] x) => (float[1] y)
        <int8[1] w = {5}, float s = {0.5}, int8 z = {0}>
        { d = DequantizeLinear (w, s, z) y = Mul (x, d) }"""
    )
    assert operators_of(with_constants_computed(model)) == ["DequantizeLinear", "Mul"]


def test_random_numbers_are_no_constants() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        noise (float[2] x) => (float[2] y) { n = RandomNormal <shape = [2]> () y = Add (x, n) }"""
    )
    assert operators_of(with_constants_computed(model)) == ["RandomNormal", "Add"]


def test_an_output_that_is_constant_is_still_made() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        measure (float[2,3] x) => (int64[2] y) { y = Shape (x) }"""
    )
    result = with_constants_computed(model)
    assert operators_of(result) == ["Identity"]
    assert onnx.numpy_helper.to_array(result.graph.initializer[0]).tolist() == [2, 3]
    onnx.checker.check_model(result, full_check=True)
