"""`.pt2` files: exported as they are, and refused where reading them would run code of theirs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import edgeopt
from edgeopt.errors import InputError
from edgeopt.steps.export.proof import TOLERANCE
from edgeopt.steps.export.quiet import quiet
from edgeopt.steps.export.shapes import input_shapes_from_texts
from edgeopt.steps.export.torch_export import export_torch

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

PROGRAM = Path("net.pt2")


class Pair(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Two inputs, two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, left: Any, right: Any) -> dict[str, Any]:
        return {"sum": self.layer(left) + right, "left": self.layer(left)}


def save(*, is_free: bool = True) -> None:
    batch = {0: torch.export.Dim("batch")} if is_free else None
    example = (torch.randn(2, 3), torch.randn(2, 2))
    with quiet():
        program = torch.export.export(Pair().eval(), example, dynamic_shapes={"left": batch, "right": batch})
        torch.export.save(program, str(PROGRAM))


def rewrite(change: Any) -> None:
    """Replace what `change` gives for each (name, content) of the archive."""
    with zipfile.ZipFile(PROGRAM) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(PROGRAM, "w") as archive:
        for name, content in members:
            archive.writestr(*change(name, content))


def refused() -> InputError:
    with pytest.raises(InputError) as caught:
        export_torch("net.pt2", Path("net.onnx"))
    assert not Path("net.onnx").exists()
    return caught.value


def test_a_program_keeps_its_names_and_its_free_batch() -> None:
    save()
    report = export_torch("net.pt2", Path("net.onnx"))
    artifact = edgeopt.inspect("net.onnx").artifact
    (compared,) = report.details["proof"]["compared"]

    assert [str(each) for each in artifact.inputs] == ["left (batch x 3) float32", "right (batch x 2) float32"]
    assert [each.name for each in artifact.outputs] == ["sum", "left_out"]
    assert all(output["relative"]["value"] < TOLERANCE for output in compared["outputs"].values())
    assert report.details["source"]["kind"] == "exported-program"
    assert report.warnings == ()


def test_a_batch_that_the_program_fixes_stays_fixed_and_is_said() -> None:
    save(is_free=False)
    report = export_torch("net.pt2", Path("net.onnx"))

    assert edgeopt.inspect("net.onnx").artifact.inputs[0].shape == (2, 3)
    assert report.details["fixed_batch"] == ["left", "right"]
    assert "the batch of `left`, `right` is fixed" in report.warnings[0]


def test_a_checkpoint_and_shapes_do_not_go_with_a_program() -> None:
    save()
    with pytest.raises(InputError, match="holds its weights itself"):
        export_torch("net.pt2", Path("net.onnx"), checkpoint=Path("best.pt"))
    with pytest.raises(InputError, match="says its shapes itself"):
        export_torch("net.pt2", Path("net.onnx"), shapes=input_shapes_from_texts(["left=1x3"]))


@pytest.mark.parametrize("content", [b"not a program", b"PK\x03\x04" + b"\x00" * 50, b"\x80\x02."])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    PROGRAM.write_bytes(content)

    assert refused().message.startswith("`net.pt2` is no exported program, or is cut off")


def test_a_program_that_is_cut_off_is_refused() -> None:
    save()
    PROGRAM.write_bytes(PROGRAM.read_bytes()[:-300])

    assert refused().message.endswith("or is cut off")  # what is left may end in the archive of its example inputs


def test_a_zip_of_something_else_is_refused() -> None:
    with zipfile.ZipFile(PROGRAM, "w") as archive:
        archive.writestr("readme.txt", "nothing")

    assert refused().message == "`net.pt2` is no exported program of torch 2.8 or newer, or is cut off"


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"exported program `net\.pt2` does not exist"):
        export_torch("net.pt2", Path("net.onnx"))


class Trap:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("sprung"),)


def test_a_trap_among_the_example_inputs_is_not_sprung() -> None:
    save()
    stream = io.BytesIO()
    torch.save(((Trap(),), {}), stream)
    rewrite(lambda name, content: (name, stream.getvalue() if "/sample_inputs/" in name else content))

    assert "example inputs that are pickled objects" in refused().message
    assert not Path("sprung").exists()


def test_pickled_tensors_are_refused() -> None:
    save()
    rewrite(lambda name, content: (name, content.replace(b'"use_pickle": false', b'"use_pickle": true')))

    assert refused().message == "`net.pt2` holds `pickled tensors`, which runs code when it is loaded"


@pytest.mark.parametrize(
    "name", ["data/weights/model.pt", "data/constants/custom_obj_0", "data/constants/opaque_obj_0"]
)
def test_pickled_files_are_refused(name: str) -> None:
    save()
    with zipfile.ZipFile(PROGRAM, "a") as archive:
        archive.writestr(f"net/{name}", b"")

    assert name in refused().message


def swap(content: bytes, key: str, text: str) -> bytes:
    """The table with every `key` made `text`."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: text if name == key else changed(each) for name, each in value.items()}
        return [changed(each) for each in value] if isinstance(value, list) else value

    return json.dumps(changed(json.loads(content))).encode()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("target", "torch.os.system"),
        ("target", "os.system"),
        ("target", "torch.load"),
        ("expr_str", "exec(chr(105))"),
        ("expr_str", "__import__('os')"),
        ("expr_str", "Symbol('s0').func"),
        ("expr_str", "open('sprung', 'w')"),
    ],
)
def test_text_that_would_be_called_or_evaluated_is_refused(key: str, text: str) -> None:
    save()
    rewrite(lambda name, content: (name, swap(content, key, text) if name.endswith("models/model.json") else content))

    assert refused().message == f"`net.pt2` holds `{text}`, which runs code when it is loaded"
