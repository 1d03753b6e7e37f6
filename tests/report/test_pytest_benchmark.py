"""The document that readers of pytest-benchmark take."""

import json

import pytest

from edgeopt.errors import InputError
from edgeopt.report.pytest_benchmark import benchmark_document, write_benchmark_json

RECORD = {
    "environment": {
        "machine": "abc",
        "architecture": "x86_64",
        "python": "3.12.1",
        "os": "Linux 6",
        "cpu": "a processor",
        "cores": 4,
        "date": "2026-01-01T00:00:00+00:00",
    },
    "runs": [
        {
            "artifact": "ab",
            "path": "models/a.onnx",
            "target": "host",
            "runtime": "onnxruntime",
            "threads": 2,
            "batch": 1,
            "origin": "host",
            "latency": {"samples": [[1.0, 2.0, 3.0], [4.0, 100.0]]},
        }
    ],
}
STATISTICS = {
    *("min", "max", "mean", "stddev", "rounds", "median", "iqr", "q1", "q3", "iqr_outliers", "stddev_outliers"),
    *("outliers", "ld15iqr", "hd15iqr", "ops", "total", "data", "iterations"),
}


def test_it_has_the_keys_of_pytest_benchmark():
    document = benchmark_document(RECORD)

    assert document.keys() == {"machine_info", "commit_info", "benchmarks", "datetime", "version"}
    (benchmark,) = document["benchmarks"]
    assert {"group", "name", "fullname", "params", "param", "extra_info", "options", "stats"} == benchmark.keys()
    assert benchmark["stats"].keys() == STATISTICS
    assert benchmark["name"] == "a.onnx[host-onnxruntime-t2-b1]"
    assert benchmark["extra_info"] == {"artifact": "ab", "origin": "host"}


def test_statistics_are_those_of_all_samples():
    found = benchmark_document(RECORD)["benchmarks"][0]["stats"]

    assert found["data"] == [1.0, 2.0, 3.0, 4.0, 100.0]
    assert (found["min"], found["max"], found["median"], found["mean"]) == (1.0, 100.0, 3.0, 22.0)
    assert (found["q1"], found["q3"], found["iqr"]) == (2.0, 4.0, 2.0)
    assert (found["iqr_outliers"], found["hd15iqr"], found["outliers"]) == (1, 4.0, "1;1")
    assert found["ops"] == pytest.approx(1 / 22)


def test_it_is_written_whole_and_not_over_another(tmp_path):
    path = tmp_path / "b.json"

    write_benchmark_json(RECORD, path, force=False)

    assert json.loads(path.read_text()) == benchmark_document(RECORD)
    with pytest.raises(InputError, match="exists"):
        write_benchmark_json(RECORD, path, force=False)
    write_benchmark_json(RECORD, path, force=True)
