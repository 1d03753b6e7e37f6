"""Runs, lineages and collections in words."""

import pytest

from edgeopt.report.text import print_view

ENTRY = {
    "id": "ab" * 32,
    "date": "2026-11-01T12:00:00+00:00",
    "command": "bench",
    "edgeopt": "0.1.0",
    "machine": "",
    "candidate": "model.onnx",
}


@pytest.fixture
def shown(capsys):
    def show(name, record):
        print_view(name, record)
        return [line for line in capsys.readouterr().out.splitlines() if line.strip()]

    return show


def listed(*figures, verdict=None):
    run = {**ENTRY, "headline": {"verdict": verdict, "figures": list(figures)}}
    return {"store": ".edgeopt", "total": 1, "runs": [run]}


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ({"name": "size", "value": 107_000, "unit": "B", "origin": "host"}, "107 KB"),
        ({"name": "p50", "value": 9.2e-5, "unit": "s", "origin": "host"}, "p50 92.0 µs"),
        ({"name": "p50", "value": 9.2e-5, "unit": "s", "origin": "estimated"}, "p50 92.0 µs (estimated)"),
        ({"name": "speedup", "value": 1.663, "unit": "x", "origin": "host"}, "speedup 1.66x"),
        ({"name": "difference", "value": -0.005, "unit": "pt", "origin": "host"}, "difference -0.50 pt"),
        ({"name": "accuracy", "value": 0.9956, "unit": "1", "origin": "host"}, "accuracy 99.56 %"),
        ({"name": "mse", "value": 0.25, "unit": "1", "origin": "host"}, "mse 0.25"),
        ({"name": "flips", "value": 3, "unit": "1", "origin": ""}, "flips 3 (origin unknown)"),
        ({"name": "sqnr", "value": 38.25, "unit": "dB", "origin": "host"}, "38.25 dB"),
    ],
)
def test_a_figure_has_its_unit_and_an_origin_that_is_not_this_machine(shown, figure, text):
    row = shown("runs", listed(figure))[-1]

    assert row.split() == f"abababababab 2026-11-01 12:00:00 bench model.onnx {text}".split()


def test_a_verdict_stands_before_the_figures(shown):
    row = shown("runs", listed({"name": "flips", "value": 0, "unit": "1", "origin": "host"}, verdict="same"))[-1]

    assert row.endswith("flips 0")
    assert "same" in row


def generation(**other):
    return {
        "sha256": "cd" * 32,
        "path": "m.onnx",
        "format": "onnx",
        "size_bytes": 1_000,
        "is_kept": True,
        "made": None,
    } | other


def test_what_is_not_known_of_a_lineage_is_left_out(shown):
    made = {"step": "quantize", "options": {}, "data": {}, "seed": None, "run": None, "environment": {}}
    chain = [generation(path="", size_bytes=None, is_kept=False), generation(made=made)]

    assert shown("lineage", {"artifact": "cd" * 32, "chain": chain, "runs": []}) == [
        "not recorded (sha256 cdcdcdcdcdcd, no copy kept)",
        "└── m.onnx (sha256 cdcdcdcdcdcd, 1.00 KB)",
        "    made by  quantize",
    ]


def test_all_that_is_known_of_a_lineage_is_told(shown):
    made = {
        "step": "quantize",
        "options": {"scheme": "int8", "per_channel": True},
        "data": {"source": "d.npz", "sha256": "ef" * 32, "samples": 200},
        "seed": 0,
        "run": {**ENTRY, "command": "quantize"},
        "environment": {"cpu": "a processor", "os": "Linux", "machine": "0a1b", "versions": {"edgeopt": "0.1.0"}},
    }
    lines = shown("lineage", {"artifact": "cd" * 32, "chain": [generation(made=made)], "runs": [ENTRY] * 12})

    assert lines == [
        "m.onnx (sha256 cdcdcdcdcdcd, 1.00 KB)",
        "made by  quantize",
        "options  scheme=int8, per_channel=true",
        "data     200 samples of d.npz, sha256 efefefefefef",
        "seed     0",
        "versions edgeopt 0.1.0",
        "machine  a processor, Linux, identity 0a1b",
        "run      abababababab 2026-11-01 12:00:00 quantize model.onnx",
        "part of these runs:",
        *["  abababababab 2026-11-01 12:00:00 bench model.onnx"] * 10,
        "  and 2 more (--json lists all)",
    ]


def test_a_collection_tells_what_went_and_what_stays(shown):
    record = {
        "store": ".edgeopt",
        "runs": [ENTRY] * 12,
        "ancestors": [ENTRY] * 2,
        "steps": 3,
        "objects": 30,
        "size_bytes": 45_100_000,
        "damaged": ["ef" * 32],
        "dry_run": False,
        "left": 5,
    }

    assert shown("garbage", record) == [
        "freed 45.1 MB: 12 runs, 3 cached steps, 30 files",
        "damaged: efefefefefef",
        "2 old runs stay: they made the models of runs that stay",
        "5 runs are in .edgeopt",
    ]
    assert shown("garbage", {**record, "dry_run": True})[0].startswith("would free 45.1 MB: 12 runs")
