"""What a collection drops, and what it must not."""

import os
from datetime import datetime

import pytest

from edgeopt.store.store import Store

HOUR, DAY = 3_600, 86_400
NOON = datetime.fromisoformat("2026-11-01T12:00:00+00:00").timestamp()


@pytest.fixture
def collect(store):
    """Collects as at noon of a day of November 2026, when all that is in the store is older than an hour."""

    def run(*, on=30, **options):
        moment = NOON + (on - 1) * DAY
        for path in [*map(store.objects.path_of, store.objects), *store.objects.unfinished()]:
            os.utime(path, (moment - HOUR - 1, moment - HOUR - 1))
        return store.collect_garbage(now=moment, **options)

    return run


def days(entries):
    return [int(entry.date[8:10]) for entry in entries]


def test_without_options_no_run_goes(store, collect, make_run, make_artifact):
    artifact = make_artifact("a.onnx")
    store.add_run(make_run(artifact), {"candidate": artifact.path})

    garbage = collect()

    assert (garbage.runs, garbage.objects, garbage.size_bytes) == ((), 0, 0)
    assert store.object_path(artifact.sha256)


def test_the_latest_runs_are_kept(store, collect, make_run):
    for day in (1, 2, 3, 4):
        store.add_run(make_run(day=day), {})

    garbage = collect(keep=3)

    assert days(garbage.runs) == [1]
    assert days(store.runs()) == [4, 3, 2]
    assert len(list(store.objects)) == 3


def test_runs_older_than_a_time_go(store, collect, make_run):
    for day in (1, 9, 10, 11):
        store.add_run(make_run(day=day), {})

    garbage = collect(on=20, older_than_seconds=10 * DAY)

    assert days(garbage.runs) == [9, 1]
    assert days(store.runs()) == [11, 10]


def test_files_that_only_dropped_runs_name_go_with_them(store, collect, make_run, make_artifact):
    both, old = make_artifact("both.onnx"), make_artifact("old.onnx")
    entry = store.add_run(make_run(both, old, day=1), {"baseline": both.path, "candidate": old.path})
    store.add_run(make_run(both, day=2), {"candidate": both.path})
    record_bytes = store.objects.path_of(entry.id).stat().st_size

    garbage = collect(keep=1)

    assert (len(garbage.runs), garbage.objects, garbage.size_bytes) == (1, 2, record_bytes + old.size_bytes)
    assert store.object_path(both.sha256)
    assert not store.objects.has(old.sha256)
    assert not store.knows(old.sha256)


def test_a_run_that_made_the_model_of_a_run_that_stays_stays_too(store, collect, make_run, make_artifact):
    a = make_artifact("a.onnx")
    b = make_artifact("b.onnx", parent=a.sha256, step="simplify")
    c = make_artifact("c.onnx", parent=b.sha256, step="quantize")
    for day, pair in ((1, (a, b)), (2, (b, c)), (3, (a,))):
        store.add_run(make_run(*pair, day=day), {"candidate": pair[-1].path})
    store.add_run(make_run(make_artifact("c.onnx"), day=4), {})

    garbage = collect(keep=1)

    assert days(garbage.runs) == [3]
    assert days(garbage.ancestors) == [2, 1]
    assert len(store.lineage(c.sha256).chain) == 3


def test_a_dry_run_says_the_same_and_drops_nothing(store, collect, make_run, make_artifact):
    artifact = make_artifact("a.onnx")
    store.add_run(make_run(artifact), {"candidate": artifact.path})
    before = store.runs()

    planned = collect(keep=0, dry_run=True)

    assert store.runs() == before
    assert store.object_path(artifact.sha256)
    assert planned.is_dry_run
    done = collect(keep=0)
    assert (done.runs, done.objects, done.size_bytes) == (planned.runs, planned.objects, planned.size_bytes)
    assert list(store.objects) == []


def test_an_object_younger_than_an_hour_stays_since_a_writer_may_be_about_to_name_it(store, make_run):
    store.add_run(make_run(), {})
    young = store.objects.add_bytes(b"just written")
    written = store.objects.path_of(young).stat().st_mtime
    (store.objects.folder / ".new-begun").write_bytes(b"half")

    assert store.collect_garbage(now=written + HOUR - 1).objects == 0
    assert store.objects.has(young)
    assert store.collect_garbage(now=written + 2 * HOUR).objects == 1
    assert not store.objects.has(young)
    assert list(store.objects.unfinished()) == []


