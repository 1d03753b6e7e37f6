from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeopt.steps.tflite.families.taps import OUTSIDE, counts_of, flat_taps, taps_along
from edgeopt.steps.tflite.families.windows import Window
from edgeopt.steps.tflite.refusal import Refused


@st.composite
def windows(draw: st.DrawFn) -> Window:
    rank = draw(st.integers(1, 3))

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank)))

    kernel = each(1, 3)
    return Window(
        kernel=kernel,
        strides=each(1, 3),
        dilations=each(1, 2),
        before=tuple(min(1, size - 1) for size in kernel),
        after=tuple(draw(st.integers(0, size - 1)) for size in kernel),
        lengths=each(5, 7),
    )


@given(windows())
def test_taps_read_what_a_padded_image_holds_there(window: Window) -> None:
    image = np.arange(1, np.prod(window.lengths) + 1).reshape(window.lengths)
    padded = np.pad(image, list(zip(window.before, window.after, strict=True)))
    taps = flat_taps(window)
    read = np.where(taps == OUTSIDE, 0, image.reshape(-1)[taps])

    for place, start in enumerate(np.ndindex(*window.outputs)):
        box = tuple(
            slice(at * stride, at * stride + (size - 1) * step + 1, step)
            for at, stride, size, step in zip(start, window.strides, window.kernel, window.dilations, strict=True)
        )
        np.testing.assert_array_equal(read[place], padded[box].reshape(-1))


@given(windows())
def test_clamped_taps_change_no_maximum_and_keep_their_order(window: Window) -> None:
    image = np.random.default_rng(0).standard_normal(window.lengths).reshape(-1)
    try:
        clamped = flat_taps(window, clamped=True)
    except Refused:
        assert any((taps_along(window, axis) < 0).all(axis=1).any() for axis in range(len(window.kernel))) or any(
            (taps_along(window, axis) >= length).all(axis=1).any() for axis, length in enumerate(window.lengths)
        )
        return
    taps = flat_taps(window)

    np.testing.assert_array_equal(
        image[clamped].max(axis=1), np.where(taps == OUTSIDE, -np.inf, image[taps]).max(axis=1)
    )


@given(windows())
def test_counts_are_those_of_taps_that_lie_in_the_image(window: Window) -> None:
    counts = counts_of(window, with_padding=False)

    np.testing.assert_array_equal(counts.reshape(-1), (flat_taps(window) != OUTSIDE).sum(axis=1))
    assert (counts_of(window, with_padding=True) == np.prod(window.kernel)).all()


def test_a_window_in_the_padding_alone_is_refused() -> None:
    window = Window(kernel=(1,), strides=(1,), dilations=(1,), before=(1,), after=(0,), lengths=(3,))

    with pytest.raises(Refused, match="altogether"):
        flat_taps(window, clamped=True)
