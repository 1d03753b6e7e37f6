from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import lowered
from tests.steps.tflite.families.one_node import normal, one_node
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, lowered_model, run_tflite


@pytest.mark.parametrize("aligns", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_an_image_is_sampled_inside_and_outside(mode: str, padding: str, aligns: int) -> None:
    places = np.random.default_rng(0).uniform(-1.8, 1.8, (2, 5, 3, 2)).astype(np.float32)
    feeds = {"x": normal(2, 3, 4, 6), "grid": places}

    assert_same(one_node("GridSample", feeds, mode=mode, padding_mode=padding, align_corners=aligns), feeds)


def test_an_axis_of_one_element_is_mirrored_in_itself() -> None:
    feeds = {"x": normal(1, 2, 1, 4), "grid": np.random.default_rng(0).uniform(-2, 2, (1, 3, 3, 2)).astype(np.float32)}

    assert_same(one_node("GridSample", feeds, padding_mode="reflection", align_corners=1), feeds)


@pytest.mark.parametrize("aligns", [0, 1])
@pytest.mark.parametrize("lengths", [(3, 4), (2, 3, 4)])
def test_affine_grids_are_those_of_the_standard(lengths: tuple[int, ...], aligns: int) -> None:
    matrices = normal(2, len(lengths), len(lengths) + 1)
    model = one_node("AffineGrid", {"theta": matrices}, {"size": np.array([2, 3, *lengths])}, align_corners=aligns)
    expected = ReferenceEvaluator(model).run(None, {"theta": matrices})[0]
    content = model_bytes(lowered(model, where="test.onnx").net)

    for kernels in (XNNPACK, REFERENCE):
        np.testing.assert_allclose(run_tflite(content, {"theta": matrices}, kernels)["y0"], expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("alignment", ["half_pixel", "output_half_pixel"])
def test_regions_are_pooled_from_samples_between_elements(alignment: str, mode: str) -> None:
    corners = np.random.default_rng(0).uniform(-2, 9, (4, 2, 2)).astype(np.float32)
    feeds = {
        "x": normal(2, 3, 7, 8),
        "regions": np.sort(corners, axis=1).reshape(4, 4),
        "images": np.array([0, 1, 1, 0]),
    }
    model = one_node(
        "RoiAlign",
        feeds,
        sampling_ratio=2,
        output_height=3,
        output_width=2,
        spatial_scale=0.8,
        mode=mode,
        coordinate_transformation_mode=alignment,
    )

    assert_same(model, feeds)


def test_as_many_samples_as_a_region_is_large_are_refused() -> None:
    feeds = {"x": normal(1, 1, 4, 4), "regions": np.ones((1, 4), np.float32), "images": np.zeros(1, np.int64)}

    with pytest.raises(Unsupported, match="sampling_ratio"):
        lowered_model(one_node("RoiAlign", feeds, output_height=2, output_width=2))
