from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.one_node import one_node
from tests.steps.tflite.running import assert_same


@pytest.mark.parametrize("channels", [3, 300])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_sums_of_integers_are_exact_however_many_they_are(dtype: str, channels: int) -> None:
    generator = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    image = generator.integers(limits.max - 9, limits.max, (1, channels, 5, 4), endpoint=True).astype(dtype)
    weights = generator.integers(100, 127, (3, channels, 3, 2), endpoint=True).astype(np.int8)
    constants = {"w": weights, "xz": np.array(limits.min, dtype), "wz": np.array(-7, np.int8)}

    assert_same(one_node("ConvInteger", {"x": image}, constants, pads=[1, 0, 1, 1]), {"x": image}, tolerance=0)
