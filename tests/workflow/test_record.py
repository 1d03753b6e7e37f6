"""A run recorded with the files that it names."""

import pytest

from edgeopt.core.measurement import Origin, single_value
from edgeopt.core.run import Run
from edgeopt.store.store import Store
from edgeopt.workflow.evaluate import evaluate
from edgeopt.workflow.record import record_run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "record")


def roles(store, entry):
    return {file["role"]: file["path"].rpartition("/")[2] for file in store.load_record(entry.id)["stored"]}


def test_a_result_of_the_python_api_is_recorded_when_it_is_asked_for(task, store, tmp_path):
    result = evaluate(task.model, task.data, predictions=tmp_path / "p.npz")
    assert store.count() == 0

    recorded = record_run(result.run, store=store)

    assert recorded.warnings == ()
    assert (recorded.entry.command, recorded.entry.candidate) == ("evaluate", "model.onnx")
    assert roles(store, recorded.entry) == {"candidate": "model.onnx", "predictions": "p.npz"}
    assert store.object_path(result.artifact.sha256).read_bytes() == task.model.read_bytes()


def test_without_a_store_that_of_the_working_directory_is_taken(task, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", str(tmp_path / "named"))
    run = Run(command="bench", environment={}, artifacts=(), measurements=())

    record_run(run)

    assert Store(tmp_path / "named").count() == 1


def test_files_with_one_role_are_numbered_and_a_file_that_is_named_twice_is_kept_once(store, tmp_path):
    names = ["a.onnx", "b.onnx", "c.onnx"]
    artifacts = tuple(
        {"path": str(tmp_path / name), "sha256": digit * 64} for name, digit in zip(names, "abc", strict=True)
    )
    predictions = {"path": str(tmp_path / "p.npz"), "sha256": "d" * 64}
    measured = single_value("f1", 0.5, artifact="a" * 64, unit="1", origin=Origin.HOST, predictions=predictions)
    other = single_value(
        "f1", 0.5, artifact="b" * 64, unit="1", origin=Origin.HOST, predictions={**predictions, "path": "q.npz"}
    )
    run = Run(
        command="bench",
        environment={},
        artifacts=({**artifacts[0], "role": "baseline"}, *artifacts[1:]),
        measurements=(measured, other),
        own={"predictions": predictions},
    )

    entry = record_run(run, store=store).entry

    assert roles(store, entry) == {
        "baseline": "a.onnx",
        "candidate": "b.onnx",
        "candidate 2": "c.onnx",
        "predictions": "p.npz",
        "predictions 2": "q.npz",
    }


def test_what_befalls_the_store_is_told(store):
    run = Run(command="bench", environment={}, artifacts=(), measurements=())
    record_run(run, store=store)
    (store.folder / "index.sqlite3").unlink()

    assert "was made again from its objects: 1 run(s)" in record_run(run, store=store).warnings[0]
