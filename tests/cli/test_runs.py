"""`edgeopt runs`, and what commands record without being asked."""

import re
import resource
import sys
from dataclasses import replace

import pytest

from edgeopt.cli.runs import complete_runs, complete_runs_and_files
from edgeopt.store.store import Store

ID = re.compile(r"^[0-9a-f]{12}$")


@pytest.fixture
def record(folder, monkeypatch):
    """The store in the working directory."""
    monkeypatch.delenv("EDGEOPT_STORE")
    return Store(folder / ".edgeopt")


@pytest.fixture
def three(edgeopt, record):
    """A quantized model, evaluated and compared."""
    for arguments in (
        ("quantize", "model.onnx", "--data", "data.npz", "--no-measure"),
        ("evaluate", "model.int8.onnx", "--data", "data.npz", "--predictions", "p.npz"),
        ("compare", "model.onnx", "model.int8.onnx", "--data", "data.npz"),
    ):
        assert edgeopt(*arguments).code == 0
    return record


def commands(record):
    return [entry.command for entry in record.runs()]


def test_commands_that_measure_are_recorded(edgeopt, three):
    assert edgeopt("gate").code == 0

    assert sorted(commands(three)) == ["compare", "evaluate", "gate", "quantize"]
    assert (three.folder / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "model.onnx"),
        ("targets", "list"),
        ("runs", "list"),
        ("runs", "gc"),
        ("quantize", "model.onnx", "--dry-run"),
        ("evaluate", "model.onnx", "--data", "data.npz", "--no-record"),
    ],
)
def test_what_does_not_measure_or_shall_not_be_recorded_leaves_no_trace(edgeopt, record, arguments):
    left = edgeopt(*arguments)

    assert left.code == 0
    assert not record.folder.exists()


def test_a_gate_that_fails_is_recorded_with_its_exit_code_unchanged(edgeopt, record):
    left = edgeopt("gate", "--rule", "size <= 1 B")

    assert left.code == 3
    assert record.runs()[0].headline["verdict"] == "failed"


def test_recording_does_not_change_what_is_printed(edgeopt, record):
    arguments = ("evaluate", "model.onnx", "--data", "data.npz", "--json")
    recorded, bare = edgeopt(*arguments), edgeopt(*arguments, "--no-record")

    assert recorded.json.keys() == bare.json.keys()
    assert recorded.err == bare.err == ""


@pytest.mark.parametrize("place", ["edgeopt.toml/record", "/proc/edgeopt-record"])
def test_a_place_that_cannot_be_written_is_a_warning(edgeopt, folder, monkeypatch, place):
    monkeypatch.setenv("EDGEOPT_STORE", place)
    left = edgeopt("gate", "--rule", "size <= 1 B")

    assert left.code == 3
    assert left.out.endswith("gate: failed\n")
    assert "warning: this run is not recorded: the record" in left.err
    assert "--no-record" in left.err


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of POSIX")
def test_a_full_disk_is_a_warning(edgeopt_process, record, monkeypatch):
    # Python does not notice that its cache of compiled modules is cut off too, and later trips over it.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def fill_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    left = edgeopt_process("evaluate", "model.onnx", "--data", "data.npz", preexec_fn=fill_disk)

    assert left.code == 0
    assert "accuracy" in left.out
    assert "warning: this run is not recorded" in left.err
    assert record.count() == 0


def test_the_list_has_a_line_per_run(edgeopt, three):
    left = edgeopt("runs", "list")
    lines = [line.split() for line in left.out.splitlines()]
    rows = [cells for cells in lines if cells and ID.match(cells[0])]

    assert (left.code, left.err) == (0, "")
    assert {cells[4] for cells in rows} <= {"s", "min"}
    assert sorted(cells[5] for cells in rows) == ["compare", "evaluate", "quantize"]
    assert {cells[6] for cells in rows} == {"model.int8.onnx"}
    assert len(left.out.split("f1 ")) > 1


def test_the_list_is_cut_at_a_limit_that_is_said(edgeopt, three):
    left = edgeopt("runs", "list", "--limit", "1")

    assert left.out.endswith("2 older runs: --limit shows more\n")
    assert len(edgeopt("runs", "list", "--limit", "1", "--json").json["runs"]) == 1
    assert edgeopt("runs", "list", "--json").json["total"] == 3


def test_an_empty_list_says_so(edgeopt, record):
    left = edgeopt("runs", "list")

    assert (left.code, left.out.splitlines()[0], left.err) == (0, "nothing is recorded in .edgeopt", "")


