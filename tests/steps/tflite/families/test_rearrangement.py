from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_depth_becomes_space(mode: str, dtype: str) -> None:
    image = (normal(2, 12, 2, 3) * 9).astype(dtype)

    assert_same(one_node("DepthToSpace", {"x": image}, blocksize=2, mode=mode), {"x": image}, tolerance=0)


def test_space_becomes_depth() -> None:
    image = normal(2, 3, 4, 6)

    assert_same(one_node("SpaceToDepth", {"x": image}, blocksize=2), {"x": image}, tolerance=0)


@pytest.mark.parametrize("attributes", [{}, {"strides": [2, 1]}, {"pads": [1, 0, 1, 2]}, {"dilations": [2, 1]}])
def test_columns_are_summed_where_they_fall(attributes: dict[str, list[int]]) -> None:
    image, block = (6, 5), (2, 3)
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    pads = attributes.get("pads", [0, 0, 0, 0])
    counts = [
        (image[axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (block[axis] - 1) - 1) // strides[axis] + 1
        for axis in (0, 1)
    ]
    columns = normal(2, 3 * 6, counts[0] * counts[1])
    model = one_node("Col2Im", {"x": columns}, {"image": np.array(image), "block": np.array(block)}, **attributes)

    assert_same(model, {"x": columns})


def test_dropout_drops_nothing_and_its_mask_is_true() -> None:
    image = normal(2, 3)

    result = assert_same(one_node("Dropout", {"x": image}, outputs=2), {"x": image}, tolerance=0)

    assert set(kinds_of(result)) <= {"RESHAPE"}


def test_dropout_that_trains_is_refused() -> None:
    model = one_node(
        "Dropout", {"x": normal(2, 3)}, {"ratio": np.array(0.5, np.float32), "training": np.array(True)}, opset=13
    )

    with pytest.raises(Unsupported, match="random"):
        lowered_model(model)
