"""`convert` and `simplify` through the program: their documents, their text, their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = {"schema", "edgeopt", "command", "environment", "artifacts", "measurements"}
Program = Callable[..., Any]


def test_convert_prints_a_run_and_records_it(edgeopt: Program, folder: Path) -> None:
    left = edgeopt("convert", "model.onnx", "--json")

    assert left.code == 0
    assert left.json.keys() >= RUN | {"input", "output", "proof", "operators", "warnings"}
    assert left.json["output"]["path"] == "model.tflite"
    for entry in left.json["proof"]["outputs"]:
        assert entry.keys() >= {"name", "max_difference", "mean_difference", "relative", "sqnr_db", "runtime", "origin"}
    assert edgeopt("runs", "list", "--json").json["runs"][0]["command"] == "convert"


def test_convert_shows_what_was_made_and_how_far_the_outputs_are_apart(edgeopt: Program, folder: Path) -> None:
    shown = edgeopt("convert", "model.onnx", "-o", "net.h", "--data", "data.npz", "--no-record")

    assert shown.code == 0
    assert shown.errors == []
    lines = shown.out.splitlines()
    assert lines[0].split() == ["source", "model.onnx"]
    assert lines[1].split() == ["written", "net.h"]
    assert any(line.startswith("array") and "model_net" in line for line in lines)
    assert any(line.startswith("operators") and "2 FULLY_CONNECTED" in line for line in lines)
    assert "3 random, 16 real batches" in shown.out
    assert "litert-reference" in shown.out


def test_simplify_prints_a_run_and_shows_what_went(edgeopt: Program, folder: Path, small_models: Any) -> None:
    (folder / "padded.onnx").write_bytes(small_models.padded().SerializeToString())

    record = edgeopt("simplify", "padded.onnx", "--json").json
    shown = edgeopt("simplify", "padded.onnx", "--force", "--no-cache").out

    assert record.keys() >= RUN | {"input", "output", "nodes", "constants", "warnings"}
    assert record["output"]["path"] == "padded.simple.onnx"
    assert "nodes      4 to 2" in shown
    assert "outputs proven equal on random inputs" in shown


@pytest.mark.parametrize("command", ["convert", "simplify"])
def test_a_dry_run_says_so(edgeopt: Program, folder: Path, command: str) -> None:
    before = sorted(path.name for path in folder.iterdir())

    left = edgeopt(command, "model.onnx", "--dry-run")

    assert left.code == 0
    assert "nothing was written" in left.out
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("model.onnx", "-o", "x.txt"), 2, "output `x.txt` ends in `.txt`"),
        (("none.onnx",), 2, "model `none.onnx` does not exist"),
        (("model.onnx", "--input", "y=1x3"), 2, "no input `y`"),
        (("net.keras",), 6, "`net.keras` is a Keras or TensorFlow model"),
        (("model.onnx", "--via-timeout", "0"), 2, "--via-timeout"),
        (("model.onnx", "--layout", "nwhc"), 2, "nwhc"),
    ],
)
def test_failures_have_codes_and_documents(
    edgeopt: Program, folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    left = edgeopt("convert", *arguments, "--json")

    assert left.code == code
    assert left.json["error"]["code"] == code
    assert message in left.json["error"]["message"]
    assert not (folder / "model.tflite").exists()


def test_another_tool_that_is_missing_ends_with_code_5_and_one_that_fails_with_7(
    edgeopt: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = folder / "empty" / "onnx2tf"
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    (empty / "__main__.py").write_text("raise SystemExit(9)")

    with monkeypatch.context() as missing:
        missing.setattr("edgeopt.steps.via.tools.find_spec", lambda _name: None)
        absent = edgeopt("convert", "model.onnx", "--via", "onnx2tf", "--json")
    monkeypatch.setenv("PYTHONPATH", str(empty.parent))
    failing = edgeopt("convert", "model.onnx", "--via", "onnx2tf", "--via-python", sys.executable, "--json")

    assert (absent.code, failing.code) == (5, 7)
    assert "pip install onnx2tf" in absent.json["error"]["hint"]
    assert "ended with code 9" in failing.json["error"]["message"]


def test_the_layout_of_the_data_has_an_option_of_its_own(edgeopt: Program, folder: Path) -> None:
    told = edgeopt("convert", "--help").out

    assert "--data-layout [nchw|nhwc]" in told
    assert "--layout [nhwc|nchw]" in told
