"""Other converters run in a process of their own, and whatever they do wrong is told.

`ToolAt` writes a Python package of a tool's name that does what a test says: it is found, run and judged as the real
tool would be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.core.dataset import no_samples
from edgeopt.errors import ExtraMissing, InputError, ToolFailed, Unsupported
from edgeopt.steps.convert import Convert
from edgeopt.steps.tflite.step import Tflite
from edgeopt.steps.via.tools import TOOLS, fixed_shapes, require_tool

SaveModel = Callable[..., Path]
ToolAt = Callable[[str], Path]
# What the tool's own command line says: `-i SOURCE -o FOLDER`.
FOLDER = "import sys, pathlib; folder = pathlib.Path(sys.argv[sys.argv.index('-o') + 1]); folder.mkdir(exist_ok=True)\n"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToolAt:
    """Makes `python -m onnx2tf` do what a script says."""

    def make(script: str) -> Path:
        package = tmp_path / "site" / "onnx2tf"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(FOLDER + script)
        monkeypatch.setenv("PYTHONPATH", str(package.parent))
        return package

    return make


@pytest.fixture
def source(small_models: Any, save_model: SaveModel) -> Path:
    return save_model(small_models.conv())


def convert(source: Path, **options: Any) -> Any:
    step = Convert(via="onnx2tf", via_python=sys.executable, **options)
    return step.apply(source, source.with_name("out.tflite"), no_samples())


def copying(path: Path, name: str = "model_float32.tflite") -> str:
    return f"folder.joinpath({name!r}).write_bytes(pathlib.Path({str(path)!r}).read_bytes())"


def test_what_a_tool_makes_is_proven_and_kept(source: Path, tool: ToolAt, tmp_path: Path) -> None:
    right = tmp_path / "right.tflite"
    Tflite().apply(source, right, no_samples())
    tool(copying(right))

    report = convert(source)

    assert source.with_name("out.tflite").read_bytes() == right.read_bytes()
    assert report.details["via"] == "onnx2tf"
    assert report.details["proof"]["samples"]["random"] == 3
    assert report.warnings == ()


def test_inputs_that_a_tool_lays_out_otherwise_are_told(
    source: Path, small_models: Any, tool: ToolAt, tmp_path: Path
) -> None:
    model = small_models.nhwc()
    nhwc = tmp_path / "nhwc.onnx"
    nhwc.write_bytes(model.SerializeToString())
    made = tmp_path / "nhwc.tflite"
    Tflite().apply(nhwc, made, no_samples())
    model.graph.node.pop(0)
    model.graph.node[0].input[0] = "picture"
    model.graph.input[0].CopyFrom(small_models.value("picture", "batch", 3, 8, 8))
    source.write_bytes(model.SerializeToString())
    tool(copying(made))

    report = convert(source)

    assert report.warnings == (
        "input `picture` is laid out otherwise: its axes come in the order 0, 2, 3, 1",
        "input `picture` is called `image` in the converted model",
    )


def test_a_wrong_result_is_refused_though_the_tool_ends_well(
    source: Path, small_models: Any, tool: ToolAt, tmp_path: Path
) -> None:
    model = small_models.conv()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    kernel.raw_data = (np.frombuffer(kernel.raw_data, np.float32) * np.float32(1.01)).tobytes()
    other, wrong = tmp_path / "other.onnx", tmp_path / "wrong.tflite"
    other.write_bytes(model.SerializeToString())
    Tflite().apply(other, wrong, no_samples())
    tool(copying(wrong))

    with pytest.raises(Unsupported, match="output `scores` of the converted model differs") as caught:
        convert(source)
    assert "without `--via`" in caught.value.hint
    assert not source.with_name("out.tflite").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "sys.stderr.write('one\\ntwo\\nthree\\nBoom: no such layer\\n'); sys.exit(3)",
            "ended with code 3: two / three / Boom",
        ),
        ("raise ValueError('bad shape')", "ended with code 1: .*ValueError: bad shape"),
        ("print('\\x1b[31mred\\x1b[0m'); sys.exit(2)", "ended with code 2: red$"),
        ("sys.exit(1)", "ended with code 1: it said nothing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by signal 9"),
        ("print('all is well')", "ended well and wrote no .tflite file"),
        ("folder.joinpath('m.tflite').write_bytes(b'garbage')", "what onnx2tf wrote cannot be used"),
        (
            "folder.joinpath('m.tflite').write_bytes(b'\\x1c\\0\\0\\0TFL3' + b'\\xff' * 90)",
            "what onnx2tf wrote cannot be used",
        ),
    ],
    ids=["code", "traceback", "colours", "silence", "signal", "nothing", "garbage", "damaged"],
)
def test_a_tool_that_fails_is_told_with_its_last_words(source: Path, tool: ToolAt, script: str, message: str) -> None:
    tool(script)

    with pytest.raises(ToolFailed, match=message) as caught:
        convert(source)
    assert "\n" not in caught.value.message
    assert "\x1b" not in caught.value.message
    assert [path.name for path in source.parent.glob("*.tflite")] == []


def test_a_custom_operator_is_refused_by_name(source: Path, tool: ToolAt, tmp_path: Path) -> None:
    right = tmp_path / "right.tflite"
    Tflite().apply(source, right, no_samples())
    custom = tmp_path / "custom.tflite"
    custom.write_bytes(_with_custom_operator(right.read_bytes()))
    tool(copying(custom))

    with pytest.raises(Unsupported, match="wrote operators that LiteRT lacks: `FlexErf`"):
        convert(source)


def _with_custom_operator(content: bytes) -> bytes:
    """The model with its first kind of operator made a custom one."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = schema.BuiltinOperator.CUSTOM, 32, "FlexErf"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_tool_that_is_missing_is_told_with_the_pip_line(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeopt.steps.via.tools.find_spec", lambda _name: None)

    with pytest.raises(ExtraMissing, match=r"onnx2tf is not installed") as caught:
        Convert(via="onnx2tf").apply(source, source.with_name("out.tflite"), no_samples())
    assert f"{sys.executable} -m pip install onnx2tf" in caught.value.hint


