from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.one_node import normal, one_node, quantized
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model

ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
COORDINATES = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"]


def sized(*sizes: int) -> dict[str, Any]:
    return {"roi": None, "scales": None, "sizes": np.array(sizes)}


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("sizes", [(1, 2, 9, 4), (1, 2, 3, 15)])
def test_nearest_reads_the_element_that_onnx_runtime_reads(
    sizes: tuple[int, ...], coordinates: str, rounding: str
) -> None:
    image = normal(1, 2, 6, 5)
    model = one_node(
        "Resize",
        {"x": image},
        sized(*sizes),
        mode="nearest",
        nearest_mode=rounding,
        coordinate_transformation_mode=coordinates,
    )

    assert_same(model, {"x": image}, tolerance=0)


@pytest.mark.parametrize("antialias", [0, 1])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("sizes", [(2, 2, 12, 10), (2, 2, 4, 13), (2, 2, 1, 3)])
def test_interpolation_weighs_as_onnx_runtime_does(
    sizes: tuple[int, ...], mode: str, coordinates: str, antialias: int
) -> None:
    image = normal(2, 2, 6, 5)
    model = one_node(
        "Resize",
        {"x": image},
        sized(*sizes),
        mode=mode,
        coordinate_transformation_mode=coordinates,
        antialias=antialias,
    )

    assert_same(model, {"x": image})


def test_a_crop_is_filled_where_it_reaches_outside() -> None:
    image = normal(1, 1, 6, 5)
    region = np.array([0, 0, -0.2, 0.1, 1, 1, 0.8, 1.3], np.float32)
    model = one_node(
        "Resize",
        {"x": image},
        {"roi": region, "scales": None, "sizes": np.array([1, 1, 4, 7])},
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=10.0,
    )

    assert_same(model, {"x": image})


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_any_axis_of_any_number_is_resized(mode: str) -> None:
    image = normal(3, 4, 5)
    scales = np.array([1, 1, 2], np.float32)

    assert_same(one_node("Resize", {"x": image}, {"roi": None, "scales": scales}, mode=mode), {"x": image})


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_sizes_keep_the_aspect_where_they_should(policy: str) -> None:
    image = normal(1, 1, 4, 6)
    model = one_node("Resize", {"x": image}, sized(7, 8), axes=[2, 3], keep_aspect_ratio_policy=policy, mode="nearest")

    assert_same(model, {"x": image}, tolerance=0)


def test_a_quantized_image_is_resized_in_integers() -> None:
    image = normal(1, 4, 3, 3)
    constants = {"roi": None, "scales": np.array([1, 1, 2, 2], np.float32)}
    model = quantized(
        "Resize",
        image,
        constants,
        scales=(0.05, 0.05),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )

    result = assert_same(model, {"x": image}, tolerance=0)

    kinds = kinds_of(result)
    assert kinds.index("QUANTIZE") < kinds.index("RESIZE_NEAREST_NEIGHBOR") < kinds.index("DEQUANTIZE")


def test_a_quantized_image_is_interpolated_in_integers_within_one_step() -> None:
    image = normal(1, 4, 3, 3)
    constants = {"roi": None, "scales": np.array([1, 1, 2, 2], np.float32)}

    result = assert_same(
        quantized("Resize", image, constants, scales=(0.02, 0.02), mode="linear"), {"x": image}, tolerance=0.01
    )

    kinds = kinds_of(result)
    assert kinds.index("QUANTIZE") < kinds.index("RESIZE_BILINEAR") < kinds.index("DEQUANTIZE")


def test_upsample_is_the_resize_of_before() -> None:
    image = normal(1, 2, 3, 4)
    model = one_node("Upsample", {"x": image}, {"scales": np.array([1, 1, 2, 3], np.float32)}, opset=9, mode="linear")

    assert_same(model, {"x": image})


def test_an_axis_that_would_be_empty_is_refused() -> None:
    image = normal(1, 1, 2, 4)
    scales = np.array([1, 1, 0.3, 1], np.float32)

    with pytest.raises(Unsupported, match="without elements"):
        lowered_model(one_node("Resize", {"x": image}, {"roi": None, "scales": scales}, mode="linear"))
