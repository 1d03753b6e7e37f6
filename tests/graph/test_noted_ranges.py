import onnx
import pytest

from edgeopt.graph.noted_ranges import KEY, noted_ranges_in, write_noted_ranges


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
