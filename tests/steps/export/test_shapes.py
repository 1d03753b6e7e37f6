"""Shapes of inputs as users write them."""

from __future__ import annotations

import pytest

from edgeopt.errors import InputError
from edgeopt.steps.export.shapes import InputShape, input_shape_from_text, input_shapes_from_texts


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x=1x3x32x32:float32", InputShape(name="x", axes=(1, 3, 32, 32), dtype="float32")),
        ("x=1x3", InputShape(name="x", axes=(1, 3))),
        ("ids=batchxtime:int64", InputShape(name="ids", axes=("batch", "time"), dtype="int64")),
        ("serving:0=8", InputShape(name="serving:0", axes=(8,))),
        ("k=scalar", InputShape(name="k", axes=())),
    ],
)
def test_a_shape_is_read_and_written_alike(text: str, shape: InputShape) -> None:
    assert input_shape_from_text(text) == shape
    assert str(shape) == text


def test_floats_are_meant_where_no_type_is_given() -> None:
    assert input_shape_from_text("x=1x3").type_or_default == "float32"


@pytest.mark.parametrize("text", ["", "x", "x=", "=1x3", "x=1x", "x=0x3", "x=-1x3", "x=1x3:", "x=1,3", "x=1x3 float32"])
def test_what_is_no_shape_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as caught:
        input_shape_from_text(text)

    assert caught.value.message == f"input `{text}` cannot be understood"
    assert "--input x=1x3x32x32:float32" in caught.value.hint


def test_an_unknown_type_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError) as caught:
        input_shape_from_text("x=1x3:real")

    assert caught.value.message == "input `x=1x3:real` is of unknown type `real`"
    assert "float32" in caught.value.hint


def test_shapes_go_by_their_names() -> None:
    assert list(input_shapes_from_texts(["a=1x2", "b=1x3"])) == ["a", "b"]
    with pytest.raises(InputError, match="input `a` is given twice"):
        input_shapes_from_texts(["a=1x2", "a=1x3"])
