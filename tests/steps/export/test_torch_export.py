"""torch modules as ONNX files: same outputs, same names, a free batch; and each module that cannot be exported."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import edgeopt
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.runners import runner_named
from edgeopt.steps.export.proof import TOLERANCE
from edgeopt.steps.export.reference import Source
from edgeopt.steps.export.shapes import input_shapes_from_texts
from edgeopt.steps.export.torch_export import export_torch
from edgeopt.steps.protocol import StepReport

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

Written = Callable[..., str]
NET = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(4)
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(4, 2)
            self.norm.running_mean.uniform_(-1, 1)
            self.norm.running_var.uniform_(0.5, 2)
        def forward(self, image, weight):
            features = self.norm(self.convolution(image)).relu().mean((2, 3))
            return {"logits": self.drop(self.head(features)) * weight, "parts": (features, features * 2)}
    def build():
        return Net()
"""
SHAPES = ("image=1x3x8x8:float32", "weight=1x1")


def source_of(module: Any, *example: Any, **named: Any) -> Source:
    """What the reference to a module in a file with `example_inputs` gives."""
    file = SimpleNamespace(example_inputs=lambda: named or example)
    return Source(text="net.py:build", kind="torch", value=module, module=file)


def relative(report: StepReport) -> float:
    outputs = [output for each in report.details["proof"]["compared"] for output in each["outputs"].values()]
    return max(output["relative"]["value"] for output in outputs)


def test_names_stay_the_batch_is_free_and_batch_norm_is_folded(written: Written) -> None:
    report = export_torch(written(NET), Path("net.onnx"), shapes=input_shapes_from_texts(SHAPES))
    found = edgeopt.inspect("net.onnx")

    assert [str(each) for each in found.artifact.inputs] == [
        "image (batch x 3 x 8 x 8) float32",
        "weight (batch x 1) float32",
    ]
    assert [each.name for each in found.artifact.outputs] == ["logits", "parts_0", "parts_1"]
    assert "BatchNormalization" not in found.operators
    assert found.opsets == {"ai.onnx": 18}
    assert relative(report) < TOLERANCE
    assert report.details["exporter"] == {"name": "torch (dynamo)", "version": torch.__version__}
    assert report.details["fixed_batch"] == []
    assert report.warnings == ()


def test_the_file_gives_what_the_module_does(written: Written) -> None:
    torch.manual_seed(0)
    source = source_of(torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.ReLU()), torch.randn(1, 2, 9))
    export_torch(source, Path("net.onnx"))
    batch = torch.randn(5, 2, 9)
    with runner_named("onnxruntime").open(Path("net.onnx")) as session:
        given = session.infer({"input": batch.numpy()})["output"]
    with torch.no_grad():
        wanted = source.value(batch).numpy()

    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-6)


SLOW = ("mobilenet_v1", "mobilenet_v2", "resnet18", "cifar_resnet", "vit", "bert")


