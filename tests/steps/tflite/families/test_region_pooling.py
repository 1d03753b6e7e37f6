from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import assert_same, lowered_model

REGIONS = np.array([[0, 0, 0, 6, 5], [1, 2.4, 1.5, 9, 30], [1, 3, 3, 3, 3], [0, 40, 40, 50, 50]], np.float32)


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_bins_of_constant_regions_give_their_largest_element(scale: float) -> None:
    image = normal(2, 3, 8, 7)

    assert_same(
        one_node("MaxRoiPool", {"x": image}, {"regions": REGIONS}, pooled_shape=[3, 2], spatial_scale=scale),
        {"x": image},
        tolerance=0,
    )


def test_regions_that_the_model_computes_are_refused() -> None:
    feeds = {"x": normal(2, 3, 8, 7), "regions": REGIONS}

    with pytest.raises(Unsupported, match="list of regions"):
        lowered_model(one_node("MaxRoiPool", feeds, pooled_shape=[3, 2]))
