"""All rewrites together, and the shapes that they go by."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.graph.rewrite.order import rewrite_for_integers, with_shapes


@pytest.mark.parametrize("model", ["conv", "padded", "mlp", "two_inputs", "nhwc", "loop", "branch"])
def test_a_model_with_nothing_to_rewrite_stays(small_models: Any, model: str) -> None:
    import onnx_ir as ir

    before = getattr(small_models, model)()
    intermediate = ir.serde.deserialize_model(with_shapes(before))
    rewrite_for_integers(intermediate)

    operators = [node.op_type for node in ir.serde.serialize_model(intermediate).graph.node]
    assert operators == [node.op_type for node in before.graph.node]


def test_shapes_are_inferred_without_the_data_of_large_constants(small_models: Any) -> None:
    weight = np.ones((64, 64), np.float32)
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["h"]), onnx.helper.make_node("Relu", ["h"], ["y"])]
    values = [small_models.value("x", "batch", 3, 64)], [small_models.value("y", "batch", 3, 64)]
    model = with_shapes(small_models.model(nodes, *values, small_models.constants(w=weight)))

    (hidden,) = [value for value in model.graph.value_info if value.name == "h"]
    assert [axis.dim_param or axis.dim_value for axis in hidden.type.tensor_type.shape.dim] == ["batch", 3, 64]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), weight)


def test_nodes_without_a_name_get_that_of_their_output(small_models: Any) -> None:
    import onnx_ir as ir

    model = small_models.mlp()
    model.graph.node[0].name = "active"
    intermediate = ir.serde.deserialize_model(model)
    rewrite_for_integers(intermediate)

    assert [node.name for node in intermediate.graph] == ["active", "active_1", "scores"]


def test_dead_nodes_and_constants_go(small_models: Any) -> None:
    import onnx_ir as ir

    model = small_models.mlp()
    model.graph.node.append(onnx.helper.make_node("Mul", ["hidden", "dead"], ["unread"]))
    model.graph.initializer.extend(small_models.constants(dead=np.float32(2)))
    intermediate = ir.serde.deserialize_model(with_shapes(model))
    rewrite_for_integers(intermediate)

    assert "Mul" not in {node.op_type for node in intermediate.graph}
    assert "dead" not in intermediate.graph.initializers
