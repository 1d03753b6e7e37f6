"""TFLite files read without trusting them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.artifact import Quantization, TensorSpec
from edgeopt.errors import InputError
from edgeopt.graph.tflite.read import has_state, read_interface, read_metadata, read_tflite, tflite_artifact
from tests.small_tflite import Operator, Small, SmallTflite, Tensor, schema

Save = Callable[..., Path]


def test_tensors_and_operators_are_as_they_were_written(save: Save) -> None:
    model = read_tflite(save(SmallTflite.conv()))
    (graph,) = model.graphs
    image, kernel = graph.tensors[:2]

    assert [(one.name, one.is_custom) for one in graph.operators] == [
        ("CONV_2D", False),
        ("MEAN", False),
        ("FULLY_CONNECTED", False),
    ]
    assert graph.operators[0].inputs == (0, 1, 2)
    assert graph.operators[0].outputs == (3,)
    assert (image.name, image.shape, image.free_axes, image.is_constant) == ("image", (1, 3, 8, 8), (0,), False)
    assert (kernel.name, kernel.shape, kernel.free_axes, kernel.size_bytes) == ("kernel", (4, 3, 3, 8), (), 4 * 288)


def test_a_constant_is_where_the_file_holds_it(save: Save) -> None:
    small = SmallTflite.quantized()
    path = save(small)
    weight = next(tensor for tensor in read_tflite(path).graphs[0].tensors if tensor.name == "weight")
    start, size = weight.data

    assert np.frombuffer(path.read_bytes(), np.int8, size, start).tolist() == [3, -2, 7, 1, 0, -9]
    assert (weight.dtype, weight.scales, weight.zero_points, weight.axis) == ("int8", (0.25, 0.5), (0, 0), 0)


def test_the_interface_alone_is_that_of_the_whole_model(save: Save) -> None:
    for build in (SmallTflite.conv, SmallTflite.quantized, SmallTflite.two_inputs, SmallTflite.recurrent):
        path = save(build())
        assert read_interface(path) == read_tflite(path).interface


def test_a_free_batch_and_the_meaning_of_integers_are_part_of_the_artifact(save: Save) -> None:
    path = save(SmallTflite.quantized())
    artifact = tflite_artifact(path)

    assert artifact.format == "tflite"
    assert artifact.size_bytes == path.stat().st_size
    assert artifact.inputs == (
        TensorSpec(name="x", shape=("", 3), dtype="int8", quantization=Quantization(scale=0.5, zero_point=-3)),
    )
    assert artifact.as_json()["inputs"][0]["quantization"] == {"scale": 0.5, "zero_point": -3}
    assert "quantization" not in tflite_artifact(save(SmallTflite.mlp(), "mlp.tflite")).as_json()["inputs"][0]


@pytest.mark.parametrize("names", [("serving_default_image:0", "StatefulPartitionedCall:0")])
def test_what_tensorflow_writes_round_a_name_is_taken_off(save: Save, names: tuple[str, str]) -> None:
    interface = read_interface(save(_relu(names[:1], names[1:])))

    assert [spec.name for spec in (*interface.inputs, *interface.outputs)] == ["image", "StatefulPartitionedCall"]


def test_names_that_would_be_alike_without_it_are_left_as_they_are(save: Save) -> None:
    small = SmallTflite.two_inputs()
    small.tensors[0].name, small.tensors[1].name = "serving_default_a:0", "a"
    small.inputs = ["serving_default_a:0", "a"]
    for one in small.operators:
        one.inputs = small.inputs

    assert [spec.name for spec in read_interface(save(small)).inputs] == ["serving_default_a:0", "a"]


def test_a_signature_names_inputs_and_outputs_whatever_the_tensors_are_called(save: Save) -> None:
    small = SmallTflite.two_inputs()
    small.signature = ({"b": "right", "a": "left"}, {"gap_out": "gap", "sum_out": "total"})
    interface = read_interface(save(small))

    assert [spec.name for spec in interface.inputs] == ["a", "b"]
    assert [spec.name for spec in interface.outputs] == ["sum_out", "gap_out"]
    assert interface.input_places == (0, 1)


def test_tensors_without_names_and_of_one_name_are_numbered(save: Save) -> None:
    model = SmallTflite.two_inputs().as_object()
    for tensor, name in zip(model.subgraphs[0].tensors, (None, None, b"y", b"y"), strict=True):
        tensor.name = name
    interface = read_interface(save(model))

    assert [spec.name for spec in interface.inputs] == ["input_0", "input_1"]
    assert [spec.name for spec in interface.outputs] == ["y", "y_1"]


def test_state_is_found(save: Save) -> None:
    assert has_state(save(SmallTflite.recurrent()))
    assert not has_state(save(SmallTflite.conv(), "conv.tflite"))


def test_metadata_is_read_as_it_was_written(save: Save) -> None:
    small = SmallTflite.mlp()
    small.metadata = {"edgeopt.calibration": b"{}", "min_runtime_version": b"2.3.0"}

    assert read_metadata(save(small)) == small.metadata


def test_a_custom_operator_and_one_of_a_newer_schema_are_named(save: Save) -> None:
    model = SmallTflite.custom().as_object()
    model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=127, builtinCode=9999))
    model.subgraphs[0].operators.append(schema.OperatorT(opcodeIndex=1, inputs=[0], outputs=[1]))

    assert [(one.name, one.is_custom) for one in read_tflite(save(model)).graphs[0].operators] == [
        ("Mystery", True),
        ("UNKNOWN_9999", False),
    ]


def test_a_constant_behind_the_flatbuffer_is_found_and_one_beyond_the_file_refused(save: Save) -> None:
    """Files above 2 GiB hold their constants so: at an offset that is counted from the start of the file."""
    model = SmallTflite.quantized().as_object()
    place = model.subgraphs[0].tensors[1].buffer
    held = bytes(model.buffers[place].data)
    model.buffers[place] = schema.BufferT(offset=100_000, size=len(held))
    content = save(model).read_bytes()
    whole = save(content.ljust(100_000, b"\0") + held, "large.tflite")

    assert read_tflite(whole).graphs[0].tensors[1].data == (100_000, 6)
    with pytest.raises(InputError, match="a buffer of 6 bytes at byte 100000 runs out of the file"):
        read_tflite(save(content, "cut.tflite"))


@pytest.mark.parametrize(
    ("content", "told", "hint"),
    [
        (b"text", "is not a TFLite model", "complete"),
        (bytes(64), "is not a TFLite model", "complete"),
        (b"\x1c\0\0\0TFL3", "is a damaged TFLite file: an offset points to byte 28 of 8", "complete"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not a TFLite model", "git lfs pull"),
        (b"<!DOCTYPE html>", "is an HTML page, not a TFLite model", "fetch the file itself"),
    ],
)
def test_a_file_that_is_none_is_refused(save: Save, content: bytes, told: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_tflite(save(content))

    assert told in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_cut_off_anywhere_is_refused(save: Save) -> None:
    whole = SmallTflite.mlp().content()
    for length in range(0, len(whole) - 40, 37):
        with pytest.raises(InputError):
            read_tflite(save(whole[:length]))


def _relu(inputs: Any, outputs: Any) -> Small:
    return Small(
        tensors=[Tensor(name=name, shape=(1, 3)) for name in (*inputs, *outputs)],
        operators=[Operator(kind="RELU", inputs=inputs, outputs=outputs)],
        inputs=inputs,
        outputs=outputs,
    )


def _change(**values: Any) -> Callable[[Any], None]:
    """Sets fields by a path such as `tensors.0.buffer` of the main graph."""

    def change(model: Any) -> None:
        for path, value in values.items():
            *steps, last = path.split("__")
            at = model.subgraphs[0]
            for step in steps:
                at = at[int(step)] if step.isdigit() else getattr(at, step)
            setattr(at, last, value)

    return change


def _drop_graphs(model: Any) -> None:
    model.subgraphs = []


def _age(model: Any) -> None:
    model.version = 2


def _metadata(model: Any) -> None:
    model.metadata = [schema.MetadataT(name=b"note", buffer=77)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_change(inputs=[99]), r"the graph names tensor 99 of \d+"),
        (_change(outputs=[-1]), "the graph names tensor -1 of"),
        (_change(operators__0__inputs=[0, 1, -7]), "operator `CONV_2D` names tensor -7"),
        (_change(operators__0__opcodeIndex=9), "an operator names entry 9 of 3"),
        (_change(tensors__0__buffer=1 << 31), "a tensor names entry 2147483648 of"),
        (_change(tensors__0__type=99), "tensor `image` has element type 99"),
        (_change(tensors__0__shape=[1, -5, 8, 8]), r"tensor `image` has the shape \[1, -5, 8, 8\]"),
        (_change(tensors__0__shape=[1] * 99), r"tensor `image` has the shape \[1, 1"),
        (_change(tensors__0__shape=[2**31 - 1] * 4), r"tensor `image` has the shape .* which no memory holds"),
        (_drop_graphs, "it holds no graph"),
        (_age, "its schema has version 2, not 3"),
        (_metadata, "an entry of metadata names entry 77 of"),
    ],
)
def test_a_place_that_is_none_is_refused(save: Save, change: Callable[[Any], None], told: str) -> None:
    model = SmallTflite.conv().as_object()
    change(model)
    with pytest.raises(InputError, match=f"is a damaged TFLite file: {told}"):
        read_tflite(save(model))


def test_a_list_that_claims_more_than_the_file_holds_is_refused(save: Save) -> None:
    content = bytearray(SmallTflite.mlp().content())
    places = [at for at in range(8, len(content) - 4, 4) if struct.unpack_from("<I", content, at)[0] == 2]
    refused = 0
    for at in places:  # lists of two items, whatever they hold, become lists of four thousand million
        hostile = bytearray(content)
        struct.pack_into("<I", hostile, at, 0xFFFF_FFFF)
        try:
            read_tflite(save(bytes(hostile)))
        except InputError:
            refused += 1

    assert refused > 10


def test_tables_that_are_shared_without_end_are_refused_soon(save: Save) -> None:
    """A list of 200,000 operators that are all the same table: small in the file, large for whoever walks it."""
    content = bytearray(_relu(["x"], ["y"]).content())
    root = struct.unpack_from("<I", content, 0)[0]
    operators = _field(content, _table_in_list(content, root, 2), 3)
    count, start = 200_000, len(content)
    struct.pack_into("<I", content, operators, start - operators)
    table = start + 4 + 4 * count + 4  # behind the list and a vtable without fields
    content += struct.pack("<I", count)
    content += np.arange(table - start - 4, table - start - 4 - 4 * count, -4, dtype="<u4").tobytes()
    content += struct.pack("<HHi", 4, 4, 4)

    with pytest.raises(InputError, match="it claims to hold far more than fits in it"):
        read_tflite(save(bytes(content)))


def _field(content: bytearray, table: int, number: int) -> int:
    vtable = table - struct.unpack_from("<i", content, table)[0]
    return int(table + struct.unpack_from("<H", content, vtable + 4 + 2 * number)[0])


def _table_in_list(content: bytearray, table: int, number: int) -> int:
    """The first table of the list in a field."""
    field = _field(content, table, number)
    start = field + struct.unpack_from("<I", content, field)[0] + 4
    return int(start + struct.unpack_from("<I", content, start)[0])
