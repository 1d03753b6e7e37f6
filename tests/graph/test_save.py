"""Models are written whole or not at all, and those above protobuf's limit with their constants beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edgeopt.core.files import sha256_of
from edgeopt.errors import InputError
from edgeopt.graph import save
from edgeopt.graph.load import external_files, load_onnx, read_proto
from edgeopt.graph.save import as_source, fits_one_message, save_onnx

X = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)


@pytest.fixture
def wide(small_models: Any) -> Any:
    """x (batch, 64) -> Gemm to 32 -> scores; its weight takes 8 KB, its bias 128 bytes."""
    weight = np.random.default_rng(1).standard_normal((64, 32)).astype(np.float32)
    return small_models.model(
        [onnx.helper.make_node("Gemm", ["x", "weight", "bias"], ["scores"])],
        [small_models.value("x", "batch", 64)],
        [small_models.value("scores", "batch", 32)],
        small_models.constants(weight=weight, bias=np.ones(32, np.float32)),
    )


@pytest.fixture
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protobuf's limit as if it were 4 KB."""
    monkeypatch.setattr(save, "_MOST_BYTES", 4096)


def test_a_small_model_is_one_file(wide: Any, tmp_path: Path) -> None:
    save_onnx(wide, tmp_path / "out.onnx")

    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]
    assert (tmp_path / "out.onnx").read_bytes() == wide.SerializeToString()


@pytest.mark.usefixtures("_small_limit")
def test_a_large_model_has_its_large_constants_in_a_file_named_for_their_content(
    wide: Any, tmp_path: Path, outputs_of: Any
) -> None:
    before = wide.SerializeToString()
    assert not fits_one_message(wide)
    save_onnx(wide, tmp_path / "out.onnx")

    (data,) = external_files(tmp_path / "out.onnx", read_proto(tmp_path / "out.onnx"))
    assert data.name == f"edgeopt-{sha256_of(data)[:16]}.data"
    assert {path.name for path in tmp_path.iterdir()} == {"out.onnx", data.name}
    kept = {tensor.name: len(tensor.external_data) for tensor in read_proto(tmp_path / "out.onnx").graph.initializer}
    assert kept == {"weight": 3, "bias": 0}
    assert wide.SerializeToString() == before
    made = load_onnx(tmp_path / "out.onnx")
    np.testing.assert_array_equal(outputs_of(made, {"x": X})["scores"], outputs_of(wide, {"x": X})["scores"])


@pytest.mark.usefixtures("_small_limit")
def test_a_model_survives_being_overwritten_halfway(
    wide: Any, tmp_path: Path, outputs_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.onnx"
    save_onnx(wide, path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    other = onnx.ModelProto()
    other.CopyFrom(wide)
    other.graph.initializer[0].raw_data = bytes(64 * 32 * 4)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(save, "_set_location", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_onnx(other, path)

    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("_small_limit")
def test_a_session_opens_a_large_model_and_no_file_stays(
    wide: Any, outputs_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with as_source(wide) as source:
        session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])

    assert isinstance(source, str)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_allclose(session.run(None, {"x": X})[0], outputs_of(wide, {"x": X})["scores"], rtol=1e-5)


def test_a_session_takes_a_small_model_as_bytes(wide: Any) -> None:
    with as_source(wide) as source:
        assert source == wide.SerializeToString()
