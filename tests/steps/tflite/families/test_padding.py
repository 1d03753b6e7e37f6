from __future__ import annotations

import numpy as np
import pytest

from tests.steps.tflite.families.one_node import normal, one_node, quantized
from tests.steps.tflite.running import assert_same, kinds_of


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "int8", "uint8", "bool"])
def test_every_mode_pads_every_type(mode: str, dtype: str) -> None:
    image = (normal(2, 3, 4, 5) * 9).astype(dtype)
    widths = np.array([0, 1, 0, 3, 0, 0, 2, 1])

    assert_same(one_node("Pad", {"x": image}, {"pads": widths}, mode=mode), {"x": image}, tolerance=0)


@pytest.mark.parametrize("rank", [1, 2, 5, 6])
def test_any_number_of_axes_is_padded(rank: int) -> None:
    image = normal(*range(2, rank + 2))
    widths = np.zeros((2, rank), np.int64)
    widths[:, -1] = (2, 1)
    widths[0, 0] = 1
    constants = {"pads": widths.reshape(-1), "value": np.array(1.5, np.float32)}

    assert_same(one_node("Pad", {"x": image}, constants), {"x": image}, tolerance=0)


def test_negative_widths_cut() -> None:
    image = normal(3, 4, 5)
    constants = {"pads": np.array([-1, 2, 0, 0, -1, -2]), "value": np.array(7, np.float32)}

    assert_same(one_node("Pad", {"x": image}, constants), {"x": image}, tolerance=0)


def test_axes_may_be_named_from_the_end() -> None:
    image = normal(1, 2, 3, 4)
    constants = {"pads": np.array([1, 0, 2, 1]), "value": None, "axes": np.array([-1, 2])}

    assert_same(one_node("Pad", {"x": image}, constants), {"x": image}, tolerance=0)


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_quantized_values_are_padded_with_the_integer_that_stands_for_the_number(value: float) -> None:
    image = normal(1, 2, 3, 3)
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "value": np.array(value, np.float32)}

    result = assert_same(quantized("Pad", image, constants, scales=(0.05, 0.05)), {"x": image}, tolerance=0)

    kinds = kinds_of(result)
    assert kinds.index("QUANTIZE") < kinds.index("PADV2" if value else "PAD") < kinds.index("DEQUANTIZE")


def test_a_number_that_no_integer_stands_for_is_padded_in_float() -> None:
    image = normal(1, 2, 3, 3)
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "value": np.array(50, np.float32)}

    result = assert_same(quantized("Pad", image, constants, scales=(0.05, 0.47)), {"x": image}, tolerance=0)

    kinds = kinds_of(result)
    assert kinds.index("DEQUANTIZE") < kinds.index("PADV2")


@pytest.mark.parametrize("shape", [(5, 3), (2, 8), (3, 3)])
def test_center_crop_pad_cuts_and_fills_on_both_sides(shape: tuple[int, int]) -> None:
    image = normal(4, 5)

    assert_same(one_node("CenterCropPad", {"x": image}, {"shape": np.array(shape)}), {"x": image}, tolerance=0)
