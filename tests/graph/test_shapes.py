"""Shapes and sizes of tensors are those that the graph says or implies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.graph.shapes import TensorType, bind_free_axes, tensor_types, type_of_tensor, write_types


def test_every_tensor_of_the_graph_has_a_type(small_models: Any) -> None:
    model = small_models.conv()
    bind_free_axes(model, batch=2)
    types = tensor_types(model)

    assert types["features"] == TensorType((2, 4, 8, 8), "float32", 4)
    assert types["pooled"].shape == (2, 4, 1, 1)
    assert types["scores"].shape == (2, 5)
    assert types["kernel"].elements == 108


def test_a_shape_that_cannot_be_told_is_none_and_counts_nothing(small_models: Any) -> None:
    features = tensor_types(small_models.conv())["features"]

    assert features.shape is None
    assert (features.elements, features.size_bytes) == (0, 0)


def test_free_axes_become_one_and_the_first_the_batch(small_models: Any) -> None:
    model = small_models.two_inputs()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 0
    bind_free_axes(model, batch=4)

    assert [[axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in model.graph.input] == [
        [4, 1]
    ] * 2


def test_fixed_axes_stay(small_models: Any) -> None:
    model = small_models.conv_fixed_batch()
    bind_free_axes(model, batch=4)

    assert model == small_models.conv_fixed_batch()


@pytest.mark.parametrize(
    ("element", "size"),
    [
        (TensorProto.FLOAT, 20),
        (TensorProto.FLOAT16, 10),
        (TensorProto.BFLOAT16, 10),
        (TensorProto.INT8, 5),
        (TensorProto.BOOL, 5),
        (TensorProto.DOUBLE, 40),
        (TensorProto.INT4, 3),
        (TensorProto.UINT4, 3),
        (9999, 0),
    ],
)
def test_the_size_follows_from_the_element_type(element: int, size: int) -> None:
    assert type_of_tensor(TensorProto(data_type=element, dims=[5])).size_bytes == size


def test_a_scalar_has_one_element() -> None:
    assert TensorType((), "float32", 4).size_bytes == 4


def test_types_are_written_into_the_model(small_models: Any) -> None:
    model = small_models.conv()
    constants = [tensor.SerializeToString() for tensor in model.graph.initializer]

    write_types(model)

    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    assert {name: kinds[name] for name in ("features", "active", "pooled", "flat")} == dict.fromkeys(
        ("features", "active", "pooled", "flat"), TensorProto.FLOAT
    )
    assert [tensor.SerializeToString() for tensor in model.graph.initializer] == constants


def test_types_follow_from_large_constants_without_their_data(small_models: Any) -> None:
    model = small_models.model(
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Cast", ["a"], ["y"], to=TensorProto.DOUBLE)],
        [small_models.value("x", "n", 40)],
        [small_models.value("y", "n", 30, dtype=TensorProto.DOUBLE)],
        small_models.constants(w=np.ones((40, 30), np.float32)),
    )

    write_types(model)

    (a,) = model.graph.value_info
    assert (a.name, a.type.tensor_type.elem_type) == ("a", TensorProto.FLOAT)
    assert a.type.tensor_type.shape.dim[1].dim_value == 30


def test_a_graph_that_inference_gives_up_on_is_left_as_it_is(small_models: Any) -> None:
    model = small_models.mlp()
    model.graph.node[1].domain = "a.domain.without.opset"

    write_types(model)

    assert not model.graph.value_info
