"""Steps that need not be done twice."""

import pytest

from edgeopt.store import stored_file
from edgeopt.store.step import step_key
from edgeopt.store.store import Store

FACTS = {
    "input_sha256": "a" * 64,
    "step": "quantize",
    "options": {"scheme": "int8", "per_channel": True},
    "data_sha256": "d" * 64,
    "seed": 0,
    "versions": {"edgeopt": "0.1.0", "onnxruntime": "1.32.0"},
    "machine": "",
}


def test_equal_facts_give_equal_keys_in_any_order():
    turned = {**FACTS, "options": {"per_channel": True, "scheme": "int8"}}

    assert step_key(**FACTS) == step_key(**turned)
    assert len(step_key(**FACTS)) == 64


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("input_sha256", "b" * 64),
        ("step", "prune"),
        ("options", {"scheme": "int8", "per_channel": False}),
        ("data_sha256", ""),
        ("seed", 1),
        ("versions", {"edgeopt": "0.1.0", "onnxruntime": "1.33.0"}),
        ("machine", "0a1b2c3d4e5f"),
    ],
)
def test_whatever_a_result_depends_on_changes_the_key(fact, value):
    assert step_key(**FACTS) != step_key(**{**FACTS, fact: value})


def test_a_step_that_was_not_done_is_not_there(store, make_run):
    store.add_run(make_run(), {})

    assert store.cached_step("key") is None


def test_a_step_is_remembered_with_its_artifact_and_details(store, make_artifact):
    artifact = make_artifact("a.onnx", parent="a" * 64, step="quantize")

    step = store.remember_step("key", artifact, {"kept_float": [{"node": "stem"}]})

    assert Store(store.folder).cached_step("key") == step
    assert (step.artifact, step.details) == (artifact.sha256, {"kept_float": [{"node": "stem"}]})
    assert store.object_path(step.artifact).read_bytes() == artifact.path.read_bytes()
    assert store.lineage(artifact.sha256).chain[-1].made.step == "quantize"


def test_of_two_results_the_younger_counts(store, make_artifact, monkeypatch):
    for day, name in ((2, "second"), (1, "first"), (3, "third")):
        monkeypatch.setattr("edgeopt.store.store._now", lambda day=day: f"2026-11-0{day}T12:00:00+00:00")
        store.remember_step("key", make_artifact(f"{name}.onnx"), {})

    assert store.cached_step("key").artifact == make_artifact("third.onnx").sha256
    store.rebuild()
    assert store.cached_step("key").artifact == make_artifact("third.onnx").sha256


@pytest.mark.parametrize("content", [None, b"", b"other"])
def test_a_step_whose_artifact_is_gone_or_damaged_counts_as_not_done(store, make_artifact, content):
    artifact = make_artifact("a.onnx")
    store.remember_step("key", artifact, {})
    path = store.objects.path_of(artifact.sha256)
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    assert store.cached_step("key") is None
    assert artifact.sha256[:12] in store.warnings[0]
    store.remember_step("key", artifact, {})
    assert store.cached_step("key")


def test_an_artifact_that_was_damaged_without_a_change_of_size_is_written_again(store, make_artifact):
    artifact = make_artifact("a.onnx", content="weights")
    store.remember_step("key", artifact, {})
    path = store.objects.path_of(artifact.sha256)
    path.chmod(0o644)
    path.write_text("w31ghts")

    assert store.cached_step("key") is None
    store.remember_step("key", artifact, {})
    assert store.cached_step("key")
    assert store.object_path(artifact.sha256).read_text() == "weights"


def test_a_step_is_remembered_while_its_result_lies_elsewhere(store, make_artifact, tmp_path):
    artifact = make_artifact("a.onnx")
    elsewhere = artifact.path.rename(tmp_path / "temporary.onnx")

    step = store.remember_step("key", artifact, {}, file=elsewhere)

    assert store.object_path(step.artifact).read_bytes() == elsewhere.read_bytes()
    assert store.lineage(step.artifact).chain[-1].path == str(artifact.path)


def test_an_artifact_that_only_a_step_made_is_traced_to_its_machine(store, make_artifact):
    artifact = make_artifact("a.onnx", parent="b" * 64, step="quantize", seed=3)
    environment = {"machine": "0a1b", "versions": {"edgeopt": "0.1.0"}, "date": "2026-11-01"}
    store.remember_step("key", artifact, {}, environment=environment)

    made = store.lineage(artifact.sha256).chain[-1].made

    assert (made.step, made.seed, made.run) == ("quantize", 3, None)
    assert made.environment == {"machine": "0a1b", "versions": {"edgeopt": "0.1.0"}}


@pytest.mark.parametrize("is_run_first", [False, True])
def test_the_run_that_made_an_artifact_is_believed_before_the_step(store, make_run, make_artifact, is_run_first):
    artifact = make_artifact("a.onnx", parent="b" * 64, step="quantize")
    doings = [
        lambda: store.remember_step("key", artifact, {}),
        lambda: store.add_run(make_run(artifact, command="quantize"), {}),
    ]
    for do in reversed(doings) if is_run_first else doings:
        do()

    assert store.lineage(artifact.sha256).chain[-1].made.run.command == "quantize"
    store.rebuild()
    assert store.lineage(artifact.sha256).chain[-1].made.run.command == "quantize"


def test_an_artifact_that_is_too_large_to_keep_is_not_remembered(store, make_artifact, monkeypatch):
    monkeypatch.setattr(stored_file, "LARGEST_KEPT_BYTES", 5)

    assert store.remember_step("key", make_artifact("a.onnx"), {}) is None
    assert store.cached_step("key") is None
