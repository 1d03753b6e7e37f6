from __future__ import annotations

from typing import Any

import pytest

from tests.steps.tflite.families.one_node import normal, one_node
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
