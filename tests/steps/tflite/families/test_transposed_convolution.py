from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from tests.steps.tflite.families.one_node import normal, one_node, quantized, with_integer_weights
from tests.steps.tflite.running import assert_same, kinds_of

# lengths of the image, length of the kernel, groups, other attributes
TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = [
    ((4,), (3,), 1, {"strides": [2]}),
    ((4, 3), (3, 3), 1, {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((4, 3), (3, 3), 1, {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((4, 3), (3, 2), 1, {"strides": [2, 3], "pads": [1, 0, 1, 1], "output_padding": [1, 2]}),
    ((4, 3), (2, 2), 1, {"dilations": [2, 3]}),
    ((4, 3), (2, 3), 1, {"strides": [3, 2], "output_shape": [10, 8]}),
    ((4, 3), (3, 3), 2, {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ((4, 3), (4, 4), 4, {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((2, 3), (1, 1), 2, {"strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ((2, 3, 4), (2, 2, 3), 1, {"strides": [2, 1, 2], "pads": [1, 0, 0, 0, 0, 1]}),
    ((2, 3, 4), (2, 2, 2), 2, {"strides": [1, 2, 1], "dilations": [1, 1, 2]}),
]


@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize(("lengths", "kernel", "groups", "attributes"), TRANSPOSED)
def test_transposed_convolutions_over_one_to_three_axes(
    lengths: tuple[int, ...], kernel: tuple[int, ...], groups: int, attributes: dict[str, Any], is_constant: bool
) -> None:
    image, weights, bias = normal(2, 4, *lengths), normal(4, 3, *kernel, seed=1), normal(3 * groups, seed=2)
    feeds = {"x": image} if is_constant else {"x": image, "w": weights}
    constants = {"w": weights, "b": bias} if is_constant else {"b": bias}

    assert_same(one_node("ConvTranspose", feeds, constants, group=groups, **attributes), feeds)


def test_padding_that_tflite_calls_same_needs_no_slice() -> None:
    image, weights = normal(1, 4, 5, 5), normal(4, 2, 3, 3)
    model = one_node("ConvTranspose", {"x": image}, {"w": weights}, strides=[2, 2], auto_pad="SAME_UPPER")

    assert kinds_of(assert_same(model, {"x": image})) == ["TRANSPOSE", "TRANSPOSE_CONV", "TRANSPOSE"]


@pytest.mark.parametrize(
    "attributes", [{"strides": [2, 2], "auto_pad": "SAME_UPPER"}, {"strides": [2, 1], "pads": [1, 0, 0, 1]}]
)
def test_quantized_images_are_transposed_in_integers(attributes: dict[str, Any]) -> None:
    image, weights = normal(1, 4, 5, 5), normal(4, 3, 3, 3, seed=1)
    bias = np.array([0.5, -0.2, 1.0], np.float32)
    model = quantized("ConvTranspose", image, {"w": weights, "b": bias}, scales=(0.03, 0.1), **attributes)
    with_integer_weights(model, "w", weights, axis=1)
    del model.graph.initializer[[each.name for each in model.graph.initializer].index("w")]

    result = assert_same(model, {"x": image}, tolerance=0.011)  # one step of 0.1, for sums of up to 11

    made = [operation for operation in result.net.operations if operation.kind == "TRANSPOSE_CONV"]
    assert [tensor.dtype for tensor in made[0].inputs if tensor] == ["int32", "int8", "int8", "int32"]


@pytest.mark.parametrize("groups", [1, 2])
def test_an_activation_behind_it_is_fused(groups: int) -> None:
    image, weights = normal(1, 4, 5, 5), normal(4, 2, 3, 3, seed=1)
    model = one_node("ConvTranspose", {"x": image}, {"w": weights}, strides=[2, 2], group=groups)
    model.graph.node[0].output[0] = "a"
    model.graph.node.append(onnx.helper.make_node("Relu", ["a"], ["y0"]))

    assert "RELU" not in kinds_of(assert_same(model, {"x": image}))
