"""`module:function` and `file.py:function` yield batches, and what they may get wrong is said."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.data.factory import read_factory
from edgeopt.data.users_code import load_function
from edgeopt.errors import InputError

Inputs = tuple[TensorSpec, ...]
Source = Callable[[str], str]


@pytest.fixture(autouse=True)
def _imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in a fresh folder, and forget what was imported from it."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - known:
        if name.startswith(("samples_", "_edgeopt_file_")):
            del sys.modules[name]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Writes the body of `batches()` to a file, and gives the reference to it."""

    def write(body: str) -> str:
        path = tmp_path / "samples.py"
        path.write_text(f"import numpy as np\ndef batches():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
        return f"{path}:batches"

    return write


def test_arrays_are_batches_of_the_only_input(source: Source, features: Inputs) -> None:
    reference = source("yield np.zeros((2, 3))\nyield np.ones((1, 3))")
    data = read_factory(reference, features)

    assert data.inputs["features"].tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert data.labels is None
    assert data.source == reference
    assert data.indices.tolist() == [0, 1, 2]


def test_pairs_are_samples_and_labels(source: Source, features: Inputs) -> None:
    data = read_factory(source("return [(np.zeros((2, 3)), [0, 1]), (np.zeros((1, 3)), [2])]"), features)

    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2]


def test_dicts_carry_inputs_labels_parts_and_columns(source: Source, pair: Inputs) -> None:
    body = """
        yield {"left": np.zeros((2, 1)), "right": np.ones((2, 1)), "y": [0, 1], "who": ["ann", "bob"],
               "part": ["calibration", "confirm"], "masks": np.zeros((2, 2)), "classes": ["cat", "dog", "ant"]}
    """
    data = read_factory(source(body), pair)

    assert list(data.inputs) == ["left", "right"]
    assert data.labels is not None
    assert data.part is not None
    assert data.part.tolist() == ["calibration", "confirm"]
    assert {name: column.tolist() for name, column in data.columns.items()} == {"who": ["ann", "bob"]}


def test_a_module_in_the_working_directory_is_found(tmp_path: Path, features: Inputs) -> None:
    (tmp_path / "samples_here.py").write_text("def batches():\n    yield [[1, 2, 3]]\n")

    assert read_factory("samples_here:batches", features).inputs["features"].tolist() == [[1, 2, 3]]


def test_a_file_may_hold_dataclasses(tmp_path: Path, features: Inputs) -> None:
    (tmp_path / "samples.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Sample:\n    values: list[int]\n"
        "def batches():\n    yield [Sample([1, 2, 3]).values]\n"
    )

    assert len(read_factory("samples.py:batches", features)) == 1


def test_a_file_is_no_stand_in_for_an_installed_module(tmp_path: Path, features: Inputs) -> None:
    (tmp_path / "random.py").write_text("def batches():\n    yield [[1, 2, 3]]\n")
    before = sys.modules["random"]

    assert len(read_factory("random.py:batches", features)) == 1
    assert sys.modules["random"] is before


@pytest.mark.parametrize("reference", ["no_such_module:batches", "no.such:batches", ":batches", "no file.txt:batches"])
def test_a_module_that_is_not_there_is_refused(reference: str) -> None:
    with pytest.raises(InputError) as caught:
        load_function(reference, purpose="data")

    assert caught.value.message.startswith(f"data `{reference}` cannot be imported: ")
    assert caught.value.hint == "check its name"


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"data `missing\.py` does not exist"):
        load_function("missing.py:batches", purpose="data")


@pytest.mark.parametrize("text", ["def batches(:\n", "import no_such_module\n", "raise ValueError('no')\n", "\0"])
def test_a_file_that_cannot_be_imported_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "samples.py").write_text(text)
    with pytest.raises(InputError, match=r"data `samples\.py:batches` cannot be imported: "):
        load_function("samples.py:batches", purpose="data")


@pytest.mark.parametrize("name", ["no_such_function", "", "count"])
def test_a_function_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "samples.py").write_text("count = 3\n")
    with pytest.raises(InputError) as caught:
        load_function(f"samples.py:{name}", purpose="metric")

    assert caught.value.message == f"metric `samples.py:{name}`: `samples.py` has no function `{name}`"


def test_a_fifo_with_a_scripts_name_does_not_block(
    fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]
) -> None:
    path = fifo("samples.py")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: load_function(f"{path}:batches", purpose="data"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return []", "yields zero batches"),
        ("return 3", "returns a `int`"),
        ("pass", "returns a `NoneType`"),
        ("yield None", "yields something that is not an array of samples"),
        ("yield 3", "yields something that is not an array of samples"),
        ("yield 'text'", "yields something that is not an array of samples"),
        ("return {'x': np.zeros((2, 3))}", "yields something that is not an array of samples"),
        ("yield {'x': np.array([{}, {}])}", "yields something that is not an array of samples"),
        ("yield [[1, 2, 3], [1, 2]]", "yields a ragged array"),
        ("yield np.zeros((1, 3)), [0], [0]", "yields a ragged array"),
        ("yield np.zeros((0, 3))", "holds zero samples in `features`"),
        ("yield np.zeros((1, 3))\nyield np.zeros((1, 4))", "yields batches that do not fit together"),
        ("yield np.zeros((1, 3))\nyield np.zeros((1, 3)), [0]", "yields batches of different keys"),
        ("yield {'other': np.zeros((1, 3))}", "yields no array for model input `features`"),
        ("yield np.zeros((3, 3)), [0, 1]", "`y` has 2 rows where `features` has 3"),
        ("yield {'x': np.zeros((1, 3)), 'part': ['test']}", "column `part` of"),
    ],
)
def test_batches_that_cannot_be_used_are_refused(source: Source, features: Inputs, body: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_factory(source(body), features)

    assert message in caught.value.message
    assert "samples.py:batches`" in caught.value.message
    assert caught.value.hint


def test_labels_are_joined_in_the_order_of_the_batches(source: Source, features: Inputs) -> None:
    data = read_factory(source("for i in range(4):\n    yield np.full((2, 3), i), [i, i]"), features)

    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, [0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(data.inputs["features"][:, 0], data.labels)
