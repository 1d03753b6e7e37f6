"""ONNX files are opened without trusting them."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import external_files, load_onnx, onnx_artifact, read_proto

EndsSoon = Callable[[Callable[[], object]], None]
SaveModel = Callable[..., Path]


def refusal_of(path: Path) -> InputError:
    """The error that both ways to read a model raise."""
    with pytest.raises(InputError) as first:
        load_onnx(path)
    with pytest.raises(InputError) as second:
        onnx_artifact(path)
    assert first.value.message == second.value.message
    return first.value


def test_a_model_reads_as_it_was_written(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.conv()

    assert load_onnx(save_model(model)) == model


def test_an_artifact_tells_the_tensors(small_models: Any, save_model: SaveModel) -> None:
    path = save_model(small_models.conv())
    artifact = onnx_artifact(path)

    assert artifact.inputs == (TensorSpec(name="image", shape=("batch", 3, 8, 8), dtype="float32"),)
    assert artifact.outputs == (TensorSpec(name="scores", shape=("batch", 5), dtype="float32"),)
    assert artifact.sha256 == sha256_of(path)
    assert artifact.size_bytes == path.stat().st_size
    assert onnx_artifact(path, read_proto(path)) == artifact


def test_axes_without_name_or_length_are_free(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.conv()
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -1
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 0

    assert onnx_artifact(save_model(model)).inputs[0].shape == ("", 3, "", "")


@pytest.mark.parametrize("ir", [3, 8])
def test_initializers_listed_among_the_inputs_are_none(small_models: Any, save_model: SaveModel, ir: int) -> None:
    path = save_model(small_models.listed_initializers(ir))

    assert [spec.name for spec in onnx_artifact(path).inputs] == ["image"]
    assert [value.name for value in load_onnx(path).graph.input] == ["image"]


@pytest.mark.parametrize("ir", [3, 8])
def test_taking_initializers_off_the_inputs_keeps_outputs(
    small_models: Any, save_model: SaveModel, outputs_of: Any, ir: int
) -> None:
    model = small_models.listed_initializers(ir)
    feeds = {"image": np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)}
    loaded = load_onnx(save_model(model))

    onnx.checker.check_model(loaded, full_check=True)
    np.testing.assert_array_equal(outputs_of(loaded, feeds)["features"], outputs_of(model, feeds)["features"])


def test_a_model_of_another_format_is_unsupported(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"TFL3")
    with pytest.raises(Unsupported, match=r"m\.tflite` is a tflite file, this needs an ONNX model"):
        onnx_artifact(tmp_path / "m.tflite")


def test_an_input_that_is_no_tensor_is_an_object(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.conv()
    model.graph.output.append(onnx.helper.make_tensor_sequence_value_info("list", onnx.TensorProto.FLOAT, None))

    assert onnx_artifact(save_model(model)).outputs[1] == TensorSpec(name="list", shape=(), dtype="object")


def test_an_unknown_element_type_is_refused_by_name(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.conv()
    model.graph.input[0].type.tensor_type.elem_type = 9999
    with pytest.raises(InputError, match="tensor `image` has unknown element type `9999`"):
        onnx_artifact(save_model(model))


# ------------------------------------------------------------------ files that are no models


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "is a Git LFS pointer", "run `git lfs pull`"),
        (b"<!DOCTYPE html><html>", "is an HTML page", "error page"),
        (b"\n <!doctype html>", "is an HTML page", "error page"),
        (b"<HTML><body>", "is an HTML page", "error page"),
        (b"PK\x03\x04archive/data.pkl", "is a zip archive", "export the checkpoint to ONNX first"),
        (b"\x80\x02}q\x00.", "is a Python pickle", "export the checkpoint to ONNX first"),
        (b"\x80\x04\x95\x10\x00", "is a Python pickle", "export the checkpoint to ONNX first"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 (Keras) file", "tf2onnx"),
        (b"a model, in words\n", "is not an ONNX model, or is cut off", "is it complete?"),
        (b'{"message": "Not Found"}', "is not an ONNX model, or is cut off", "is it complete?"),
        (bytes(100), "is not an ONNX model, or is cut off", "is it complete?"),
        (b"\n", "is not an ONNX model, or is cut off", "is it complete?"),
        (b"\x08\x08", "is not an ONNX model, or is cut off", "is it complete?"),
    ],
)
def test_a_file_that_is_no_model_is_refused_for_what_it_is(
    tmp_path: Path, content: bytes, message: str, hint: str
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    error = refusal_of(path)

    assert error.message.startswith(f"`{path}` {message}")
    assert hint in error.hint


@pytest.mark.parametrize("part", ["output", "opset_import"])
def test_a_model_without_outputs_or_opset_is_refused(small_models: Any, save_model: SaveModel, part: str) -> None:
    model = small_models.conv()
    (model if part == "opset_import" else model.graph).ClearField(part)

    assert refusal_of(save_model(model)).message.endswith("holds no usable ONNX graph")


def test_a_model_without_version_is_none(small_models: Any, save_model: SaveModel) -> None:
    model = small_models.conv()
    model.ClearField("ir_version")

    assert "is not an ONNX model" in refusal_of(save_model(model)).message


def test_a_missing_an_empty_and_a_folder_model_are_refused(tmp_path: Path) -> None:
    assert refusal_of(tmp_path / "no.onnx").message == f"model `{tmp_path / 'no.onnx'}` does not exist"

    (tmp_path / "empty.onnx").touch()
    assert refusal_of(tmp_path / "empty.onnx").message == f"model `{tmp_path / 'empty.onnx'}` is empty (0 bytes)"

    (tmp_path / "folder.onnx").mkdir()
    assert "is not a regular file" in refusal_of(tmp_path / "folder.onnx").message


def test_a_fifo_with_a_models_name_does_not_block(fifo: Callable[[str], Path], ends_soon: EndsSoon) -> None:
    path = fifo("m.onnx")
    for read in (load_onnx, read_proto, onnx_artifact):
        with pytest.raises(InputError, match="is not a regular file"):
            ends_soon(lambda read=read: read(path))


def test_a_model_cut_off_anywhere_is_refused(small_models: Any, save_model: SaveModel) -> None:
    path = save_model(small_models.conv())
    whole = path.read_bytes()
    for length in [*range(1, len(whole), 13), len(whole) - 1]:
        path.write_bytes(whole[:length])

        assert "is not an ONNX model, or is cut off" in refusal_of(path).message


def test_damage_anywhere_is_refused_or_harmless(small_models: Any, save_model: SaveModel) -> None:
    path, dice = save_model(small_models.conv()), random.Random(0)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        broken = bytearray(whole)
        broken[dice.randrange(len(broken))] = dice.randrange(256)
        path.write_bytes(broken)
        try:
            onnx_artifact(path, load_onnx(path))
        except InputError:
            refused += 1

    assert refused > 20


def test_a_graph_nested_without_end_is_refused(small_models: Any, save_model: SaveModel) -> None:
    inner = b""
    for _ in range(3000):  # graph { node { attribute { g } } }, written by hand since protobuf would not
        for field in (6, 5, 1):
            inner = bytes([field << 3 | 2]) + _varint(len(inner)) + inner
    path = save_model(small_models.conv())
    path.write_bytes(path.read_bytes() + bytes([7 << 3 | 2]) + _varint(len(inner)) + inner)

    assert "is not an ONNX model" in refusal_of(path).message


def _varint(number: int) -> bytes:
    low = bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
    return low + (_varint(number >> 7) if number > 0x7F else b"")


# ------------------------------------------------------------------ external data


@pytest.mark.parametrize("place", ["initializer", "attribute", "branch"])
def test_external_data_beside_the_model_is_read_in(save_external: SaveModel, outputs_of: Any, place: str) -> None:
    model = load_onnx(save_external("weights.bin", place=place))

    assert outputs_of(model, {"x": np.zeros(4, np.float32)})["y"].tolist() == [0, 1, 2, 3]


def test_external_data_counts_in_the_size_and_the_digest(save_external: SaveModel, tmp_path: Path) -> None:
    path = save_external("weights.bin")
    first = onnx_artifact(path)
    assert first.size_bytes == path.stat().st_size + 16
    assert (
        first.sha256 == hashlib.sha256(f"{sha256_of(path)}\n{sha256_of(tmp_path / 'weights.bin')}".encode()).hexdigest()
    )

    (tmp_path / "weights.bin").write_bytes(bytes(16))
    assert onnx_artifact(path).sha256 != first.sha256


def test_external_data_read_in_is_no_file_any_more(save_external: SaveModel, tmp_path: Path) -> None:
    path = save_external("weights.bin")

    assert external_files(path, read_proto(path)) == (tmp_path / "weights.bin",)
    assert external_files(path, load_onnx(path)) == ()


@pytest.mark.parametrize("place", ["initializer", "attribute", "branch", "sparse"])
@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "a/../../secret.bin", "ABSOLUTE", "/dev/zero", "/etc/passwd", "linked/secret.bin", "sym"],
)
def test_external_data_outside_the_folder_is_refused(
    save_external: SaveModel, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, location: str, place: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.bin").write_bytes(bytes(16))
    (tmp_path.parent / "secret.bin").write_bytes(bytes(16))
    (tmp_path / "linked").symlink_to(outside)
    (tmp_path / "sym").symlink_to(outside / "secret.bin")
    location = location.replace("ABSOLUTE", str(outside / "secret.bin"))
    path = save_external(location, place=place)
    error = refusal_of(path)

    assert error.message == f"external data of tensor `w` lies outside the folder of `{path}`: `{location}`"
    assert "do not run models from a source that you do not trust" in error.hint


@pytest.mark.parametrize("place", ["initializer", "sparse"])
def test_external_data_that_is_a_link_is_refused(save_external: SaveModel, tmp_path: Path, place: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    os.link(tmp_path / "secret.bin", tmp_path / "hard.bin")
    (tmp_path / "soft.bin").symlink_to("weights.bin")
    for name in ("hard.bin", "soft.bin"):
        error = refusal_of(save_external(name, place=place))

        assert error.message == f"external data `{tmp_path / name}` is a link"
        assert error.hint.startswith("put a copy in its place: cp ")


@pytest.mark.parametrize("location", ["loop", "loop/x", "a\0b"])
def test_external_data_that_leads_nowhere_is_refused(save_external: SaveModel, tmp_path: Path, location: str) -> None:
    (tmp_path / "loop").symlink_to("loop")

    assert "lies outside the folder" in refusal_of(save_external(location)).message


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("missing.bin", "does not exist"),
        ("", "is not a regular file"),
        ("folder", "is not a regular file"),
        ("empty.bin", "is empty (0 bytes)"),
        ("a" * 5000, "cannot be read"),
    ],
)
def test_external_data_that_is_no_file_is_refused(
    save_external: SaveModel, tmp_path: Path, location: str, message: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.bin").touch()
    error = refusal_of(save_external(location))

    assert error.message.startswith("external data `")
    assert message in error.message


def test_external_data_that_is_a_fifo_does_not_block(
    save_external: SaveModel, fifo: Callable[[str], Path], ends_soon: EndsSoon
) -> None:
    fifo("pipe.bin")
    path = save_external("pipe.bin")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: load_onnx(path))


@pytest.mark.parametrize(("key", "value"), [("__class__", "x"), ("location", "../secret.bin"), ("mode", "w")])
def test_an_unknown_or_repeated_key_of_external_data_is_refused(save_external: SaveModel, key: str, value: str) -> None:
    error = refusal_of(save_external("weights.bin", (key, value)))

    assert error.message.endswith(f"has an unknown or repeated key `{key}`")
    assert error.hint


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "-5"), ("offset", "99"), ("length", str(2**52)), ("length", "-1"), ("length", "four")]
)
def test_external_data_out_of_its_files_bounds_is_refused(save_external: SaveModel, key: str, value: str) -> None:
    error = refusal_of(save_external("weights.bin", (key, value)))

    assert error.message.startswith("external data of tensor `w` in `")
    assert error.message.endswith("does not lie within its file `weights.bin`")
    assert "save it again" in error.hint


def test_external_data_may_be_a_slice_of_its_file(save_external: SaveModel, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(32) + np.arange(4, dtype=np.float32).tobytes())
    model = load_onnx(save_external("weights.bin", ("offset", "32"), ("length", "16")))

    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).tolist() == [0, 1, 2, 3]


def test_external_data_of_a_sparse_tensor_is_refused(save_external: SaveModel) -> None:
    with pytest.raises(InputError, match=r"external data of sparse tensor `w` in .* is not read"):
        load_onnx(save_external("weights.bin", place="sparse"))


def sparse(small_models: Any, where: list[Any], dims: tuple[int, ...] = (3, 2)) -> Any:
    """x (batch, 3) @ sparse w (3, 2) -> y, with the values 1, 2, ... at `where`."""
    model = small_models.model(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        [small_models.value("x", "batch", 3)],
        [small_models.value("y", "batch", 2)],
    )
    tensor = model.graph.sparse_initializer.add(dims=dims)
    tensor.values.CopyFrom(onnx.numpy_helper.from_array(np.arange(1, len(where) + 1, dtype=np.float32), "w"))
    tensor.indices.CopyFrom(onnx.numpy_helper.from_array(np.array(where, np.int64), "where"))
    return model


@pytest.mark.parametrize("where", [[1, 4], [[0, 1], [2, 0]]])
def test_sparse_initializers_are_made_dense(small_models: Any, save_model: SaveModel, where: list[Any]) -> None:
    model = load_onnx(save_model(sparse(small_models, where)))

    (weight,) = model.graph.initializer
    assert not model.graph.sparse_initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), [[0, 1], [0, 0], [2, 0]])
    assert weight.name == "w"


@pytest.mark.parametrize(("where", "dims"), [([1, 7], (3, 2)), ([[0, 1], [3, 0]], (3, 2)), ([[0], [1]], (3, 2))])
def test_a_sparse_initializer_that_is_damaged_is_refused(
    small_models: Any, save_model: SaveModel, where: list[Any], dims: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match=r"sparse tensor `w` in .* is damaged"):
        load_onnx(save_model(sparse(small_models, where, dims)))


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 40), (-3, -2)])
def test_a_sparse_initializer_that_would_fill_the_memory_is_refused(
    small_models: Any, save_model: SaveModel, dims: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match="too large to be made dense"):
        load_onnx(save_model(sparse(small_models, [0], dims)))
