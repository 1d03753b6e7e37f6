"""Views of estimates: beside what was measured, in a table of their own, with interval, basis and origin."""

import pytest

from edgeopt.errors import Unsupported
from edgeopt.report.estimates import estimate_cells, estimated_rows, kernel_cells, measured_rows
from edgeopt.report.markdown import markdown_report
from edgeopt.report.pytest_benchmark import write_benchmark_json
from edgeopt.report.text import print_view

ROW = {
    "artifact": "0" * 64,
    "path": "models/small.onnx",
    "target": "rpi4",
    "runtime": "litert-2.7.1",
    "dtype": "int8",
    "threads": 4,
    "batch": 1,
    "origin": "estimated",
    "latency": {"median": 0.0123, "interval90": [0.01, 0.02], "unit": "s"},
    "load": None,
    "throughput": None,
    "memory": None,
    "energy": {"value": 0.0785, "unit": "J", "watts": 6.38, "source": "at the wall"},
    "instructions": None,
    "basis": {"source": "MLPerf", "networks": 40, "families": 3, "uncovered": [], "notes": []},
}
RECORD = {
    "schema": 1,
    "edgeopt": "0.1.0",
    "command": "bench",
    "environment": {"date": "2026-11-25T19:00:00+00:00", "cpu": "a processor", "versions": {}},
    "artifacts": [],
    "measurements": [],
    "runs": [ROW],
    "comparison": None,
    "comparisons": [],
    "noise": None,
    "warnings": [],
}
KERNEL = {
    "name": "conv1",
    "operator": "Conv",
    "seconds": 0.006,
    "share": 0.5,
    "macs": 12_000_000,
    "bound": "arithmetic",
    "is_covered": False,
}


def test_an_estimate_is_shown_with_its_interval_its_basis_and_the_word(capsys):
    print_view("bench", RECORD)
    shown = capsys.readouterr().out

    for part in ("estimated", "rpi4", "12.3 ms", "10.0 ms to 20.0 ms", "78.5 mJ", "litert-2.7.1, int8, 4 threads"):
        assert part in shown
    assert "rpi4: from 40 networks of 3 families (MLPerf)" in shown
    assert "p90" not in shown


def test_an_explained_estimate_shows_every_kernel(capsys):
    print_view("bench", {**RECORD, "runs": [{**ROW, "kernels": [KERNEL]}]})
    shown = capsys.readouterr().out

    assert "small.onnx on rpi4:" in shown
    for part in ("conv1", "6.00 ms", "50 %", "12.0 M", "arithmetic", "none"):
        assert part in shown


def test_rows_are_told_apart_by_their_origin():
    measured = {**ROW, "origin": "host"}
    record = {**RECORD, "runs": [measured, ROW]}

    assert (measured_rows(record), estimated_rows(record)) == ([measured], [ROW])


def test_an_energy_that_was_not_measured_is_left_empty():
    assert estimate_cells({**ROW, "energy": None})[4] == ""
    assert estimate_cells({**ROW, "energy": {"value": 2.0}})[4] == "2 J"
    assert estimate_cells({**ROW, "energy": {"value": 5e-6}})[4] == "5 µJ"


def test_a_row_without_kernels_has_no_lines():
    assert kernel_cells(ROW) == []


def test_the_report_counts_what_was_estimated():
    report = markdown_report(RECORD)

    assert "1 estimated" in report
    assert "10.0 ms to 20.0 ms" in report
    assert "measured" not in report.splitlines()[0]


def test_samples_of_an_estimate_are_not_to_be_had(tmp_path):
    with pytest.raises(Unsupported, match="an estimate has none"):
        write_benchmark_json(RECORD, tmp_path / "out.json", force=False)

    assert not (tmp_path / "out.json").exists()
