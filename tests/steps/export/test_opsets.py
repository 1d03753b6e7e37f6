"""The opset to export in, by the runtime that is to take the model."""

from __future__ import annotations

import pytest

from edgeopt.errors import InputError
from edgeopt.steps.export.opsets import DEFAULT_OPSET, checked_opset, opset_for


@pytest.mark.parametrize(
    ("runtime", "version", "opset"),
    [
        ("onnxruntime", "", DEFAULT_OPSET),
        ("onnxruntime", "1.32.0", DEFAULT_OPSET),
        ("onnxruntime", "1.14", DEFAULT_OPSET),
        ("onnxruntime", "1.13.1", 17),
        ("onnxruntime", "1.10.0", 15),
        ("onnxruntime", "1.7", 13),
        ("litert", "2.0", DEFAULT_OPSET),
    ],
)
def test_an_old_runtime_gets_an_opset_that_it_takes(runtime: str, version: str, opset: int) -> None:
    assert opset_for(runtime, version) == opset


@pytest.mark.parametrize("version", ["new", "1", "1.x"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InputError, match=f"`{version}` is no version of ONNX Runtime"):
        opset_for("onnxruntime", version)


def test_a_runtime_before_quantization_per_channel_is_refused() -> None:
    with pytest.raises(InputError, match=r"ONNX Runtime `1\.2\.0` takes no opset from 13 on"):
        opset_for("onnxruntime", "1.2.0")


@pytest.mark.parametrize("opset", [12, 24])
def test_an_opset_that_nobody_writes_is_refused(opset: int) -> None:
    with pytest.raises(InputError, match=f"opset `{opset}` cannot be written"):
        checked_opset(opset)


def test_the_default_stands_where_none_is_asked_for() -> None:
    assert checked_opset(None) == DEFAULT_OPSET
    assert checked_opset(17) == 17
