from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import assert_same, run_onnx


@pytest.mark.parametrize(("kernel", "strides"), [([2, 2], [2, 2]), ([3, 3], [1, 1])])
def test_unpooling_puts_maxima_back_where_they_were(kernel: list[int], strides: list[int]) -> None:
    image = normal(1, 2, 6, 6)
    pooled = one_node("MaxPool", {"x": image}, outputs=2, kernel_shape=kernel, strides=strides)
    given = run_onnx(pooled, {"x": image})
    feeds = {"v": given["y0"], "i": given["y1"].astype(np.int64)}

    assert_same(one_node("MaxUnpool", feeds, kernel_shape=kernel, strides=strides), feeds, tolerance=1e-6)
