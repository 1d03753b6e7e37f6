from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import assert_same


@pytest.mark.parametrize(("groups", "parts", "has_mask"), [(1, 1, False), (2, 1, True), (2, 2, True), (1, 2, False)])
def test_deformed_taps_are_read_where_their_offsets_say(groups: int, parts: int, has_mask: bool) -> None:
    image, weights = normal(2, 4, 5, 6), normal(6, 4 // groups, 3, 2, seed=1)
    feeds = {"x": image, "w": weights, "o": 2 * normal(2, parts * 12, 3, 6, seed=2), "b": normal(6, seed=3)}
    if has_mask:
        feeds["m"] = np.abs(normal(2, parts * 6, 3, 6, seed=4))
    attributes = {"group": groups, "offset_group": parts, "strides": [2, 1], "pads": [1, 0, 1, 1]}

    assert_same(one_node("DeformConv", feeds, opset=19, **attributes), feeds)
