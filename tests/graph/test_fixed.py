"""Shapes that users state fit the model, and fix its free axes."""

from __future__ import annotations

from typing import Any

import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.errors import InputError
from edgeopt.graph.fixed import fix_inputs, fixed_lengths, require_known_inputs

SPECS = (TensorSpec(name="image", shape=("n", 3, 8, 8), dtype="float32"),)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"imag": (1, 3, 8, 8)}, "`m.onnx` has no input `imag`", "did you mean `image`?"),
        ({"image": (1, 3, 8)}, r"shape `1x3x8` does not fit input `image \(n x 3 x 8 x 8\) float32`", "free axes"),
        ({"image": (1, 4, 8, 8)}, "shape `1x4x8x8` does not fit", "free axes"),
    ],
)
def test_a_shape_that_is_for_no_input_is_refused(given: Any, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        require_known_inputs(SPECS, given, where="m.onnx")
    assert hint in caught.value.hint


def test_a_shape_that_fits_passes() -> None:
    require_known_inputs(SPECS, {"image": (4, 3, 8, 8)}, where="m.onnx")
    require_known_inputs(SPECS, {"image": ("batch", 3, 8, 8)}, where="m.onnx")


def test_axes_of_one_name_get_one_length_everywhere(small_models: Any) -> None:
    model = small_models.conv()

    fix_inputs(model, {"image": (2, 3, 8, 8)})

    shapes = [
        [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [[2, 3, 8, 8], [2, 5]]


def test_a_word_is_no_length() -> None:
    assert fixed_lengths({"x": (1, 3)}) == {"x": (1, 3)}
    with pytest.raises(InputError, match="axis `n` of input `x` has no length") as caught:
        fixed_lengths({"x": ("n", 3)})
    assert caught.value.hint == "write a number in the place of `n`"
