"""What `quantize` and `gate` say and keep when the record has what they are to do."""

import pytest

from edgeopt.store.store import Store

QUANTIZE = ("quantize", "model.onnx", "--data", "data.npz", "--target", "rpi4", "--no-measure", "--force")
TAKEN = "taken from the record of 20"


@pytest.fixture
def record(folder, monkeypatch):
    """The store in the working directory."""
    monkeypatch.delenv("EDGEOPT_STORE")
    return Store(folder / ".edgeopt")


def is_cached(left):
    return [step["cached"] for step in left.json["steps"]]


@pytest.mark.parametrize("command", [QUANTIZE, ("gate",)])
def test_the_second_time_it_is_said_where_the_result_comes_from(edgeopt, record, command):
    first, again, told = edgeopt(*command), edgeopt(*command), edgeopt(*command, "--json")

    assert (first.code, again.code, told.code) == (0, 0, 0)
    assert TAKEN not in first.out
    assert f"quantize     {TAKEN}" in " ".join(again.out.split(" ")) or f"quantize  {TAKEN}" in again.out
    assert "`--no-cache` does it again" in again.out
    assert is_cached(told) == [True]
    assert told.json["steps"][0]["date"].endswith("+00:00")


@pytest.mark.parametrize("command", [QUANTIZE, ("gate",)])
@pytest.mark.parametrize("option", ["--no-cache", "--no-record"])
def test_a_command_that_shall_not_look_there_does_not(edgeopt, record, command, option):
    edgeopt(*command)

    assert is_cached(edgeopt(*command, option, "--json")) == [False]


@pytest.mark.parametrize("command", [QUANTIZE, ("gate",)])
def test_without_a_record_no_step_is_kept(edgeopt, record, folder, command):
    left = edgeopt(*command, "--no-record", "--json")

    assert is_cached(left) == [False]
    assert not record.objects.folder.exists()
    assert not (record.folder / "index.sqlite3").exists()


@pytest.mark.parametrize("command", [QUANTIZE, ("gate",)])
def test_without_a_cache_the_run_is_recorded_and_no_step_is_kept(edgeopt, record, command):
    edgeopt(*command, "--no-cache")

    assert record.count() == 1
    assert is_cached(edgeopt(*command, "--json")) == [False]


def test_the_gate_keeps_its_steps_beside_its_configuration(edgeopt, record, folder, monkeypatch):
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    edgeopt("gate", "--config", "../edgeopt.toml")
    monkeypatch.chdir(folder)

    assert is_cached(edgeopt("gate", "--json")) == [True]


def test_the_lineage_of_a_model_from_the_cache_is_that_of_the_run_that_made_it(edgeopt, record, folder):
    edgeopt(*QUANTIZE)
    edgeopt(*QUANTIZE, "-o", "again.onnx")
    lineage = edgeopt("runs", "lineage", "again.onnx", "--json").json

    assert lineage["chain"][-1]["path"] == "model.int8.onnx"
    assert lineage["chain"][-1]["made"]["run"]["id"] == record.runs()[-1].id
    assert "again.onnx, the same as model.int8.onnx (sha256" in edgeopt("runs", "lineage", "again.onnx").out


def test_a_place_that_cannot_be_written_changes_nothing_but_warnings(edgeopt, folder, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", "edgeopt.toml/record")
    left = edgeopt(*QUANTIZE)

    assert left.code == 0
    assert left.errors == []
    assert "warning: step `quantize` is not kept in the record" in left.err
    assert (folder / "model.int8.onnx").exists()


def test_a_damaged_result_is_made_again_with_a_warning(edgeopt, record, folder):
    edgeopt(*QUANTIZE)
    content = (folder / "model.int8.onnx").read_bytes()
    for sha256 in record.objects:
        if record.objects.read(sha256) == content:
            path = record.objects.path_of(sha256)
            path.chmod(0o644)
            path.write_bytes(content[:-1] + b"x")
    left = edgeopt(*QUANTIZE)

    assert left.code == 0
    assert "is damaged" in left.err
    assert TAKEN not in left.out
    assert (folder / "model.int8.onnx").read_bytes() == content
    assert is_cached(edgeopt(*QUANTIZE, "--json")) == [True]
