"""What SOURCE is, told by its ending or by what the user's Python gives, and each thing that it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeopt.errors import ExtraMissing, InputError, Unsupported
from edgeopt.steps.export.reference import kind_of, source_from_text

Written = Callable[..., str]
ESTIMATOR = """
    from sklearn.linear_model import LogisticRegression
    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    class Kept:
        inner = fitted
    def build():
        return fitted
    def needs(width, depth=2, *, classes):
        return fitted
    def fails():
        raise KeyError("weights")
    def number():
        return 3
    def ends():
        import sys
        sys.exit(4)
    count = 3
"""


@pytest.mark.parametrize(
    ("text", "kind"), [("a/model.onnx", "onnx"), ("MODEL.TFLITE", "tflite"), ("net.pt2", "exported-program")]
)
def test_a_file_is_told_by_its_ending(text: str, kind: str) -> None:
    source = source_from_text(text)

    assert (source.kind, source.path, source.value) == (kind, Path(text), None)


@pytest.mark.parametrize("name", ["fitted", "build"])
def test_an_estimator_and_a_function_that_gives_one_are_sklearn(written: Written, name: str) -> None:
    pytest.importorskip("sklearn")
    source = source_from_text(written(ESTIMATOR, name))

    assert source.kind == "sklearn"
    assert type(source.value).__name__ == "LogisticRegression"
    assert source.module.count == 3
    assert kind_of(f"net.py:{name}") == "sklearn"


def test_an_estimator_by_the_name_of_its_class_is_made_and_found_unfitted_later(written: Written) -> None:
    pytest.importorskip("sklearn")

    assert kind_of(written("from sklearn.linear_model import LogisticRegression as build")) == "sklearn"


@pytest.mark.parametrize("ending", ["pt", "pth", "ckpt", "bin", "safetensors"])
def test_a_checkpoint_alone_is_refused_with_the_command_to_give(ending: str) -> None:
    with pytest.raises(InputError) as caught:
        source_from_text(f"best.{ending}")

    assert caught.value.message.startswith(f"`best.{ending}` is a checkpoint")
    assert f"edgeopt convert net.py:build --checkpoint best.{ending}" in caught.value.hint


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib"])
def test_a_pickle_is_never_loaded(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match="is a Python pickle, which runs code when it is loaded"):
        source_from_text(name)


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "frozen.pb"])
def test_keras_and_tensorflow_are_unsupported_with_the_way_out(name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        source_from_text(name)

    assert "tf2onnx" in caught.value.hint


def test_a_saved_model_is_unsupported_with_the_command_to_give(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(Unsupported) as caught:
        source_from_text("saved")

    assert caught.value.message == "`saved` is a TensorFlow SavedModel"
    assert "tf2onnx.convert --saved-model saved" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net", "source `net` is no model file and names no Python object"),
        ("", "source `` is no model file and names no Python object"),
        ("missing.py:build", "model `missing.py` does not exist"),
        ("no_such_module:build", "model `no_such_module:build` cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_source_that_is_not_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        source_from_text(text)

    assert caught.value.message == message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="source `folder` is a folder"):
        source_from_text("folder")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("needs", "model `net.py:needs` needs arguments: `width`, `classes`"),
        ("fails", "model `net.py:fails` failed: KeyError: 'weights' (net.py line 11)"),
        ("number", "model `net.py:number` gives a `int`, no model"),
        ("count", "model `net.py:count` is a `int`, no model"),
        ("ends", "model `net.py:ends` failed: SystemExit: 4 (net.py line 16)"),
        ("biuld", "model `net.py:biuld`: `net.py` has nothing called `biuld`"),
    ],
)
def test_what_gives_no_model_is_refused(written: Written, name: str, message: str) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(InputError) as caught:
        source_from_text(written(ESTIMATOR, name))

    assert caught.value.message == message
    assert caught.value.hint


def test_a_name_that_is_not_there_gets_near_ones_and_no_modules(written: Written) -> None:
    with pytest.raises(InputError) as near:
        source_from_text(written("import sys\ndef build():\n    pass\n", "biuld"))
    with pytest.raises(InputError) as far:
        source_from_text("net.py:zzz")

    assert near.value.hint == "did you mean `build`?"
    assert far.value.hint == "known: build"


def test_a_file_that_raises_as_it_is_imported_is_told_with_its_line(written: Written) -> None:
    with pytest.raises(InputError) as caught:
        source_from_text(written("x = 1\nraise RuntimeError('no weights')\n"))

    assert caught.value.message == "model `net.py:build` failed: RuntimeError: no weights (net.py line 2)"


@pytest.mark.parametrize(("module", "extra"), [("torch", "torch"), ("sklearn", "sklearn")])
def test_a_framework_that_is_missing_is_named_with_its_extra(
    written: Written, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)  # as if it were not installed
    with pytest.raises(ExtraMissing) as caught:
        source_from_text(written(f"import {module}\n"))

    assert caught.value.message == f"model `net.py:build` needs `{module}`"
    assert caught.value.hint == f"pip install 'edgeopt[{extra}]'"


def test_a_file_finds_its_neighbours(written: Written, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "parts_of_it.py").write_text("from sklearn.linear_model import LinearRegression as Made\n")
    (folder / "net.py").write_text("from parts_of_it import Made as build\n")

    assert kind_of("project/net.py:build") == "sklearn"


def test_what_the_users_code_prints_does_not_reach_stdout(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    source_from_text(written("print('loading')\nfrom sklearn.svm import SVC as build\n"))

    assert capsys.readouterr() == ("", "loading\n")
