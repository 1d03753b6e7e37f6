"""The model that ships, quantized and converted as the README says."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeopt
from edgeopt.workflow.inputs import BUNDLED_DATA, BUNDLED_MODEL, bundled


@pytest.mark.parametrize("io", ["float32", "int8"])
def test_a_model_quantized_for_arm_becomes_integers_throughout_and_is_proven(tmp_path: Path, io: str) -> None:
    quantized = tmp_path / "arm.onnx"
    edgeopt.quantize(bundled(BUNDLED_MODEL), output=quantized, data=bundled(BUNDLED_DATA), target="rpi4", measure=False)

    made = edgeopt.convert(quantized, output=tmp_path / "arm.tflite", io=io).as_json()

    boundary = {} if io == "int8" else {"QUANTIZE": 1, "DEQUANTIZE": 1}
    assert {kind: count for kind, count in made["operators"].items() if "QUANTIZE" in kind} == boundary
    assert all(output["sqnr_db"] is None or output["sqnr_db"] > 35 for output in made["proof"]["outputs"])
