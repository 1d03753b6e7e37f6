from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.tflite.families.interpolation import Axis, Flags, Method, kernel_flags, matrix_of, outside_of

LENGTHS = st.integers(1, 12)
SAMPLED = ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"]


@given(LENGTHS, LENGTHS, st.sampled_from(["nearest", "linear", "cubic"]), st.sampled_from(SAMPLED), st.booleans())
def test_the_weights_of_each_element_add_up_to_one(
    length: int, count: int, mode: str, coordinates: str, is_antialiased: bool
) -> None:
    axis = Axis(length=length, count=count, scale=count / length)
    matrix = matrix_of(axis, Method(mode=mode, coordinates=coordinates, is_antialiased=is_antialiased))

    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


@given(LENGTHS, st.sampled_from(["nearest", "linear", "cubic"]), st.sampled_from(SAMPLED))
def test_an_axis_that_keeps_its_length_is_kept(length: int, mode: str, coordinates: str) -> None:
    matrix = matrix_of(Axis(length=length, count=length, scale=1.0), Method(mode=mode, coordinates=coordinates))

    np.testing.assert_allclose(matrix, np.eye(length), atol=1e-12)


def test_a_crop_leaves_out_what_lies_outside() -> None:
    axis = Axis(length=4, count=5, scale=1.25, start=-0.5, end=1.5)
    method = Method(mode="linear", coordinates="tf_crop_and_resize")

    assert outside_of(axis, method).tolist() == [True, False, False, False, True]
    assert matrix_of(axis, method).sum(axis=1).tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("coordinates", "flags"),
    [
        ("half_pixel", Flags(aligns_corners=False, has_half_pixels=True)),
        ("align_corners", Flags(aligns_corners=True, has_half_pixels=False)),
        ("asymmetric", Flags(aligns_corners=False, has_half_pixels=False)),
    ],
)
def test_tflite_has_a_kernel_for_the_usual_ways_to_interpolate(coordinates: str, flags: Flags) -> None:
    axes = [Axis(length=5, count=10, scale=2.0), Axis(length=4, count=12, scale=3.0)]

    assert kernel_flags(axes, Method(mode="linear", coordinates=coordinates)) == flags


def test_where_the_scale_is_not_that_of_the_lengths_no_kernel_does() -> None:
    axes = [Axis(length=5, count=8, scale=1.7)] * 2

    assert kernel_flags(axes, Method(mode="linear", coordinates="half_pixel")) is None
