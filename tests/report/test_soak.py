"""Soaks in the terminal and in Markdown: the verdict, the line over time, and what the system does not tell."""

import xml.etree.ElementTree as ET

import pytest

from edgeopt.report.markdown import markdown_report
from edgeopt.report.soak import soak_cells, soak_text, sparkline
from edgeopt.report.soak_plot import soak_svg
from edgeopt.report.text import print_view

GROWTH = {"value": 0.0, "unit": "B/s", "ci95": [0.0, 0.0], "p": 1.0, "verdict": "steady", "text": "memory is steady"}


def window(seconds, **keys):
    seen = {"end": 1.0, "preemptions": 0, "clock_hz": None, "celsius": None, "resident_bytes": None}
    return {**seen, "samples": [seconds] * 3, **keys}


@pytest.fixture
def row():
    """A row of `runs` whose model takes 1 ms at first and 1.5 ms in the end."""
    windows = [
        window(1e-3 if n < 30 else 1.5e-3, clock_hz=2.4e9 - n * 2e7, celsius=50.0 + n / 2, resident_bytes=60_000_000)
        for n in range(60)
    ]
    soak = {
        "early": 1e-3,
        "late": 1.5e-3,
        "unit": "s",
        "ratio": 0.6667,
        "ci95": [0.66, 0.67],
        "verdict": "slows",
        "minimum_effect": 0.02,
        "text": "takes longer",
        "origin": "host",
        "seconds": 600.0,
        "asked_seconds": 600.0,
        "windows": windows,
        "memory_growth": GROWTH,
    }
    figures = {"load": {"value": 0.01}, "throughput": {"value": 900.0}, "memory": {"value": 5e7}, "origin": "host"}
    how = {"runtime": "onnxruntime", "threads": 1, "batch": 1}
    latency = {"p50": 1e-3, "p90": 1.1e-3, "ci95": [0.9e-3, 1.1e-3]}
    return {"path": "models/a.onnx", "latency": latency, **figures, **how, "soak": soak}


@pytest.fixture
def record(gate_record, row):
    gate = gate_record()
    shared = {key: gate[key] for key in ("schema", "edgeopt", "environment", "artifacts", "measurements")}
    return {**shared, "command": "bench", "runs": [row], "comparison": None, "comparisons": []}


def test_the_bars_are_low_while_it_is_fast_and_high_when_it_is_slow(row):
    assert sparkline(row["soak"]["windows"]) == "▁" * 15 + "█" * 15


def test_noise_of_a_hundredth_is_no_mountain():
    bars = sparkline([window(1e-3 * (1 + 0.01 * (n % 2))) for n in range(30)])

    assert set(bars) <= {"▁", "▂"}


def test_few_windows_give_few_bars():
    assert sparkline([window(1e-3)] * 6) == "▁" * 6


def test_the_cells_tell_clock_temperature_and_memory_first_and_last(row):
    assert soak_cells(row)[0] == "a.onnx, 600 s"
    assert soak_cells(row)[-2:] == ("2.40 to 1.22 GHz, 50 to 80 °C", "60.0 MB")


def test_what_the_system_does_not_tell_is_said_to_be_so(row):
    row["soak"]["windows"] = [window(1e-3)] * 10
    row["soak"]["ci95"] = [None, None]

    assert soak_cells(row)[-2:] == ("not told", "not told")
    assert "unknown to unknown" in soak_cells(row)[3]


def test_the_verdicts_stand_in_one_line(row):
    assert soak_text(row) == "a.onnx: slows: takes longer; memory is steady"
    row["soak"]["memory_growth"] = None
    assert soak_text(row) == "a.onnx: slows: takes longer"


def drawn_points(line):
    return [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]


def test_the_line_is_well_formed_and_lies_in_its_box(row, hostile):
    row["path"] = hostile

    root = ET.fromstring(soak_svg(row))

    chip, times = map(drawn_points, root.findall("{*}polyline"))
    assert len(times) == len(chip) == 60
    assert all(0 <= x <= 900 and 0 <= y <= 200 for x, y in (*times, *chip))
    early, late = (float(line.get("y1")) for line in root.findall("{*}line"))
    assert late < early
    assert "\n\n" not in soak_svg(row)


def test_the_clock_explains_and_where_it_is_not_told_the_temperature_does(row):
    with_clock = soak_svg(row)
    for seen in row["soak"]["windows"]:
        seen["clock_hz"] = None
    with_temperature = soak_svg(row)
    for seen in row["soak"]["windows"]:
        seen["celsius"] = None
    with_neither = soak_svg(row)

    assert ("2.40 GHz" in with_clock, "°C" in with_clock) == (True, False)
    assert ("50 °C" in with_temperature, "80 °C" in with_temperature) == (True, True)
    assert [text.count("<polyline") for text in (with_clock, with_temperature, with_neither)] == [2, 2, 1]


@pytest.mark.parametrize("celsius", [0.0, -10.0, 50.0])
def test_a_temperature_that_stays_is_a_flat_line(row, celsius):
    for seen in row["soak"]["windows"]:
        seen.update(clock_hz=None, celsius=celsius)

    chip = drawn_points(ET.fromstring(soak_svg(row)).find("{*}polyline"))

    assert {y for _, y in chip} == {176.0}


def test_the_terminal_shows_the_soak_below_the_latency(record, capsys):
    print_view("bench", record)

    shown = capsys.readouterr().out
    assert "▁" * 15 + "█" * 15 in shown
    assert "0.667 (95 %: 0.660 to 0.670)" in " ".join(shown.split())
    assert "a.onnx: slows: takes longer; memory is steady" in shown


def test_a_record_without_a_soak_shows_none(record, row, capsys):
    del row["soak"]

    print_view("bench", record)

    assert "soak" not in capsys.readouterr().out
    assert "soak" not in markdown_report(record)


@pytest.mark.parametrize("is_drawn", [True, False])
def test_the_report_has_the_table_and_draws_the_line_where_svg_is_shown(record, is_drawn):
    text = markdown_report(record, is_drawn=is_drawn)

    assert "slows: takes longer" in text
    assert "▁▁▁" in text
    assert ("<polyline" in text) is is_drawn
    assert len(text) < 60_000
