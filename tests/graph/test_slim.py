"""What is taken out of a written model, and what stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.graph.slim import share_zero_points, strip_metadata


def noted(message: Any, text: str = "stack trace") -> None:
    message.doc_string = text
    message.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=text)


def test_notes_of_nodes_values_constants_and_subgraphs_go(small_models: Any) -> None:
    model = small_models.branch()
    branches = [attribute.g for attribute in model.graph.node[0].attribute]
    for message in (model.graph, *branches, model.graph.node[0], branches[0].node[0], model.graph.initializer[0]):
        noted(message)
    for value in (model.graph.input[0], model.graph.output[0]):
        noted(value)
    model.graph.value_info.append(small_models.value("kernel", 3, 3))
    strip_metadata(model)

    assert b"stack" not in model.SerializeToString()
    assert model == small_models.branch()


def test_notes_at_the_model_itself_stay(small_models: Any) -> None:
    model = small_models.mlp()
    noted(model, "the user's")
    strip_metadata(model)

    assert (model.doc_string, model.metadata_props[0].value) == ("the user's", "the user's")


def test_notes_in_functions_go(small_models: Any) -> None:
    model = small_models.mlp()
    inner = [helper.make_node("Relu", ["a"], ["b"])]
    noted(inner[0])
    model.functions.append(helper.make_function("own", "f", ["a"], ["b"], inner, [helper.make_opsetid("", 17)]))
    noted(model.functions[0])
    strip_metadata(model)

    assert b"stack" not in model.SerializeToString()


@pytest.fixture
def quantized(small_models: Any) -> Any:
    """Two products by int8 weights of one shape, each with a zero point of its own, and an int32 bias with one."""

    def dequantize(name: str) -> Any:
        return helper.make_node("DequantizeLinear", [name, f"{name}_s", f"{name}_z"], [f"{name}_d"], axis=0)

    nodes = [
        dequantize("v"),
        dequantize("w"),
        dequantize("b"),
        helper.make_node("MatMul", ["x", "v_d"], ["h"]),
        helper.make_node("Gemm", ["h", "w_d", "b_d"], ["y"]),
    ]
    integers = np.arange(9).reshape(3, 3).astype(np.int8)
    arrays = {f"{name}_{part}": array for name in "vw" for part, array in (("z", np.zeros(3, np.int8)),)}
    scales = {f"{name}_s": np.full(3, 0.1, np.float32) for name in "vwb"}
    bias = {"b": np.arange(3, dtype=np.int32), "b_z": np.zeros(3, np.int32)}
    constants = small_models.constants(v=integers, w=integers, **arrays, **scales, **bias)
    values = [small_models.value("x", "batch", 3)], [small_models.value("y", "batch", 3)]
    return small_models.model(nodes, *values, constants)


def test_weights_share_a_zero_point_and_biases_go_without(quantized: Any, outputs_of: Any) -> None:
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)}
    expected = outputs_of(quantized, feeds)["y"]
    share_zero_points(quantized)

    onnx.checker.check_model(quantized, full_check=True)
    assert [list(node.input) for node in quantized.graph.node[:3]] == [
        ["v", "v_s", "v_z"],
        ["w", "w_s", "v_z"],
        ["b", "b_s"],
    ]
    assert {"w_z", "b_z"}.isdisjoint(tensor.name for tensor in quantized.graph.initializer)
    np.testing.assert_array_equal(outputs_of(quantized, feeds)["y"], expected)


def test_a_zero_point_that_is_not_zero_stays(quantized: Any) -> None:
    for tensor in quantized.graph.initializer:
        if tensor.name in ("w_z", "b_z"):
            array = onnx.numpy_helper.to_array(tensor) + np.array(1, onnx.numpy_helper.to_array(tensor).dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    share_zero_points(quantized)

    assert [list(node.input)[2] for node in quantized.graph.node[:3]] == ["v_z", "w_z", "b_z"]


def test_a_zero_point_that_another_node_reads_is_kept_for_it(quantized: Any) -> None:
    quantized.graph.node.append(helper.make_node("Identity", ["b_z"], ["z"]))
    quantized.graph.output.append(helper.make_tensor_value_info("z", onnx.TensorProto.INT32, [3]))
    share_zero_points(quantized)

    assert "b_z" in {tensor.name for tensor in quantized.graph.initializer}
