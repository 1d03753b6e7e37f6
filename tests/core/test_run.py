"""A run reads back as it was written, and what is no run is refused with the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeopt import __version__
from edgeopt.core.measurement import Origin, single_value
from edgeopt.core.run import Run, json_text, run_from_file, run_from_json
from edgeopt.errors import InputError

RUN = Run(
    command="bench",
    environment={"cpu": "a processor"},
    artifacts=({"path": "m.onnx", "sha256": "ab"},),
    measurements=(single_value("size", 7, artifact="ab", unit="B", origin=Origin.HOST),),
    own={"runs": [], "comparison": None},
)


def written(tmp_path: Path, text: str) -> Path:
    """A file `run.json` that holds `text`."""
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_has_the_promised_keys_and_its_own_behind_them() -> None:
    record = RUN.as_json()

    assert list(record) == [
        *("schema", "edgeopt", "command", "environment", "artifacts", "measurements"),
        *("runs", "comparison"),
    ]
    assert record["schema"] == 1
    assert record["edgeopt"] == __version__


def test_a_written_run_reads_back(tmp_path: Path) -> None:
    assert run_from_file(written(tmp_path, json_text(RUN.as_json()))) == RUN


@pytest.mark.parametrize("record", [None, 3, [], {}, {"schema": 1}])
def test_another_json_document_is_no_run(record: Any) -> None:
    with pytest.raises(InputError, match=r"`run\.json` is not a run of edgeopt") as caught:
        run_from_json(record, where="run.json")

    assert caught.value.hint == "write one with `edgeopt bench --json > run.json`"


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(InputError, match="has schema `2`, this edgeopt reads 1") as caught:
        run_from_json(RUN.as_json() | {"schema": 2}, where="run.json")

    assert caught.value.hint == "upgrade edgeopt"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("edgeopt", None),
        ("command", 3),
        ("environment", "linux"),
        ("environment", []),
        ("artifacts", {}),
        ("artifacts", [3]),
        ("measurements", "none"),
    ],
)
def test_a_key_that_holds_something_else_is_named(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"is not a run of edgeopt: `{key}` holds something else"):
        run_from_json(RUN.as_json() | {key: value}, where="run.json")


def test_a_measurement_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError, match="a measurement of the run cannot be read"):
        run_from_json(RUN.as_json() | {"measurements": [{}]}, where="run.json")


@pytest.mark.parametrize("text", ["not json", "{", '{"a": NaN}', '{"a": -Infinity}', "[" * 100_000, "1" * 10_000])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"run\.json` is not JSON: "):
        run_from_file(written(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not JSON"):
        run_from_file(path)


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    text = json.dumps(RUN.as_json()).replace('"command"', '"schema": 1, "command"')
    with pytest.raises(InputError, match="key `schema` is there twice"):
        run_from_file(written(tmp_path, text))


def test_a_number_beyond_all_floats_is_no_sample(tmp_path: Path) -> None:
    text = json_text(RUN.as_json()).replace("7.0", "1e999")
    with pytest.raises(InputError, match="is not a finite number"):
        run_from_file(written(tmp_path, text))


def test_a_fifo_does_not_block(fifo: Callable[[str], Path], ends_soon: Callable[[Callable[[], object]], None]) -> None:
    path = fifo("run.json")
    with pytest.raises(InputError, match="is not a regular file"):
        ends_soon(lambda: run_from_file(path))


def test_numbers_that_json_lacks_are_written_as_null() -> None:
    record = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": (-math.inf,)}}

    assert json.loads(json_text(record)) == {"a": None, "b": [None, 1.5], "c": {"d": [None]}}


def test_the_document_ends_with_a_line_and_keeps_letters_readable() -> None:
    assert json_text({"unit": "µs"}) == '{\n  "unit": "µs"\n}\n'