@pytest.mark.parametrize(
    "name", ["resnet8", "ds_cnn", "autoencoder", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_the_architectures_export(model_source: Callable[[str], str], name: str) -> None:
    report = export_torch(model_source(name), Path("net.onnx"))

    assert relative(report) < TOLERANCE
    assert report.details["fixed_batch"] == []
    assert [each["inputs"] for each in report.details["proof"]["compared"]] == ["random inputs"]


def test_the_users_samples_are_compared_too(written: Written) -> None:
    asked: list[tuple[TensorSpec, ...]] = []

    def samples(inputs: tuple[TensorSpec, ...]) -> Dataset:
        asked.append(inputs)
        rows = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
        return Dataset(inputs={"input": rows}, source="eval.npz", indices=np.arange(100))

    report = export_torch(source_of(torch.nn.Linear(3, 2), torch.randn(1, 3)), Path("net.onnx"), samples=samples)
    second = report.details["proof"]["compared"][1]

    assert [str(spec) for spec in asked[0]] == ["input (batch x 3) float32"]
    assert (second["inputs"], second["samples"]) == ("`eval.npz`", 64)
    assert second["outputs"]["output"]["relative"]["value"] < TOLERANCE


def test_a_class_a_module_and_numpy_examples_serve_too(written: Written) -> None:
    text = """
        import numpy as np
        from torch import nn
        class Net(nn.Linear):
            def __init__(self):
                super().__init__(3, 2)
        net = Net()
        def example_inputs():
            return np.ones((1, 3), dtype=np.float32)
    """
    for name in ("Net", "net"):
        assert relative(export_torch(written(text, name), Path("net.onnx"))) < TOLERANCE


def test_the_opset_asked_for_is_written() -> None:
    export_torch(source_of(torch.nn.Linear(3, 2), torch.randn(1, 3)), Path("net.onnx"), opset=20)

    assert edgeopt.inspect("net.onnx").opsets == {"ai.onnx": 20}


def test_an_axis_with_a_name_is_free(written: Written) -> None:
    text = """
        from torch import nn
        def build():
            return nn.Sequential(nn.Embedding(2, 4), nn.Linear(4, 3))
    """
    shapes = input_shapes_from_texts(["input=batchxtime:int64"])
    report = export_torch(written(text), Path("net.onnx"), shapes=shapes)

    assert str(edgeopt.inspect("net.onnx").artifact.inputs[0]) == "input (batch x time) int64"
    assert relative(report) < TOLERANCE


def test_a_batch_that_the_user_writes_is_fixed(written: Written) -> None:
    shapes = input_shapes_from_texts(["image=4x3x8x8", "weight=4x1"])
    report = export_torch(written(NET), Path("net.onnx"), shapes=shapes)

    assert edgeopt.inspect("net.onnx").artifact.inputs[0].shape == (4, 3, 8, 8)
    assert report.details["fixed_batch"] == ["image", "weight"]


@pytest.mark.parametrize(
    ("shapes", "message", "hint"),
    [
        ([], "the shape of `image`, `weight` is not known", "--input NAME=1x3x32x32:float32"),
        (SHAPES[:1], "the shape of `weight` is not known", "example_inputs()"),
        ([*SHAPES, "wieght=1x1"], "has no input `wieght`", "did you mean `weight`?"),
    ],
)
def test_inputs_that_are_not_known_are_refused(written: Written, shapes: list[str], message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        export_torch(written(NET), Path("net.onnx"), shapes=input_shapes_from_texts(shapes))

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_shape_that_the_module_fails_on_is_told_with_its_line(written: Written) -> None:
    shapes = input_shapes_from_texts(["image=1x4x8x8", "weight=1x1"])
    with pytest.raises(InputError, match=r"model `net\.py:build` failed: RuntimeError: .* 4 channels"):
        export_torch(written(NET), Path("net.onnx"), shapes=shapes)

    assert not Path("net.onnx").exists()


def half() -> Any:
    return torch.nn.Linear(3, 2).half()


def without_weights() -> Any:
    return torch.nn.Linear(3, 2, device="meta")


def scripted() -> Any:
    with pytest.deprecated_call():
        return torch.jit.script(torch.nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (half, "computes in `float16`"),
        (without_weights, "has no weights (device `meta`)"),
        (scripted, "is TorchScript"),
    ],
)
def test_a_module_that_is_not_ready_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        export_torch(source_of(make(), torch.randn(1, 3)), Path("net.onnx"))

    assert message in caught.value.message
    assert caught.value.hint


def test_an_example_that_fails_is_told_as_the_users() -> None:
    def fails() -> None:
        raise OSError("no file")

    source = Source(
        text="net.py:build", kind="torch", value=torch.nn.Linear(3, 2), module=SimpleNamespace(example_inputs=fails)
    )
    with pytest.raises(InputError, match=r"`example_inputs` of model `net\.py:build` failed: OSError: no file"):
        export_torch(source, Path("net.onnx"))


def test_a_wrong_export_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists stays, whatever either exporter writes."""
    from edgeopt.steps.export import torch_export

    def spoilt(exporter: Any) -> Any:
        def export(program: Any, opset: int) -> Any:
            import onnx

            model, told = exporter(program, opset)
            weight = next(each for each in model.graph.initializer if each.name == "weight")
            values = onnx.numpy_helper.to_array(weight) * np.float32(1.001)
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
            return model, told

        return export

    exporters = {name: spoilt(exporter) for name, exporter in torch_export.EXPORTERS.items()}
    monkeypatch.setattr(torch_export, "EXPORTERS", exporters)
    Path("net.onnx").write_text("what was there")
    with pytest.raises(Unsupported) as caught:
        export_torch(source_of(torch.nn.Linear(3, 2), torch.randn(1, 3)), Path("net.onnx"))

    assert "is not what it was made of: output `output` differs by" in caught.value.message
    assert "nothing is written" in caught.value.message
    assert Path("net.onnx").read_text() == "what was there"


def test_torch_says_nothing(written: Written) -> None:
    """Its exporters log and print at import and at work, so that only a process of its own can tell."""
    code = f"""
        from pathlib import Path
        from edgeopt.steps.export.shapes import input_shapes_from_texts
        from edgeopt.steps.export.torch_export import export_torch
        export_torch({written(NET)!r}, Path("net.onnx"), shapes=input_shapes_from_texts({SHAPES!r}))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=300
    )

    assert (result.stdout, result.stderr) == ("", "")
    assert Path("net.onnx").stat().st_size > 0
