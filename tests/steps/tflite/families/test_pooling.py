from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.families.one_node import normal, one_node, quantized
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model

WINDOWS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((7,), {"kernel_shape": [3], "strides": [2]}),
    ((8, 9), {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]}),
    ((8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((9, 7), {"kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 2, 0, 2]}),
    ((7, 6), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    ((5, 6, 4), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2], "pads": [0, 1, 1, 1, 1, 0]}),
]


@pytest.mark.parametrize(("lengths", "attributes"), WINDOWS)
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
def test_pools_over_any_number_of_axes_give_what_onnx_runtime_gives(
    operator: str, lengths: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    image = normal(2, 3, *lengths)

    assert_same(one_node(operator, {"x": image}, **attributes), {"x": image})


@pytest.mark.parametrize(("lengths", "attributes"), WINDOWS)
def test_an_average_that_counts_padding_does_so(lengths: tuple[int, ...], attributes: dict[str, Any]) -> None:
    image = normal(2, 3, *lengths)

    assert_same(one_node("AveragePool", {"x": image}, **attributes, count_include_pad=1), {"x": image})


@pytest.mark.parametrize("storage_order", [0, 1])
@pytest.mark.parametrize(("lengths", "attributes"), [WINDOWS[0], WINDOWS[1], WINDOWS[4], WINDOWS[6]])
def test_places_of_maxima_are_told(lengths: tuple[int, ...], attributes: dict[str, Any], storage_order: int) -> None:
    image = np.random.default_rng(0).integers(-3, 4, (2, 3, *lengths)).astype(np.float32)  # with ties

    assert_same(one_node("MaxPool", {"x": image}, outputs=2, **attributes, storage_order=storage_order), {"x": image})


def test_a_maximum_of_windows_that_hold_minus_infinity_alone_stays_so() -> None:
    image = np.full((1, 1, 4, 4), -np.inf, np.float32)
    image[0, 0, 3, 3] = 2
    result = lowered_model(one_node("MaxPool", {"x": image}, kernel_shape=[2, 2], pads=[1, 1, 1, 1], strides=[2, 2]))

    fillings = [tensor.data for tensor in result.net.tensors() if tensor.data is not None and tensor.shape == ()]

    assert fillings == [-np.inf]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_integers_are_pooled_as_they_are(dtype: type) -> None:
    image = np.random.default_rng(0).integers(0, 120, (1, 3, 6, 6)).astype(dtype)

    assert_same(one_node("MaxPool", {"x": image}, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), {"x": image}, tolerance=0)


def test_a_maximum_of_quantized_values_keeps_integers_and_scale() -> None:
    image = normal(1, 4, 8, 8)
    model = quantized("MaxPool", image, scales=(0.05, 0.05), kernel_shape=[2, 2], strides=[2, 2])

    result = assert_same(model, {"x": image}, tolerance=0)

    assert [kind for kind in kinds_of(result) if kind in ("MAX_POOL_2D", "DEQUANTIZE")] == ["MAX_POOL_2D", "DEQUANTIZE"]


def test_an_average_of_quantized_values_is_taken_in_integers_and_then_put_into_its_own_steps() -> None:
    image = normal(1, 4, 8, 8)
    model = quantized("AveragePool", image, scales=(0.02, 0.015), kernel_shape=[2, 2], strides=[2, 2])

    result = assert_same(model, {"x": image}, tolerance=0.02)

    kinds = [kind for kind in kinds_of(result) if kind not in ("TRANSPOSE", "RESHAPE")]
    assert kinds == ["QUANTIZE", "AVERAGE_POOL_2D", "QUANTIZE", "DEQUANTIZE"]


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("lengths", [(5,), (4, 5), (2, 3, 4)])
def test_global_pools_take_all_spatial_axes(operator: str, lengths: tuple[int, ...]) -> None:
    image = normal(2, 3, *lengths)

    assert_same(one_node(operator, {"x": image}), {"x": image})


def test_dilated_pools_with_same_padding_are_refused_for_runtimes_read_them_differently() -> None:
    image = normal(1, 1, 8, 8)
    model = one_node("MaxPool", {"x": image}, kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER")

    with pytest.raises(Unsupported, match="differently"):
        lowered_model(model)
