from __future__ import annotations

import onnx
import pytest

from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.tflite.prepare import with_fixed_shapes

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
free (float[N, 3, H, W] image, float[N, 4] row) => (float[N, 3, H, W] y, float[N, 4] z) {
  y = Relu(image)
  z = Relu(row)
}
"""


@pytest.fixture
def model() -> onnx.ModelProto:
    return onnx.parser.parse_model(MODEL)


def shapes_of(model: onnx.ModelProto) -> dict[str, list[int]]:
    return {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in model.graph.input}


def test_a_free_batch_is_1_and_other_axes_are_as_given(model: onnx.ModelProto) -> None:
    with_fixed_shapes(model, {"image": (2, 3, 8, 9)})

    assert shapes_of(model) == {"image": [2, 3, 8, 9], "row": [1, 4]}


def test_free_axes_that_are_left_are_told_with_how_to_fix_them(model: onnx.ModelProto) -> None:
    with pytest.raises(Unsupported, match="fixed shapes") as caught:
        with_fixed_shapes(model, {})

    assert "`image`" in caught.value.message
    assert "in the place of each `?`: `--input image=1x3x?x?`" in caught.value.hint


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"imag": (1, 3, 8, 8)}, "no input `imag`"),
        ({"image": (1, 3, 8)}, "has 4 axes, `1x3x8` has 3"),
        ({"image": (1, 4, 8, 8)}, "axis 1 of input `image` is 3, not 4"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        with_fixed_shapes(model, shapes)


def test_types_that_spoke_of_free_axes_are_forgotten(model: onnx.ModelProto) -> None:
    with_fixed_shapes(model, {"image": (1, 3, 8, 8)})

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert [[axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in inferred.graph.output] == [
        [1, 3, 8, 8],
        [1, 4],
    ]


def test_an_axis_of_no_elements_is_free_unless_its_length_is_told() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 0, 3] x) => (float[2, 1, 3] y) { y = ReduceMax <axes = [1]> (x) }"""
    )

    with pytest.raises(Unsupported):
        with_fixed_shapes(model, {})
    with_fixed_shapes(model, {"x": (2, 0, 3)})

    assert [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [2, 0, 3]
