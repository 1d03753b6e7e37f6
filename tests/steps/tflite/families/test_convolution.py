from __future__ import annotations

from typing import Any

import pytest

from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import assert_same

# lengths of the image, length of the kernel, groups, other attributes
CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = [
    ((9,), (3,), 1, {"strides": [2], "pads": [1, 0]}),
    ((9,), (3,), 4, {"dilations": [2]}),
    ((7, 8), (3, 2), 2, {"strides": [1, 2], "pads": [1, 0, 2, 1]}),
    ((7, 8), (3, 3), 4, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((7, 8), (3, 3), 1, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ((4, 5, 6), (2, 3, 3), 1, {"strides": [1, 2, 1], "pads": [0, 1, 1, 1, 1, 1]}),
    ((4, 5, 6), (2, 2, 2), 2, {"dilations": [1, 2, 1]}),
]


@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize(("lengths", "kernel", "groups", "attributes"), CONVOLUTIONS)
def test_convolutions_over_one_to_three_axes(
    lengths: tuple[int, ...], kernel: tuple[int, ...], groups: int, attributes: dict[str, Any], is_constant: bool
) -> None:
    image, weights, bias = normal(2, 4, *lengths), normal(8, 4 // groups, *kernel, seed=1), normal(8, seed=2)
    feeds = {"x": image} if is_constant else {"x": image, "w": weights}
    constants = {"w": weights, "b": bias} if is_constant else {"b": bias}

    assert_same(one_node("Conv", feeds, constants, group=groups, **attributes), feeds)