def test_an_empty_list_tells_how_to_see_the_record_of_a_folder_above(edgeopt, three, folder, monkeypatch):
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    left = edgeopt("runs", "list")

    assert left.out.splitlines()[1].endswith(f"EDGEOPT_STORE='{folder / '.edgeopt'}' edgeopt runs list")


def test_a_gate_of_a_configuration_elsewhere_is_recorded_beside_it(edgeopt, record, folder, monkeypatch):
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")

    assert edgeopt("gate", "--config", "../edgeopt.toml").code == 0
    assert list(folder.joinpath("here").iterdir()) == []
    assert commands(record) == ["gate"]
    assert edgeopt("runs", "list").out.startswith("nothing is recorded in .edgeopt\n")


def test_the_variable_names_the_store_whatever_the_configuration(edgeopt, record, folder, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", "named")
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")

    assert edgeopt("gate", "--config", "../edgeopt.toml").code == 0
    assert commands(Store(folder / "here" / "named")) == ["gate"]


def test_the_demo_is_recorded_where_its_configuration_lies(edgeopt, record, folder):
    arguments = ("demo", "-o", "shown", "-q")
    assert edgeopt(*arguments, "--no-record").code == 0
    assert not (folder / "shown" / ".edgeopt" / "objects").exists()

    assert edgeopt(*arguments).code == 0
    assert commands(Store(folder / "shown" / ".edgeopt")) == ["gate"]
    assert not record.folder.exists()


@pytest.mark.parametrize("command", ["quantize", "evaluate", "compare"])
def test_a_run_is_shown_as_its_command_did(edgeopt, three, command):
    entry = next(entry for entry in three.runs() if entry.command == command)
    left = edgeopt("runs", "show", entry.id[:8])

    assert left.code == 0
    assert left.out.startswith(f"run      {command}, 20")
    assert "accuracy" in left.out if command != "quantize" else "scheme" in left.out
    assert edgeopt("runs", "show", entry.id, "--json").json["command"] == command


def test_without_an_id_the_latest_run_is_shown(edgeopt, three):
    latest = three.runs()[0]

    assert edgeopt("runs", "show", "--json").json == edgeopt("runs", "show", latest.id, "--json").json


def test_ids_of_runs_are_completed(edgeopt, three):
    run = three.runs()[0].id
    words = [entry.value for entry in complete_runs(None, None, run[:4])]

    assert words == [run[:12]]
    assert complete_runs(None, None, "")[0].help.startswith(three.runs()[0].command)
    assert complete_runs_and_files(None, None, "mod")[-1].type == "file"


def test_where_runs_cannot_be_read_nothing_is_completed(edgeopt, record, folder):
    record.folder.write_text("no folder")
    (folder / "here").mkdir()

    assert complete_runs(None, None, "") == []
    record.folder.unlink()
    record.folder.mkdir()
    record.objects.folder.write_text("no folder either")
    assert complete_runs(None, None, "") == []


def test_an_accepted_run_is_marked_in_the_list_and_where_it_is_shown(edgeopt, three):
    entry = three.runs()[0]
    accepted = {"by": "Ada", "date": "2026-11-25T12:00:00+00:00", "reason": "release 1", "config": "edgeopt.toml"}
    run = three.load_run(entry.id)
    marked = three.add_run(replace(run, own={**run.own, "accepted": accepted}), {})
    left, shown = edgeopt("runs", "list"), edgeopt("runs", "show", marked.id)

    assert left.out.count("Ada, 2026-11-25") == 1
    assert "accepted" in left.out.splitlines()[1]
    assert "accepted  by Ada, 2026-11-25 for edgeopt.toml: release 1" in shown.out
    assert {run["id"]: run["accepted"] for run in edgeopt("runs", "list", "--json").json["runs"]}[marked.id] == accepted
    assert edgeopt("runs", "show", marked.id, "--json").json["accepted"] == accepted


def test_a_shown_run_is_one_that_the_gate_judges(edgeopt, three, folder):
    entry = next(entry for entry in three.runs() if entry.command == "evaluate")
    (folder / "run.json").write_text(edgeopt("runs", "show", entry.id, "--json").out)
    (folder / "edgeopt.toml").unlink()

    assert edgeopt("gate", "run.json", "--rule", "accuracy >= 50 %").code == 0


def test_a_run_of_a_command_that_this_edgeopt_does_not_know_is_shown_as_json_only(edgeopt, three):
    entry = three.runs()[0]
    content = three.objects.read(entry.id).replace(f'"{entry.command}"'.encode(), b'"prune"')
    digest = three.objects.add_bytes(content)
    three.rebuild()
    left = edgeopt("runs", "show", digest)

    assert left.code == 2
    assert left.errors[0].startswith("error: a run of `prune` by edgeopt")
    assert left.errors[1].endswith("--json")
    assert edgeopt("runs", "show", digest, "--json").json["command"] == "prune"


@pytest.mark.parametrize("command", ["show", "lineage"])
def test_an_unknown_id_exits_2_and_offers_the_latest(edgeopt, three, command):
    left = edgeopt("runs", command, "zzz")

    assert left.code == 2
    assert "begins with `zzz`" in left.errors[0]
    assert three.runs()[0].id[:12] in left.errors[1]


def test_a_lineage_is_a_tree_from_the_original_to_the_model(edgeopt, three):
    left = edgeopt("runs", "lineage", "model.int8.onnx")
    lines = left.out.splitlines()

    assert (left.code, left.err) == (0, "")
    assert lines[0].startswith("model.onnx (sha256 ")
    assert lines[1].startswith("└── model.int8.onnx (sha256 ")
    facts = {line.split()[0]: line for line in lines[2:] if line.startswith("    ")}
    assert facts.keys() >= {"made", "options", "data", "seed", "versions", "machine", "run"}
    assert "scheme=auto" in facts["options"]
    assert "200 samples of data.npz, sha256" in facts["data"]
    assert "onnxruntime" in facts["versions"]
    assert "part of these runs:" in lines


def test_a_lineage_is_a_chain_in_json(edgeopt, three):
    chain = edgeopt("runs", "lineage", "model.int8.onnx", "--json").json["chain"]

    assert [generation["path"] for generation in chain] == ["model.onnx", "model.int8.onnx"]
    assert chain[1]["made"]["run"]["command"] == "quantize"


def test_a_collection_says_what_it_frees(edgeopt, three):
    planned = edgeopt("runs", "gc", "--keep", "1", "--dry-run")
    left = edgeopt("runs", "gc", "--keep", "1")

    assert re.match(r"would free [\d.]+ K?B: \d runs?, \d files?\n", planned.out)
    assert left.out.replace("freed", "would free").splitlines()[0] == planned.out.splitlines()[0]
    assert "in .edgeopt" in left.out
    assert three.count() < 3


@pytest.mark.parametrize("arguments", [("--keep", "-1"), ("--keep", "x"), ("--older-than", "soon")])
def test_a_limit_that_is_none_exits_2(edgeopt, three, arguments):
    assert edgeopt("runs", "gc", *arguments).code == 2
    assert three.count() == 3


def test_a_damaged_index_is_made_again_with_a_warning(edgeopt, three):
    (three.folder / "index.sqlite3").write_text("no database")
    left = edgeopt("runs", "list", "--json")

    assert left.code == 0
    assert left.json["total"] == 3
    assert "was damaged" in left.err
    assert "made again from its objects: 3 run(s)" in left.err


def test_names_from_models_cannot_move_the_cursor(edgeopt, folder, record):
    (folder / "a\x1b[31m.onnx").write_bytes((folder / "model.onnx").read_bytes())
    edgeopt("evaluate", "a\x1b[31m.onnx", "--data", "data.npz")

    assert record.runs()[0].candidate == "a\x1b[31m.onnx"
    assert "\x1b" not in edgeopt("runs", "list").out
    assert "\x1b" not in edgeopt("runs", "lineage", record.runs()[0].id).out


@pytest.mark.parametrize("arguments", [("--help",), ("runs", "--help"), ("quantize", "--help")])
def test_help_imports_neither_sqlite_nor_numpy(edgeopt_process, arguments):
    listing = (
        "import sys\nfrom edgeopt.cli.main import main\n"
        f"sys.argv = {['edgeopt', *arguments]!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    sys.exit(str({'sqlite3', 'numpy'} & set(sys.modules)))\n"
    )
    import subprocess

    result = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=False)

    assert result.stderr.strip() == "set()"


def test_the_list_imports_no_framework(three):
    import subprocess

    listing = (
        "import sys\nfrom edgeopt.cli.main import main\nsys.argv = ['edgeopt', 'runs', 'list']\n"
        "try:\n    main()\nexcept SystemExit:\n    sys.exit(str({'numpy', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=False)

    assert "model.int8.onnx" in result.stdout
    assert result.stderr.strip() == "set()"
