"""Runs, lineages and collections in words."""

import pytest

from edgeopt.report.figures import is_share
from edgeopt.report.record_text import SHARES, origin_facts, taken_facts
from edgeopt.report.text import print_view

ENTRY = {
    "id": "ab" * 32,
    "date": "2026-11-01T12:00:00+00:00",
    "command": "bench",
    "edgeopt": "0.1.0",
    "machine": "",
    "candidate": "model.onnx",
    "accepted": None,
}
ACCEPTED = {
    **ENTRY,
    "accepted": {"by": "Ada", "date": "2026-11-02T09:00:00+00:00", "reason": "release", "config": "edgeopt.toml"},
}


@pytest.fixture
def shown(capsys):
    def show(name, record):
        print_view(name, record)
        return [line for line in capsys.readouterr().out.splitlines() if line.strip()]

    return show


def listed(*figures, verdict=None):
    run = {**ENTRY, "headline": {"verdict": verdict, "figures": list(figures)}}
    return {"store": ".edgeopt", "date": "2026-11-01T14:30:00+00:00", "total": 1, "runs": [run], "above": None}


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

    assert row.split() == f"abababababab 2026-11-01 12:00 2 h bench model.onnx {text}".split()


@pytest.mark.parametrize("name", ["accuracy", "auc", "f1", "mse", "mae"])
def test_a_metric_reads_in_per_cent_where_the_judge_calls_it_a_share(name):
    assert (name in SHARES) == is_share(name)


def test_a_verdict_stands_before_the_figures(shown):
    row = shown("runs", listed({"name": "flips", "value": 0, "unit": "1", "origin": "host"}, verdict="same"))[-1]

    assert row.endswith("flips 0")
    assert "same" in row


def test_who_accepted_a_run_stands_in_a_column_where_any_was(shown):
    record = listed()
    bare = shown("runs", record)
    marked = shown("runs", {**record, "runs": [*record["runs"], {**record["runs"][0], **ACCEPTED}]})

    assert "accepted" not in bare[0]
    assert "verdict" not in bare[0]
    assert "accepted" in marked[0]
    assert "Ada" not in marked[2]
    assert marked[3].endswith("Ada, 2026-11-02")
    assert "verdict" in shown("runs", listed(verdict="same"))[0]


def test_a_run_without_a_date_has_no_age(shown):
    record = listed()
    undated = {**record, "runs": [{**record["runs"][0], "date": ""}]}

    assert shown("runs", undated)[-1].split() == ["abababababab", "bench", "model.onnx"]


def test_an_empty_list_names_the_record_above(shown):
    empty = {**listed(), "runs": [], "total": 0}

    assert shown("runs", empty) == ["nothing is recorded in .edgeopt"]
    assert shown("runs", {**empty, "above": "/elsewhere/.edgeopt"}) == [
        "nothing is recorded in .edgeopt",
        "a folder above has a record: EDGEOPT_STORE='/elsewhere/.edgeopt' edgeopt runs list",
    ]


def test_a_run_is_headed_by_its_origin(shown):
    record = {
        "command": "compare",
        "edgeopt": "0.1.0",
        "environment": {"date": "2026-11-01T12:00:00+00:00", "cpu": "a processor", "machine": "0a1b"},
        "accepted": ACCEPTED["accepted"],
    }

    assert origin_facts(record) == [
        ("run", "compare, 2026-11-01 12:00:00 UTC, edgeopt 0.1.0"),
        ("machine", "a processor, identity 0a1b"),
        ("accepted", "by Ada, 2026-11-02 for edgeopt.toml: release"),
    ]
    assert origin_facts({"command": "x", "edgeopt": "0", "environment": {}}) == [("run", "x, edgeopt 0")]


def test_a_step_from_the_record_is_told_with_its_date():
    done = {"step": "simplify", "cached": False, "date": None}
    taken = {"step": "quantize", "cached": True, "date": "2026-11-01T12:00:00+00:00"}

    assert taken_facts({"steps": [done, taken]}) == [
        ("quantize", "taken from the record of 2026-11-01 12:00:00 UTC; `--no-cache` does it again")
    ]
    assert taken_facts({}) == []


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

    assert shown("lineage", {"artifact": "cd" * 32, "named": None, "chain": chain, "runs": []}) == [
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
    chain = [generation(made=made)]
    lines = shown("lineage", {"artifact": "cd" * 32, "named": None, "chain": chain, "runs": [ENTRY] * 12})

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


def test_a_file_that_was_recorded_under_another_name_is_named_as_it_was_asked_for(shown):
    chain = [generation(path="a.onnx"), generation(path="b.onnx")]
    record = {"artifact": "cd" * 32, "named": "copy.onnx", "chain": chain, "runs": []}

    assert shown("lineage", record) == [
        "a.onnx (sha256 cdcdcdcdcdcd, 1.00 KB)",
        "└── copy.onnx, the same as b.onnx (sha256 cdcdcdcdcdcd, 1.00 KB)",
    ]
    assert "same as" not in "".join(shown("lineage", {**record, "named": "b.onnx"}))


def test_a_collection_tells_what_went_and_what_stays(shown):
    record = {
        "store": ".edgeopt",
        "runs": [ENTRY] * 12,
        "ancestors": [ENTRY] * 2,
        "accepted": [ACCEPTED],
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
        "kept after all: 2 old runs that made models of newer runs",
        "kept after all: the accepted baselines of edgeopt.toml",
        "5 runs in .edgeopt",
    ]
    assert shown("garbage", {**record, "dry_run": True})[0].startswith("would free 45.1 MB: 12 runs")
    one = {**record, "runs": [ENTRY], "steps": 0, "objects": 1, "damaged": [], "ancestors": [], "accepted": []}
    assert shown("garbage", {**one, "left": 1}) == ["freed 45.1 MB: 1 run, 1 file", "1 run in .edgeopt"]
