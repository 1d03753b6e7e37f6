"""Shapes and sizes of tensors are those that the graph says or implies."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import TensorProto

from edgeopt.graph.shapes import TensorType, bind_free_axes, tensor_types, type_of_tensor


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
