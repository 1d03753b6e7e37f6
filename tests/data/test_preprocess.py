"""Raw samples are scaled, normalised and laid out as it is said, and in no other way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import InputError

BYTES = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
NCHW = ("batch", 3, 4, 5)


def test_nothing_said_leaves_samples_as_they_are() -> None:
    assert Preprocess().apply(BYTES, NCHW) is BYTES


def test_scale_comes_first_then_mean_then_std() -> None:
    values = Preprocess(scale=0.5, mean=(10.0,), std=(4.0,)).apply(BYTES, NCHW)

    assert values.dtype == np.float32
    np.testing.assert_allclose(values, (BYTES * 0.5 - 10) / 4, rtol=1e-6)


def test_one_number_per_channel_meets_axis_one() -> None:
    values = Preprocess(mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0)).apply(BYTES, NCHW)

    np.testing.assert_allclose(values[:, 2], (BYTES[:, 2] - 3.0) / 4, rtol=1e-6)


def test_one_number_per_channel_meets_the_last_axis_of_channels_last_data() -> None:
    values = Preprocess(mean=(0.0, 0.0, 7.0)).apply(BYTES.transpose(0, 2, 3, 1), ("batch", 4, 5, 3))

    np.testing.assert_allclose(values[..., 2], BYTES[:, 2].astype(np.float32) - 7, rtol=1e-6)


@pytest.mark.parametrize(("samples", "shape"), [(BYTES, "3x4x5"), (BYTES[:, 0, 0, 0], "scalar")])
def test_numbers_that_match_no_axis_are_refused(samples: Any, shape: str) -> None:
    with pytest.raises(InputError, match=f"2 numbers in `mean` or `std`, but samples are {shape}$") as caught:
        Preprocess(mean=(1.0, 2.0)).apply(samples, NCHW)

    assert caught.value.hint == "give one number, or one per channel"


def test_the_layout_of_the_data_is_turned_into_that_of_the_model() -> None:
    last = BYTES.transpose(0, 2, 3, 1)

    np.testing.assert_array_equal(Preprocess(layout="nhwc").apply(last, NCHW), BYTES)
    np.testing.assert_array_equal(Preprocess(layout="nchw").apply(BYTES, ("batch", 4, 5, 3)), last)


def test_data_that_has_the_models_layout_is_not_turned() -> None:
    assert Preprocess(layout="nchw").apply(BYTES, NCHW) is BYTES
    assert Preprocess(layout="nhwc").apply(BYTES, NCHW) is BYTES


def test_free_axes_of_the_model_take_any_length() -> None:
    last = BYTES.transpose(0, 2, 3, 1)

    assert Preprocess(layout="nhwc").apply(last, ("batch", "", "", 3)) is last
    np.testing.assert_array_equal(Preprocess(layout="nhwc").apply(last, ("batch", 3, "", "")), BYTES)


@pytest.mark.parametrize("std", [(0.0,), (1.0, -2.0)])
def test_a_std_that_is_not_above_zero_is_refused(std: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=f"`std` is `{min(std)}`") as caught:
        Preprocess(std=std)

    assert caught.value.hint == "every std must be above 0"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    for options in ({"scale": value}, {"mean": (1.0, value)}, {"std": (value,)}):
        with pytest.raises(InputError, match=f"`{next(iter(options))}` is `{value}`"):
            Preprocess(**options)


@given(scale=st.floats(0.01, 10), mean=st.floats(-100, 100), std=st.floats(0.1, 10))
def test_normalising_can_be_undone(scale: float, mean: float, std: float) -> None:
    values = Preprocess(scale=scale, mean=(mean,), std=(std,)).apply(BYTES, NCHW).astype(np.float64)

    np.testing.assert_allclose((values * std + mean) / scale, BYTES, rtol=1e-4, atol=1e-4 * (1 + abs(mean) / scale))


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ((4, 5, 3), ("batch", 3, 4, 5), (3, 4, 5)),
        ((3, 4, 5), ("batch", 4, 5, 3), (4, 5, 3)),
        ((1, 49, 10), (1, 49, 10, 1), (49, 10, 1)),
        ((49, 10, 1), (1, 1, 49, 10), (1, 49, 10)),
        ((5, 4, 3), ("batch", 3, "", ""), (3, 5, 4)),
        ((3, 3, 5), ("batch", "", "", 3), (3, 3, 5)),  # either layout would fit
        ((4, 5, 3), ("batch", 3, 5, 4), (4, 5, 3)),  # none does
        ((3, 4, 5), ("batch", 3, 4, 5), (3, 4, 5)),
    ],
)
def test_images_are_turned_where_the_shape_leaves_no_doubt(given: Any, wanted: Any, expected: Any) -> None:
    samples = np.arange(2 * np.prod(given)).reshape(2, *given)

    turned = Preprocess().apply(samples, wanted)

    assert turned.shape == (2, *expected)
    layouts = ((0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1))  # as it is, to NCHW, to NHWC
    assert any(np.array_equal(turned, samples.transpose(axes)) for axes in layouts)
