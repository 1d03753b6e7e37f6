"""`convert` leads from any source to the format that the output's ending names, with proof and a record."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.run import run_from_json
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import EdgeoptError, ExtraMissing, InputError, ToolFailed, Unsupported
from edgeopt.graph.load import load_onnx, onnx_artifact
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.steps.tflite.operators import OPERATORS
from edgeopt.store.store import Store
from edgeopt.workflow.convert import convert
from edgeopt.workflow.record import record_run

SaveModel = Callable[..., Path]
ESTIMATOR = """
import numpy as np
from sklearn.linear_model import LogisticRegression
def build():
    x = np.random.default_rng(0).normal(size=(200, 4))
    return LogisticRegression().fit(x, (x[:, 0] > 0).astype(int))
"""


@pytest.fixture
def source(small_models: Any, save_model: SaveModel) -> Path:
    return save_model(small_models.conv())


def test_an_onnx_model_becomes_tflite_beside_it(source: Path) -> None:
    result = convert(source)

    made = source.with_suffix(".tflite")
    assert result.artifact is not None
    assert result.artifact.path == made
    assert [spec.name for spec in read_tflite(made).interface.inputs] == ["image"]
    assert result.as_json()["operators"]["CONV_2D"] == 1
    outputs = result.as_json()["proof"]["outputs"]
    assert {entry["runtime"] for entry in outputs} == {"litert", "litert-reference"}
    for entry in outputs:
        assert entry.keys() >= {"name", "max_difference", "mean_difference", "relative", "sqnr_db"}
        assert entry["relative"] < 1e-5


def test_the_record_names_source_and_result_with_its_lineage(source: Path, tmp_path: Path) -> None:
    result = convert(source)
    record = result.as_json()
    store = Store(tmp_path / "record")
    record_run(run_from_json(record, where="test"), store=store)

    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    assert record["input"]["sha256"] == onnx_artifact(source).sha256
    chain = store.lineage(record["output"]["sha256"]).chain
    assert [generation.sha256 for generation in chain] == [record["input"]["sha256"], record["output"]["sha256"]]
    assert chain[-1].made is not None
    assert chain[-1].made.step == "convert"


def test_a_conversion_that_was_done_before_is_taken_from_the_record(source: Path, tmp_path: Path) -> None:
    first = convert(source, cache=tmp_path / "record")
    again = convert(source, cache=tmp_path / "record", force=True)

    assert [bool(result.steps[0].date) for result in (first, again)] == [False, True]
    assert again.artifact is not None
    assert first.artifact is not None
    assert again.artifact.sha256 == first.artifact.sha256
    assert again.as_json()["proof"] == first.as_json()["proof"]


def test_a_header_holds_the_tflite_model(source: Path, tmp_path: Path) -> None:
    header, model = tmp_path / "net.h", tmp_path / "net.tflite"
    convert(source, output=model)

    result = convert(source, output=header)

    record = result.as_json()
    assert record["output"]["format"] == "c"
    assert record["array"]["name"] == "model_net"
    assert record["array"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert record["proof"]["outputs"]
    assert "model_net_len" in header.read_text()


def test_a_tflite_model_becomes_a_header_beside_it(source: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    convert(source, output=model)

    result = convert(model)

    assert result.artifact is not None
    assert result.artifact.path == tmp_path / "net.h"
    assert result.as_json()["proof"] is None
    assert result.as_json()["operators"]["CONV_2D"] == 1


def test_real_samples_are_compared_too(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=np.random.default_rng(0).integers(0, 255, (20, 8, 8, 3), np.uint8))

    result = convert(source, data=data, preprocess=Preprocess(scale=1 / 255, layout="nhwc"))

    assert result.as_json()["proof"]["samples"] == {"random": 3, "real": 16}
    assert result.artifact is not None
    told = result.artifact.lineage["data"]
    assert told == {"source": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest(), "samples": 20}


def test_an_estimator_becomes_onnx_under_the_name_of_its_factory(tmp_path: Path) -> None:
    code = tmp_path / "credit.py"
    code.write_text(ESTIMATOR)

    result = convert(f"{code}:build")

    record = result.as_json()
    assert result.artifact is not None
    assert result.artifact.path == tmp_path / "build.onnx"
    assert onnx_artifact(result.artifact.path).outputs[0].name == "probabilities"
    assert record["input"] == {"path": f"{code}:build", "format": "sklearn"}
    assert [entry["role"] for entry in record["artifacts"]] == ["candidate"]
    assert record["proof"]["told"].startswith("outputs equal those of scikit-learn")
    assert record["proof"]["outputs"][0]["runtime"] == "onnxruntime"


def test_what_goes_wrong_behind_an_export_is_told_of_the_source(tmp_path: Path) -> None:
    code = tmp_path / "strange.py"
    code.write_text(
        "from sklearn.ensemble import IsolationForest\nimport numpy as np\n"
        "def build():\n    return IsolationForest(n_estimators=3).fit(np.random.default_rng(0).normal(size=(50, 3)))\n"
    )

    with pytest.raises(EdgeoptError) as caught:
        convert(f"{code}:build", output=tmp_path / "out.tflite")
    assert "/model.onnx" not in caught.value.message
    assert not (tmp_path / "out.tflite").exists()


def test_shapes_of_an_onnx_model_are_fixed_and_its_opset_changed(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "fixed.onnx"

    result = convert(source, output=output, inputs=["image=2x3x8x8"], opset=18)

    model = load_onnx(output)
    assert onnx_artifact(output).inputs[0].shape == (2, 3, 8, 8)
    assert onnx_artifact(output).outputs[0].shape == (2, 5)
    assert model.opset_import[0].version == 18
    assert result.as_json()["opset"] == 18


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"output": "x.txt"}, "output `x.txt` ends in `.txt`", ".onnx, .tflite or .h"),
        ({"output": "x"}, "output `x` ends in ``", ".onnx, .tflite or .h"),
        ({"output": "x.onnx"}, "is ONNX already", "edgeopt simplify"),
        ({"inputs": ["imag=1x3x8x8"]}, "no input `imag`", "did you mean `image`?"),
        ({"inputs": ["image=1x3"]}, "image", ""),
        ({"inputs": ["image"]}, "input `image` cannot be understood", "--input x=1x3x32x32"),
        ({"inputs": ["image=nx3x8x8"]}, "axis `n` of input `image` has no length", "write a number"),
        ({"inputs": ["image=1x3x8x8:int8"]}, "input `image` is float32, not `int8`", "--io int8"),
        ({"inputs": ["image=1x3x8x8:int8"], "output": "x.onnx"}, "input `image` is float32, not `int8`", ""),
        ({"checkpoint": "w.pt"}, "`--checkpoint w.pt` says nothing here", "leave `--checkpoint` out"),
        ({"opset": 17}, "`--opset 17` says nothing here", "leave `--opset` out"),
        ({"output": "x.onnx", "inputs": ["image=1x3x8x8"], "layout": "nhwc"}, "`--layout nhwc`", ""),
        ({"via": "onnx2tf", "io": "int8"}, "`--io int8` says nothing here: the tool chooses it", ""),
        ({"via": "litert-torch"}, "it converts torch modules and programs", ""),
        ({"via": "nobody"}, "unknown converter `nobody`", "litert-torch, onnx2tf"),
        ({"via_python": "python"}, "`--via-python` says nothing here", ""),
        ({"output": "nowhere/x.tflite"}, "the folder of output", "mkdir"),
        ({"output": "x.onnx", "opset": 99}, "opset `99` is not known", "one from"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    source: Path, monkeypatch: pytest.MonkeyPatch, options: Any, message: str, hint: str
) -> None:
    monkeypatch.chdir(source.parent)

    with pytest.raises(InputError) as caught:
        convert(source.name, **options)

    assert message in caught.value.message
    assert hint in caught.value.hint
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.pb"])
def test_keras_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89HDF")

    with pytest.raises(Unsupported, match="is a Keras or TensorFlow model") as caught:
        convert(tmp_path / name)
    assert "tf2onnx" in caught.value.hint


def test_tflite_is_not_turned_back(source: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    convert(source, output=model)

    for name in ("net.onnx", "other.tflite"):
        with pytest.raises(Unsupported, match="is TFLite already") as caught:
            convert(model, output=tmp_path / name)
        assert "start from the model that it was made of" in caught.value.hint


def test_an_existing_output_stays_unless_forced(source: Path) -> None:
    made = source.with_suffix(".tflite")
    made.write_text("older")

    with pytest.raises(InputError, match="exists"):
        convert(source)
    assert made.read_text() == "older"
    convert(source, force=True)
    assert read_tflite(made).graphs


def test_a_dry_run_proves_and_writes_nothing(source: Path) -> None:
    result = convert(source, dry_run=True)

    assert result.artifact is None
    assert result.as_json()["output"] is None
    assert result.as_json()["proof"]["outputs"]
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


def test_an_operator_without_counterpart_is_named_and_nothing_written(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OPERATORS, "GlobalAveragePool")

    with pytest.raises(Unsupported, match=r"`pool` \(GlobalAveragePool\)"):
        convert(source)
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


def test_an_interrupted_conversion_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_values: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeopt.steps.convert.proof_of", interrupt)

    with pytest.raises(KeyboardInterrupt):
        convert(source)
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


def test_a_wrong_conversion_is_not_written_and_its_node_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeopt.steps.tflite.step import Tflite

    right = Tflite.apply

    def wrong(self: Tflite, model: Path, output: Path, *rest: Any, **options: Any) -> Any:
        report = right(self, model, output, *rest, **options)
        graph, content = read_tflite(output).graphs[0], bytearray(output.read_bytes())
        found = next(each for each in graph.operators if each.name == "CONV_2D")
        start, size = graph.tensors[found.inputs[1]].data
        values = np.frombuffer(bytes(content[start : start + size]), np.float32) * np.float32(1.01)
        content[start : start + size] = values.astype(np.float32).tobytes()
        output.write_bytes(bytes(content))
        return report

    monkeypatch.setattr(Tflite, "apply", wrong)

    with pytest.raises(Unsupported) as caught:
        convert(source)
    assert "output `scores` of the converted model differs by" in caught.value.message
    assert "the two part at Conv `conv`" in caught.value.message
    assert "nothing is written" in caught.value.message
    assert [path.name for path in source.parent.iterdir()] == ["model.onnx"]


def test_a_tool_that_fails_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "onnx2tf"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('no luck')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))

    with pytest.raises(ToolFailed, match="onnx2tf ended with code 1: no luck"):
        convert(source, via="onnx2tf", via_python=sys.executable)
    assert not source.with_suffix(".tflite").exists()


class TestTorch:
    """Torch modules, on the way to ONNX and to TFLite."""

    @pytest.fixture
    def code(self, tmp_path: Path) -> Path:
        pytest.importorskip("torch")
        code = tmp_path / "net.py"
        code.write_text(
            "import torch\n"
            "def build():\n"
            "    torch.manual_seed(0)\n"
            "    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), "
            "torch.nn.Linear(144, 5)).eval()\n"
            "def example_inputs():\n"
            "    return (torch.zeros(1, 3, 8, 8),)\n"
        )
        return code

    def test_a_module_becomes_tflite_with_both_proofs(self, code: Path, tmp_path: Path) -> None:
        result = convert(f"{code}:build", output=tmp_path / "net.tflite")

        proof = result.as_json()["proof"]
        assert [entry["runtime"] for entry in proof["outputs"]] == ["onnxruntime", "litert", "litert-reference"]
        assert all(entry["relative"] < 1e-4 for entry in proof["outputs"])
        assert "torch" in proof["told"]
        assert "LiteRT" in proof["told"]

    def test_the_shape_that_is_given_is_that_of_the_tflite_model(self, code: Path, tmp_path: Path) -> None:
        convert(f"{code}:build", output=tmp_path / "net.tflite", inputs=["input=3x3x8x8"])

        assert read_tflite(tmp_path / "net.tflite").interface.inputs[0].shape == (3, 3, 8, 8)

    def test_a_program_for_another_tool_is_what_it_converts(self, code: Path, tmp_path: Path) -> None:
        import torch

        from edgeopt.steps.export.reference import source_from_text
        from edgeopt.steps.via.program import write_program

        named = source_from_text(f"{code}:build")
        write_program(named, tmp_path / "net.pt2", None, {})

        program = torch.export.load(tmp_path / "net.pt2")
        image = torch.randn(1, 3, 8, 8)
        (given,) = program.module()(image)
        torch.testing.assert_close(given, named.value(image))

    def test_a_tool_that_takes_programs_is_held_to_the_onnx_model(
        self, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A package called litert_torch that hands out a file: what it is given is a program that torch loads."""
        right = tmp_path / "right.tflite"
        convert(f"{code}:build", output=right)
        package = tmp_path / "site" / "litert_torch"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            "import pathlib\n"
            "class Made:\n"
            "    def export(self, path):\n"
            f"        pathlib.Path(path).write_bytes(pathlib.Path({str(right)!r}).read_bytes())\n"
            "def convert(module, args):\n"
            "    assert module(*args)[0].shape == (1, 5)\n"
            "    return Made()\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

        result = convert(f"{code}:build", output=tmp_path / "net.tflite", via="litert-torch", via_python=sys.executable)

        record = result.as_json()
        assert record["via"] == "litert-torch"
        assert [entry["runtime"] for entry in record["proof"]["outputs"]] == [
            "onnxruntime",
            "litert",
            "litert-reference",
        ]
        assert (tmp_path / "net.tflite").read_bytes() == right.read_bytes()

    @pytest.mark.peers
    def test_the_real_litert_torch_is_proven(self, code: Path, tmp_path: Path) -> None:
        python = os.environ.get("EDGEOPT_LITERT_TORCH_PYTHON", "")
        try:
            result = convert(
                f"{code}:build", output=tmp_path / "net.tflite", via="litert-torch", via_python=python or None
            )
        except ExtraMissing as error:
            pytest.skip(error.message)

        assert all(entry["relative"] < 1e-4 for entry in result.as_json()["proof"]["outputs"])
