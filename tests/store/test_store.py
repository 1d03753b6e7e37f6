"""Runs go in and come out; what is kept, and where."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edgeopt.core.measurement import Origin, single_value
from edgeopt.errors import InputError
from edgeopt.store import stored_file
from edgeopt.store.index import Index
from edgeopt.store.objects import Objects
from edgeopt.store.store import Store


def test_the_store_lies_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEOPT_STORE")

    assert Store.find().folder.absolute() == tmp_path / ".edgeopt"
    assert Store.find(tmp_path / "other").folder == tmp_path / "other" / ".edgeopt"


def test_a_variable_names_another_place(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", str(tmp_path / "elsewhere"))

    assert Store.find(tmp_path).folder == tmp_path / "elsewhere"


def test_reading_makes_nothing(store):
    assert (store.runs(), store.count(), store.cached_step("k"), store.rebuild()) == ([], 0, None, 0)
    assert store.collect_garbage(keep=0).runs == ()
    assert not store.folder.parent.exists()
    assert store.warnings == []


def test_the_first_run_makes_a_folder_that_git_ignores(store, make_run, make_artifact):
    store.add_run(make_run(make_artifact("a.onnx")), {})

    assert (store.folder / ".gitignore").read_text() == "*\n"
    assert store.warnings == []


def test_a_run_comes_out_as_it_went_in(store, make_run, make_artifact):
    run = make_run(make_artifact("a.onnx"), make_artifact("b.onnx"), verdict="same", warnings=["Umlaut: ü"])

    entry = store.add_run(run, {"candidate": Path(run.artifacts[1]["path"])})

    assert store.load_run(entry.id).as_json() == json.loads(json.dumps(run.as_json()))
    assert store.load_run(entry.id[:6]).own == run.own
    assert (entry.date, entry.command, entry.machine) == ("2026-11-01T12:00:00+00:00", "bench", "0a1b2c3d4e5f")
    assert (entry.candidate, entry.version) == ("b.onnx", run.version)
    assert store.runs() == [entry]


def test_the_id_is_the_digest_of_the_record(store, make_run):
    entry = store.add_run(make_run(), {})

    assert store.objects.require(entry.id)
    assert json.loads(store.objects.read(entry.id))["command"] == "bench"


def test_recording_a_run_again_changes_nothing(store, make_run, make_artifact):
    run = make_run(make_artifact("a.onnx"))

    assert store.add_run(run, {}) == store.add_run(run, {})
    assert store.count() == 1


def test_a_run_without_a_date_gets_one(store, make_run):
    run = make_run()
    run.environment.pop("date")

    assert store.add_run(run, {}).date.startswith("20")
    assert "date" not in run.environment


def test_runs_are_listed_from_the_latest(store, make_run):
    days = [3, 1, 2, 2]
    entries = [store.add_run(make_run(day=day, number=number), {}) for number, day in enumerate(days)]

    assert store.runs() == [entries[0], entries[3], entries[2], entries[1]]
    assert store.runs(2) == [entries[0], entries[3]]
    assert store.count() == 4


def test_models_and_prediction_files_are_copied(store, make_run, make_artifact, tmp_path):
    artifact, predictions = make_artifact("a.onnx"), tmp_path / "p.npz"
    predictions.write_bytes(b"PK scores")

    entry = store.add_run(make_run(artifact), {"candidate": artifact.path, "predictions": predictions})
    files = store.load_record(entry.id)["stored"]

    assert [(file["role"], file["is_kept"], file["reason"]) for file in files] == [
        ("candidate", True, ""),
        ("predictions", True, ""),
    ]
    assert store.object_path(artifact.sha256).read_bytes() == artifact.path.read_bytes()
    assert store.object_path(files[1]["sha256"]).read_bytes() == b"PK scores"


def test_a_large_file_is_named_and_not_copied(store, make_run, make_artifact, monkeypatch):
    monkeypatch.setattr(stored_file, "LARGEST_KEPT_BYTES", 5)
    artifact = make_artifact("a.onnx", "123456")

    entry = store.add_run(make_run(artifact), {"candidate": artifact.path})
    file = store.load_record(entry.id)["stored"][0]

    assert (file["sha256"], file["is_kept"]) == (artifact.sha256, False)
    assert file["reason"].startswith("larger than")
    assert not store.objects.has(artifact.sha256)


def test_the_largest_file_that_is_copied_has_100_mb():
    assert stored_file.LARGEST_KEPT_BYTES == 100_000_000


def test_a_file_that_changed_since_it_was_measured_is_not_kept_as_what_was_measured(store, make_run, make_artifact):
    artifact = make_artifact("a.onnx")
    run = make_run(artifact)
    artifact.path.write_text("other weights")

    entry = store.add_run(run, {"candidate": artifact.path})
    file = store.load_record(entry.id)["stored"][0]

    assert (file["sha256"], file["is_kept"]) == (artifact.sha256, False)
    assert "has the digest" in file["reason"]
    assert list(store.objects) == [entry.id]


def test_a_file_that_is_gone_or_no_file_is_named_with_the_reason(store, make_run, tmp_path, fifo):
    entry = store.add_run(make_run(), {"gone": tmp_path / "gone.npz", "pipe": fifo("pipe.npz")})
    files = store.load_record(entry.id)["stored"]

    assert "does not exist" in files[0]["reason"]
    assert "is not a regular file" in files[1]["reason"]


def test_a_collection_between_writing_and_naming_loses_nothing(store, make_run, make_artifact, monkeypatch):
    write, artifact = Index.write, make_artifact("a.onnx")
    store.add_run(make_run(), {})

    def write_after_a_collection(self, change):
        for sha256 in list(self.objects):
            self.objects.path_of(sha256).unlink()
        return write(self, change)

    monkeypatch.setattr(Index, "write", write_after_a_collection)
    entry = store.add_run(make_run(artifact, day=2), {"candidate": artifact.path})

    assert store.load_run(entry.id).command == "bench"
    assert store.object_path(artifact.sha256)


def test_a_damaged_record_is_named(store, make_run):
    entry = store.add_run(make_run(), {})
    path = store.objects.path_of(entry.id)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_text("{}")

    with pytest.raises(InputError, match=f"`{entry.id[:12]}`.*is damaged"):
        store.load_run(entry.id)


def test_a_record_that_json_does_not_know_is_refused(store, make_run):
    with pytest.raises(InputError, match="cannot be written as JSON"):
        store.add_run(make_run(strange={1, 2}), {})

    assert store.count() == 0


def test_a_folder_that_cannot_be_made_is_a_failure_with_a_hint(tmp_path, make_run):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / ".edgeopt")

    with pytest.raises(InputError, match="cannot be used") as caught:
        store.add_run(make_run(), {})

    assert "EDGEOPT_STORE" in caught.value.hint


def test_the_predictions_of_a_measurement_are_told_by_their_digest(store, make_run, make_artifact, tmp_path):
    predictions, artifact = tmp_path / "p.npz", make_artifact("a.onnx")
    predictions.write_bytes(b"PK scores")
    told = {"path": str(predictions), "sha256": "0" * 64}
    measured = single_value("accuracy", 0.9, artifact=artifact.sha256, unit="1", origin=Origin.HOST, predictions=told)
    run = replace(make_run(artifact), measurements=(measured,))

    entry = store.add_run(run, {"predictions": predictions})

    assert store.load_record(entry.id)["stored"][0]["sha256"] == "0" * 64
    assert not store.load_record(entry.id)["stored"][0]["is_kept"]


def test_objects_of_a_store_lie_in_its_folder(store):
    assert store.objects == Objects(store.folder / "objects")