@pytest.mark.parametrize(
    ("python", "kind", "message"),
    [
        ("/no/such/python", InputError, "cannot be run"),
        ("/bin/false", InputError, "is no Python: it ended with code 1"),
    ],
)
def test_a_python_that_is_none_is_refused(python: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        require_tool(TOOLS["onnx2tf"], python)


def test_another_python_without_the_tool_is_told() -> None:
    absent = replace(TOOLS["onnx2tf"], module="no_such_module_anywhere")

    with pytest.raises(ExtraMissing, match="onnx2tf is not installed in") as caught:
        require_tool(absent, sys.executable)
    assert "--via-python" in caught.value.hint


def test_free_axes_but_the_batch_must_be_given(small_models: Any, save_model: SaveModel) -> None:
    value = small_models.value
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    source = save_model(small_models.model(nodes, [value("x", "n", "time", 4)], [value("y", "n", "time", 4)]))

    with pytest.raises(Unsupported, match="an axis of free length besides the batch") as caught:
        fixed_shapes(source, {})
    assert caught.value.hint == "fix it: --input x=nxtimex4"
    assert fixed_shapes(source, {"x": (2, 7, 4)}) == {"x": (2, 7, 4)}


@pytest.mark.peers
def test_the_real_onnx2tf_is_proven(source: Path) -> None:
    python = os.environ.get("EDGEOPT_ONNX2TF_PYTHON", "")
    try:
        require_tool(TOOLS["onnx2tf"], python)
    except ExtraMissing as error:
        pytest.skip(error.message)

    report = Convert(via="onnx2tf", via_python=python).apply(source, source.with_name("out.tflite"), no_samples())

    assert all(output["relative"] < 1e-4 for output in report.details["proof"]["outputs"])
