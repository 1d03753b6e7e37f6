"""From which file, data, options, seed, versions and machine an artifact came."""

import json

import pytest

from edgeopt.errors import InputError


@pytest.fixture
def family(store, make_run, make_artifact):
    """`a.onnx` -> simplify -> `b.onnx` -> quantize -> `c.onnx`, and a run that measures `c.onnx`."""
    a = make_artifact("a.onnx")
    b = make_artifact("b.onnx", parent=a.sha256, step="simplify", options={}, seed=0)
    data = {"source": "d.npz", "sha256": "d" * 64, "samples": 200}
    c = make_artifact("c.onnx", parent=b.sha256, step="quantize", options={"scheme": "int8"}, data=data, seed=7)
    store.add_run(make_run(a, b, day=1, command="simplify"), {"baseline": a.path, "candidate": b.path})
    store.add_run(make_run(b, c, day=2, command="quantize"), {"candidate": c.path})
    return a, b, c


def test_a_lineage_leads_from_the_file_that_came_from_outside(store, family):
    lineage = store.lineage(family[2].sha256)

    assert [generation.sha256 for generation in lineage.chain] == [artifact.sha256 for artifact in family]
    assert [generation.made.step if generation.made else None for generation in lineage.chain] == [
        None,
        "simplify",
        "quantize",
    ]
    assert all(generation.is_kept for generation in lineage.chain)


def test_each_generation_tells_how_it_came_about(store, family):
    last = store.lineage(family[2].sha256[:8]).chain[-1]

    assert last.path.endswith("c.onnx")
    assert (last.format, last.size_bytes) == ("onnx", family[2].size_bytes)
    assert last.made.options == {"scheme": "int8"}
    assert last.made.data == {"source": "d.npz", "sha256": "d" * 64, "samples": 200}
    assert last.made.seed == 7
    assert last.made.run == store.runs()[0]
    assert last.made.environment == {
        "machine": "0a1b2c3d4e5f",
        "cpu": "some processor",
        "os": "some system",
        "versions": {"edgeopt": "0.1.0", "onnxruntime": "1.32.0"},
    }


def test_a_run_stands_for_its_candidate(store, family):
    assert store.lineage(store.runs()[0].id) == store.lineage(family[2].sha256)
    assert store.lineage(store.runs()[1].id).chain[-1].sha256 == family[1].sha256


def test_the_runs_that_an_artifact_was_part_of_are_listed(store, family, make_run):
    later = store.add_run(make_run(family[0], day=3), {})

    assert store.lineage(family[0].sha256).runs == (later, store.runs()[2])
    assert store.lineage(family[1].sha256).runs == tuple(store.runs()[1:])


def test_a_run_that_does_not_tell_where_a_model_came_from_does_not_make_that_forgotten(
    store, family, make_run, make_artifact
):
    plain = make_artifact("c.onnx")
    store.add_run(make_run(plain, day=3), {})

    assert store.lineage(plain.sha256).chain[-1].made.step == "quantize"


def test_what_a_model_came_from_is_learnt_later_too(store, make_run, make_artifact):
    plain = make_artifact("c.onnx")
    store.add_run(make_run(plain, day=1), {})
    store.add_run(make_run(make_artifact("c.onnx", parent="a" * 64, step="quantize"), day=2), {})

    assert [generation.sha256 for generation in store.lineage(plain.sha256).chain] == ["a" * 64, plain.sha256]


def test_a_parent_that_was_never_recorded_is_named_by_its_digest(store, make_run, make_artifact):
    artifact = make_artifact("c.onnx", parent="a" * 64, step="quantize")
    store.add_run(make_run(artifact), {})
    first = store.lineage(artifact.sha256).chain[0]

    assert (first.sha256, first.path, first.size_bytes, first.is_kept, first.made) == ("a" * 64, "", None, False, None)


def test_a_float_model_put_in_the_place_of_its_int8_model_did_not_come_from_itself(store, make_run, make_artifact):
    model = make_artifact("a.onnx")
    again = make_artifact("a.onnx", parent=model.sha256, step="quantize")
    store.add_run(make_run(model, again), {})

    assert [generation.made for generation in store.lineage(model.sha256).chain] == [None]


def test_steps_that_undo_each_other_make_no_endless_chain(store, make_run, make_artifact):
    a, b = make_artifact("a.onnx"), make_artifact("b.onnx")
    there = make_artifact("b.onnx", parent=a.sha256, step="there")
    back = make_artifact("a.onnx", parent=b.sha256, step="back")
    store.add_run(make_run(there, day=1), {})
    store.add_run(make_run(back, day=2), {})

    assert [generation.sha256 for generation in store.lineage(a.sha256).chain] == [b.sha256, a.sha256]


def test_a_damaged_record_leaves_the_machine_out_and_is_named(store, family):
    path = store.objects.path_of(store.runs()[0].id)
    path.chmod(0o644)
    path.write_bytes(b"{")

    assert store.lineage(family[2].sha256).chain[-1].made.environment == {}
    assert "is damaged" in store.warnings[0]


def test_a_lineage_is_json(store, family):
    record = store.lineage(family[2].sha256).as_json()

    assert json.loads(json.dumps(record)) == record
    assert record["artifact"] == family[2].sha256
    assert record["chain"][2]["made"]["run"]["command"] == "quantize"


def test_a_run_about_no_artifact_has_no_lineage(store, make_run):
    entry = store.add_run(make_run(command="compare"), {})

    with pytest.raises(InputError, match="is about no artifact"):
        store.lineage(entry.id)
