"""How many candidates were judged on the same samples."""

import sqlite3
from contextlib import closing

import pytest

from edgeopt.store.store import Store

DATA, ROWS = "d" * 64, "e" * 64


@pytest.fixture
def judge(store, make_run, make_artifact, judged_on):
    """Records a gate on candidates, the first artifact being their baseline."""

    def add(*names, day=1, **samples):
        artifacts = [make_artifact(name) for name in ("base.onnx", *names)]
        return store.add_run(make_run(*artifacts, day=day, command="gate", judged=judged_on(**samples)), {})

    return add


def test_candidates_are_counted_and_baselines_are_not(store, judge):
    judge("a.onnx")
    judge("b.onnx", day=2)

    assert store.looks(DATA, ROWS) == 2


def test_a_candidate_that_is_judged_again_counts_once(store, judge):
    judge("a.onnx")
    judge("a.onnx", day=2)

    assert store.looks(DATA, ROWS) == 1


def test_other_rows_and_other_data_count_apart(store, judge):
    judge("a.onnx")
    judge("b.onnx", rows="f" * 64)
    judge("c.onnx", sha256="f" * 64)

    assert (store.looks(DATA, ROWS), store.looks(DATA, "f" * 64), store.looks("f" * 64, ROWS)) == (1, 1, 1)
    assert store.looks(ROWS, DATA) == 0


def test_data_without_a_digest_counts_by_its_name(store, judge):
    judge("a.onnx", sha256="", source="own.py:batches")
    judge("b.onnx", sha256="", source="other.py:batches")

    assert store.looks("", ROWS, source="own.py:batches") == 1
    assert store.looks("", ROWS) == 0


def test_a_run_that_tells_no_role_is_about_a_candidate(store, make_run, make_artifact, judged_on):
    run = make_run(make_artifact("a.onnx"), judged=judged_on())
    bare = tuple({key: value for key, value in entry.items() if key != "role"} for entry in run.artifacts)
    store.add_run(type(run)(**{name: getattr(run, name) for name in run.__slots__} | {"artifacts": bare}), {})

    assert store.looks(DATA, ROWS) == 1


@pytest.mark.parametrize(
    "judged", [None, [], {"rows": ROWS}, {"sha256": DATA}, {"sha256": "", "source": "", "rows": ROWS}, {"sha256": 5}]
)
def test_a_run_that_does_not_tell_its_samples_is_no_look(store, make_run, make_artifact, judged):
    store.add_run(make_run(make_artifact("a.onnx"), judged=judged), {})

    assert store.count() == 1
    assert (store.looks(DATA, ROWS), store.looks("", ROWS)) == (0, 0)


def test_where_nothing_is_recorded_nobody_looked(store):
    assert store.looks(DATA, ROWS) == 0
    assert not store.folder.exists()


def test_looks_of_dropped_runs_count_on(store, judge, make_run):
    for day, name in enumerate(("a.onnx", "b.onnx", "c.onnx"), start=1):
        judge(name, day=day)

    assert len(store.collect_garbage(keep=1).runs) == 2
    assert store.looks(DATA, ROWS) == 3
    judge("a.onnx", day=9)
    judge("d.onnx", day=10)
    assert store.looks(DATA, ROWS) == 4
    assert len(store.collect_garbage(keep=0).runs) == 3
    assert store.looks(DATA, ROWS) == 4
    assert (store.rebuild(), store.looks(DATA, ROWS)) == (0, 4)
    assert Store(store.folder).looks(DATA, ROWS) == 4


def test_one_record_holds_all_looks_of_dropped_runs_once_the_older_ones_are_old(store, judge):
    hour = 3_600
    for name in ("a.onnx", "b.onnx"):
        judge(name)
        store.collect_garbage(keep=0)
    newest = max(store.objects.path_of(sha256).stat().st_mtime for sha256 in store.objects)
    judge("c.onnx")

    store.collect_garbage(keep=0, now=newest + 2 * hour)

    assert len(list(store.objects)) == 1
    assert store.looks(DATA, ROWS) == 3


def test_a_dry_run_keeps_no_looks(store, judge):
    judge("a.onnx")
    before = list(store.objects)

    store.collect_garbage(keep=0, dry_run=True)

    assert list(store.objects) == before
    assert store.looks(DATA, ROWS) == 1


def test_a_collection_that_drops_no_look_writes_no_record(store, make_run):
    store.add_run(make_run(), {})

    store.collect_garbage(keep=0)

    assert list(store.objects) == []


def test_looks_are_counted_from_an_index(store, judge):
    judge("a.onnx")
    query = "EXPLAIN QUERY PLAN SELECT count(DISTINCT artifact) FROM looks WHERE data = 'x' AND rows = 'y'"
    with closing(sqlite3.connect(store.folder / "index.sqlite3")) as connection:
        plan = " ".join(row[3] for row in connection.execute(query))

    assert "SEARCH looks USING COVERING INDEX" in plan
