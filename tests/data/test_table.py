"""`.csv` and `.parquet` tables: features, labels, parts and slices by column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Dataset
from edgeopt.data.bind import bind_dataset
from edgeopt.data.table import read_csv, read_parquet
from edgeopt.errors import ExtraMissing, InputError

Inputs = tuple[TensorSpec, ...]
ReadText = Callable[[str, Inputs], Dataset]
ReadColumns = Callable[[dict[str, Any], Inputs], Dataset]


@pytest.fixture
def read_text(tmp_path: Path) -> ReadText:
    """Reads a table from CSV text."""

    def read(text: str, inputs: Inputs) -> Dataset:
        path = tmp_path / "data.csv"
        path.write_text(text, encoding="utf-8")
        return read_csv(path, inputs)

    return read


@pytest.fixture
def read_columns(tmp_path: Path) -> ReadColumns:
    """Reads a table from Parquet columns."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def read(columns: dict[str, Any], inputs: Inputs) -> Dataset:
        parquet.write_table(arrow.table(columns), tmp_path / "data.parquet")
        return read_parquet(tmp_path / "data.parquet", inputs)

    return read


def test_numeric_columns_are_the_features_in_order(read_text: ReadText, features: Inputs) -> None:
    data = read_text("a,b,speaker,c,y\n1,2,ann,3,0\n4,5,bob,6.5,1\n", features)

    assert data.inputs["features"].tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1]
    assert data.labels.dtype == np.int64
    assert data.columns["speaker"].tolist() == ["ann", "bob"]
    assert len(data.digest) == 64


def test_columns_named_like_the_inputs_are_numbers_for_them(read_text: ReadText, pair: Inputs) -> None:
    data = bind_dataset(read_text("right,left,week\n2,1,7\n4,3,8\n", pair), pair)

    assert data.inputs["left"].tolist() == [[1], [3]]
    assert data.inputs["right"].tolist() == [[2], [4]]
    assert data.columns["week"].tolist() == [7, 8]


def test_columns_feed_inputs_without_an_axis_of_features_too(read_text: ReadText) -> None:
    inputs = (TensorSpec(name="a", shape=("batch",), dtype="float32"),)

    assert bind_dataset(read_text("a\n1\n2\n", inputs), inputs).inputs["a"].tolist() == [1, 2]


def test_a_column_called_label_holds_labels(read_text: ReadText, features: Inputs) -> None:
    data = read_text("a,b,c,label\n1,2,3,7\n", features)

    assert data.labels is not None
    assert data.labels.tolist() == [7]


def test_the_part_column_is_honoured(read_text: ReadText, features: Inputs) -> None:
    data = read_text("a,b,c,part\n1,2,3,calibration\n1,2,3,confirm\n", features)

    assert data.part is not None
    assert data.part.tolist() == ["calibration", "confirm"]


def test_quotes_blank_lines_and_a_byte_order_mark_are_no_trouble(read_text: ReadText, features: Inputs) -> None:
    data = read_text('\ufeffa,b,c,"who, where"\n\n1,2,3,"ann, here"\n\n', features)

    assert data.columns["who, where"].tolist() == ["ann, here"]
    assert len(data) == 1


def test_a_ragged_row_is_refused_with_its_line(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError) as caught:
        read_text("a,b,c\n1,2,3\n\n1,2\n", features)

    assert caught.value.message.endswith("data.csv`, line 4: 2 cells where the header has 3")
    assert caught.value.hint


@pytest.mark.parametrize("text", ["a,b,c\n", "a,b,c", "\n", "\ufeff"])
def test_a_table_without_rows_is_refused(read_text: ReadText, features: Inputs, text: str) -> None:
    with pytest.raises(InputError, match=r"data\.csv` holds zero samples") as caught:
        read_text(text, features)

    assert caught.value.hint == "give it at least one row below the header"


def test_text_labels_are_refused(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError, match=r"`labels` of `.*data\.csv` holds text, not numbers") as caught:
        bind_dataset(read_text("a,b,c,y\n1,2,3,cat\n", features), features)

    assert caught.value.hint == "write class numbers, 0 for the first class"


def test_an_empty_cell_among_the_features_is_refused(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError, match=r"holds NaN or infinity in 1 of 2 samples \(the first is number 1\)"):
        bind_dataset(read_text("a,b,c\n1,2,3\n1,,3\n", features), features)