def test_the_record_of_a_dropped_run_goes_however_young(store, make_run):
    store.add_run(make_run(), {})

    store.collect_garbage(keep=0)

    assert list(store.objects) == []
    assert store.rebuild() == 0


def test_damaged_objects_go_and_are_named(store, collect, make_run, make_artifact):
    artifact = make_artifact("a.onnx")
    store.add_run(make_run(artifact), {"candidate": artifact.path})
    path = store.objects.path_of(artifact.sha256)
    path.chmod(0o644)
    path.write_bytes(b"")

    garbage = collect()

    assert garbage.damaged == (artifact.sha256,)
    assert store.count() == 1
    store.add_run(make_run(artifact, day=2), {"candidate": artifact.path})
    assert store.object_path(artifact.sha256)


def test_cached_steps_keep_their_artifacts_and_go_by_age(store, collect, make_artifact, monkeypatch):
    artifact = make_artifact("a.onnx")
    monkeypatch.setattr("edgeopt.store.store._now", lambda: "2026-11-10T12:00:00+00:00")
    store.remember_step("key", artifact, {})

    assert collect(on=20, keep=0, older_than_seconds=11 * DAY).steps == 0
    assert store.cached_step("key")
    garbage = collect(on=20, older_than_seconds=9 * DAY)
    assert (garbage.steps, garbage.objects) == (1, 2)
    assert store.cached_step("key") is None


def test_steps_whose_result_no_run_names_go_when_the_number_of_runs_is_bounded(store, collect, make_run, make_artifact):
    named, unnamed = make_artifact("named.onnx"), make_artifact("unnamed.onnx")
    for day in (1, 2):
        store.add_run(make_run(named, day=day), {"candidate": named.path})
    for artifact in (named, unnamed):
        store.remember_step(artifact.path.name, artifact, {})

    assert collect(keep=2).steps == 0
    assert collect(keep=1).steps == 1
    assert store.cached_step("unnamed.onnx") is None
    assert store.cached_step("named.onnx")
    assert collect(keep=0).steps == 1
    assert list(store.objects) == []


def test_a_lineage_that_only_a_dropped_step_told_is_dropped_with_it(
    store, collect, make_run, make_artifact, monkeypatch
):
    plain = make_artifact("a.onnx")
    monkeypatch.setattr("edgeopt.store.store._now", lambda: "2026-11-10T12:00:00+00:00")
    store.remember_step("key", make_artifact("a.onnx", parent="b" * 64, step="quantize"), {})
    store.add_run(make_run(plain, day=20), {"candidate": plain.path})
    assert store.lineage(plain.sha256).chain[-1].made.step == "quantize"

    assert collect(on=20, older_than_seconds=9 * DAY).steps == 1
    before = store.lineage(plain.sha256)
    store.rebuild()

    assert before.chain[-1].made is None
    assert store.lineage(plain.sha256) == before


def test_a_run_that_a_killed_writer_wrote_whole_is_taken_in(store, collect, make_run):
    entry = store.add_run(make_run(), {})
    content = store.objects.read(entry.id).replace(b"2026-11-01", b"2026-11-02")
    orphan = store.objects.add_bytes(content)

    garbage = collect()

    assert garbage.objects == 0
    assert [run.id for run in Store(store.folder).runs()] == [orphan, entry.id]


def test_the_index_after_a_collection_is_the_one_that_the_objects_give(store, collect, make_run, make_artifact):
    for day in (1, 2, 3):
        artifact = make_artifact(f"{day}.onnx")
        store.add_run(make_run(artifact, day=day), {"candidate": artifact.path})
    collect(keep=2)
    known = [store.knows(make_artifact(f"{day}.onnx").sha256) for day in (1, 2, 3)]
    before = store.runs()

    store.rebuild()

    assert store.runs() == before
    assert known == [False, True, True]


def test_other_files_in_the_folder_are_not_touched(store, collect, make_run):
    store.add_run(make_run(), {})
    other = store.folder / "model.candidate.onnx"
    other.write_bytes(b"weights")
    os.utime(other, (1, 1))

    collect(keep=0)

    assert other.exists()
