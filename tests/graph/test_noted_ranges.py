import numpy as np
import onnx
import onnxruntime
import pytest

from edgeopt.graph.noted_ranges import KEY, noted_ranges_in, with_noted_pairs, write_noted_ranges


def noted(value: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, value
    return model


def test_ranges_are_read_as_they_were_written() -> None:
    model = onnx.ModelProto()
    write_noted_ranges(model, {"logits": (-1.5, 2.25), "other": (0.0, 6.0)})

    assert noted_ranges_in(model) == {"logits": (-1.5, 2.25), "other": (0.0, 6.0)}


def test_no_ranges_leave_no_note() -> None:
    model = onnx.ModelProto()
    write_noted_ranges(model, {})

    assert not model.metadata_props


@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "3", "null", '{"a": 3}', '{"a": [1]}', '{"a": ["x", 1]}', '{"a": [2, 1]}', '{"a": [0, 1e999]}'],
)
def test_what_is_no_range_is_not_there(value: str) -> None:
    assert noted_ranges_in(noted(value)) == {}


def test_a_model_with_pairs_rounds_and_saturates_what_is_noted() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        two (float[5] x) => (float[5] y) { a = Neg(x) y = Neg(a) }"""
    )

    judged = with_noted_pairs(model, {"y": {"scale": 0.5, "zero_point": 0}, "absent": {"scale": 1.0, "zero_point": 0}})

    (given,) = onnxruntime.InferenceSession(judged.SerializeToString()).run(
        None, {"x": np.array([0.2, 0.3, -1, 100, -100], np.float32)}
    )
    assert given.tolist() == [0, 0.5, -1, 63.5, -64]
    assert len(model.graph.node) == 2