def test_too_few_numeric_columns_are_refused_with_those_found(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError) as caught:
        read_text("a,b,who\n1,2,ann\n", features)

    assert "has 2 numeric columns (a, b) where the model takes features (batch x 3) float32" in caught.value.message
    assert "one numeric column per feature" in caught.value.hint


def test_text_in_a_column_named_like_an_input_is_refused(read_text: ReadText, pair: Inputs) -> None:
    with pytest.raises(InputError, match=r"`right` of .* holds text, not numbers"):
        bind_dataset(read_text("left,right\n1,a\n", pair), pair)


def test_two_columns_of_one_name_are_refused(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError, match=r"data\.csv` has two columns `y`"):
        read_text("a,b,c,y,y\n1,2,3,0,1\n", features)


def test_a_part_of_another_name_is_refused(read_text: ReadText, features: Inputs) -> None:
    with pytest.raises(InputError, match=r"column `part` of .* holds `test`"):
        read_text("a,b,c,part\n1,2,3,test\n", features)


@pytest.mark.parametrize("content", [b"a,b,c\n\xff\xfe,2,3\n", b"a,b,c\n1,2," + b"9" * 200_000 + b"\n"])
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, features: Inputs, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a CSV file with a header"):
        read_csv(path, features)


def test_numbers_that_no_integer_holds_stay_floats(read_text: ReadText, features: Inputs) -> None:
    data = read_text("a,b,c\n1e30,2,3\n", features)

    assert data.inputs["features"][0, 0] == 1e30


def test_names_with_underscores_stay_text(read_text: ReadText, features: Inputs) -> None:
    data = read_text("a,b,c,month\n1,2,3,2026_11\n", features)

    assert data.columns["month"].tolist() == ["2026_11"]


def test_parquet_columns_are_read_like_those_of_a_csv(read_columns: ReadColumns, features: Inputs) -> None:
    data = read_columns(
        {
            "a": [1.0, 4.0],
            "b": [2, 5],
            "c": [3, 6],
            "y": [0, 1],
            "who": ["ann", "bob"],
            "part": ["calibration", "confirm"],
        },
        features,
    )

    assert data.inputs["features"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1]
    assert data.columns["who"].tolist() == ["ann", "bob"]
    assert data.part is not None
    assert data.part.tolist() == ["calibration", "confirm"]


def test_a_null_in_parquet_is_refused_as_a_feature_and_as_a_label(read_columns: ReadColumns, features: Inputs) -> None:
    for name in ("b", "y"):
        columns: dict[str, Any] = {"a": [1.0, 4.0], "b": [2, 5], "c": [3, 6], "y": [0, 1]}
        columns[name] = [1, None]
        with pytest.raises(InputError, match=r"holds NaN or infinity in 1 of 2 samples \(the first is number 1\)"):
            bind_dataset(read_columns(columns, features), features)


def test_a_null_among_the_parts_is_refused(read_columns: ReadColumns, features: Inputs) -> None:
    with pytest.raises(InputError, match=r"column `part` of .* holds `None`"):
        read_columns({"a": [1, 2], "b": [1, 2], "c": [1, 2], "part": ["confirm", None]}, features)


def test_a_parquet_file_without_rows_is_refused(read_columns: ReadColumns, features: Inputs) -> None:
    with pytest.raises(InputError, match="holds zero samples"):
        read_columns({"a": [], "b": [], "c": []}, features)


def test_a_damaged_parquet_file_is_refused(read_columns: ReadColumns, features: Inputs, tmp_path: Path) -> None:
    read_columns({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, features)
    path = tmp_path / "data.parquet"
    whole = path.read_bytes()
    for broken in (b"text", whole[: len(whole) // 2], b"PAR1" + bytes(50) + b"PAR1"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"data\.parquet` is not a Parquet file"):
            read_parquet(path, features)


def test_parquet_without_pyarrow_is_refused_with_the_pip_line(
    tmp_path: Path, features: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ExtraMissing, match=r"`pyarrow` is needed to read \.parquet files") as caught:
        read_parquet(tmp_path / "data.parquet", features)

    assert caught.value.hint == "pip install 'edgeopt[tables]'"
