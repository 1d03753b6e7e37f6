"""What was converted or simplified is shown from its record alone."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from edgeopt.report.convert_text import CONVERT_VIEWS

SPEC = {"name": "image", "shape": ["", 3, 8, 8], "dtype": "float32"}


def shown(name: str, record: dict[str, Any]) -> list[str]:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(CONVERT_VIEWS[name](record))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.fixture
def converted() -> dict[str, Any]:
    output = {
        "name": "scores",
        "runtime": "litert",
        "max_difference": 1.5e-6,
        "mean_difference": 1e-7,
        "relative": 3e-7,
        "sqnr_db": 120.0,
    }
    return {
        "input": {"path": "net.py:build", "format": "torch"},
        "output": {"path": "net.tflite", "size_bytes": 2048, "inputs": [SPEC], "outputs": []},
        "operators": {"CONV_2D": 9, "ADD": 3},
        "proof": {"told": "outputs within rounding", "outputs": [output, {**output, "sqnr_db": 41.25}]},
        "steps": [],
        "warnings": [],
    }


def test_a_conversion_shows_its_source_and_how_close_each_output_is(converted: dict[str, Any]) -> None:
    lines = shown("convert", converted)

    assert "source     net.py:build" in lines
    assert "input      image  ? x 3 x 8 x 8  float32" in lines
    assert "operators  9 CONV_2D, 3 ADD" in lines
    assert "proof      outputs within rounding" in lines
    assert any(line.endswith("exact") and "1.5e-06" in line and "3e-07" in line for line in lines)
    assert any(line.endswith("41.2 dB") for line in lines)


def test_a_dry_run_and_a_result_without_proof_are_said(converted: dict[str, Any]) -> None:
    lines = shown("convert", {**converted, "output": None, "proof": None})

    assert "dry run    nothing was written" in lines
    assert not any(line.startswith("proof") for line in lines)


def test_an_array_is_named(converted: dict[str, Any]) -> None:
    lines = shown("convert", {**converted, "array": {"name": "model_net", "size_bytes": 98_496}})

    assert "array      model_net, 98.5 KB" in lines


def test_escape_codes_of_a_hostile_name_are_not_shown(converted: dict[str, Any]) -> None:
    converted["proof"]["outputs"][0]["name"] = "a\x1b[31mb"

    assert not any("\x1b" in line for line in shown("convert", converted))


@pytest.mark.parametrize(
    ("changed", "samples", "told"),
    [
        (True, 0, "outputs proven equal on random inputs"),
        (True, 5, "outputs proven equal on random inputs and on samples of d.npz"),
        (False, 0, "it was as simple before"),
    ],
)
def test_what_simplifying_took_off_is_shown(changed: bool, samples: int, told: str) -> None:
    record = {
        "input": {"path": "m.onnx", "size_bytes": 4096},
        "output": {"path": "m.simple.onnx", "size_bytes": 2048},
        "nodes": {"before": 4, "after": 2},
        "constants": {"before": 7, "after": 5},
        "is_changed": changed,
        "samples": {"samples": samples, "source": "d.npz"},
        "steps": [],
    }

    lines = shown("simplify", record)

    assert "nodes      4 to 2" in lines
    assert "constants  7 to 5" in lines
    assert any(line.startswith("size       4.1") for line in lines)
    assert f"proof      {told}" in lines
