"""An artifact is a file with its digest, its size and its tensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeopt.core.artifact import Artifact, Quantization, TensorSpec, artifact_from_file
from edgeopt.errors import InputError, Unsupported

IMAGE = TensorSpec(name="image", shape=("batch", 3, "", 8), dtype="float32")


def test_free_axes_become_one_and_the_batch_what_is_asked() -> None:
    assert IMAGE.concrete_shape() == (1, 3, 1, 8)
    assert IMAGE.concrete_shape(batch=5) == (5, 3, 1, 8)


def test_a_fixed_batch_stays() -> None:
    fixed = TensorSpec(name="x", shape=(1, 3), dtype="float32")

    assert fixed.concrete_shape(batch=5) == (1, 3)
    assert not fixed.has_free_batch
    assert IMAGE.has_free_batch
    assert not TensorSpec(name="s", shape=(), dtype="float32").has_free_batch


def test_a_tensor_is_written_with_its_axes() -> None:
    assert str(IMAGE) == "image (batch x 3 x ? x 8) float32"


@pytest.mark.parametrize(
    ("name", "kind"), [("m.onnx", "onnx"), ("M.ONNX", "onnx"), ("m.tflite", "tflite"), ("m.pt2", "torch")]
)
def test_the_ending_tells_the_format(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    artifact = artifact_from_file(tmp_path / name)

    assert artifact.format == kind
    assert artifact.size_bytes == 7
    assert artifact.sha256 == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.pb"])
def test_a_keras_model_is_unsupported_and_has_a_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unsupported, match="is a Keras or TensorFlow model") as caught:
        artifact_from_file(tmp_path / name)

    assert "tf2onnx" in caught.value.hint


def test_an_unknown_ending_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no known model ending") as caught:
        artifact_from_file(tmp_path / "weights.bin")

    assert caught.value.hint == "edgeopt reads .onnx, .tflite, .pt2"


def test_a_fifo_with_a_models_name_does_not_block(
    fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]
) -> None:
    path = fifo("m.tflite")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: artifact_from_file(path))


def test_the_json_form_has_the_promised_keys() -> None:
    artifact = Artifact(path=Path("m.onnx"), format="onnx", sha256="ab", size_bytes=7, inputs=(IMAGE,))

    record = json.loads(json.dumps(artifact.as_json()))
    assert list(record) == ["path", "format", "sha256", "size_bytes", "inputs", "outputs"]
    assert record["inputs"] == [{"name": "image", "shape": ["batch", 3, "", 8], "dtype": "float32"}]


def test_lineage_is_in_the_json_form_when_there_is_any() -> None:
    artifact = Artifact(path=Path("m.onnx"), format="onnx", sha256="ab", size_bytes=7, lineage={"parent": "cd"})

    assert artifact.as_json()["lineage"] == {"parent": "cd"}


def test_integers_stand_for_reals_and_back() -> None:
    quantization = Quantization(scale=0.5, zero_point=-3)
    values = np.array([-1.0, -0.25, 0.0, 0.25, 0.75, 61.0, 1e9, -1e9], np.float32)

    integers = quantization.quantized(values, "int8")

    assert integers.dtype == np.int8
    assert integers.tolist() == [-5, -3, -3, -3, -1, 119, 127, -128]  # ties to even; beyond the type, its ends
    assert quantization.dequantized(integers)[:6].tolist() == [-1.0, 0.0, 0.0, 0.0, 1.0, 61.0]
    assert quantization.dequantized(integers).dtype == np.float32


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_every_integer_is_its_own_image(dtype: str) -> None:
    limits = np.iinfo(dtype)
    quantization = Quantization(scale=0.0123, zero_point=int(limits.min) + 7)
    every = np.arange(limits.min, limits.max + 1).astype(dtype)

    np.testing.assert_array_equal(quantization.quantized(quantization.dequantized(every), dtype), every)


def test_what_integers_stand_for_is_in_the_record_where_it_is_known() -> None:
    known = TensorSpec(name="q", shape=(1,), dtype="int8", quantization=Quantization(scale=0.5, zero_point=1))
    record = Artifact(
        path=Path("m.tflite"), format="tflite", sha256="0", size_bytes=1, inputs=(known,), outputs=(IMAGE,)
    ).as_json()

    assert record["inputs"][0]["quantization"] == {"scale": 0.5, "zero_point": 1}
    assert record["outputs"][0].keys() == {"name", "shape", "dtype"}
