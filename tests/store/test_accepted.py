"""Runs that were accepted as a baseline: known, listed, and never cleaned away."""

import sqlite3
from contextlib import closing

import pytest

from edgeopt.store.store import Store


@pytest.fixture
def accept(store, make_run, acceptance):
    """Records a run of some day that was accepted on another."""

    def add(*artifacts, measured=1, accepted=1, **names):
        run = make_run(*artifacts, day=measured, command="gate", accepted=acceptance(accepted, **names))
        return store.add_run(run, {"candidate": artifacts[-1].path} if artifacts else {})

    return add


def test_an_accepted_run_tells_who_when_why_and_for_what(store, accept, make_run, acceptance):
    store.add_run(make_run(day=5), {})
    entry = accept(accepted=2)

    assert [run.accepted for run in store.runs()] == [None, acceptance(2)]
    assert entry.as_json()["accepted"] == {
        "by": "Ada",
        "date": "2026-11-02T12:00:00+00:00",
        "reason": "release 2",
        "config": "edgeopt.toml",
    }
    assert entry in Store(store.folder).runs()


def test_the_latest_is_the_one_that_was_accepted_last_not_measured_last(store, accept, make_run):
    early = accept(measured=3, accepted=3)
    late = accept(measured=1, accepted=9)
    other = accept(measured=2, accepted=5, config="other.toml")
    store.add_run(make_run(day=20), {})

    assert store.latest_accepted() == late
    assert store.latest_accepted("edgeopt.toml") == late
    assert store.latest_accepted("other.toml") == other
    assert early in store.runs()


def test_dates_of_other_time_zones_are_compared_as_times(store, make_run, acceptance):
    late = {**acceptance(2), "date": "2026-11-02T12:00:00-05:00"}
    store.add_run(make_run(day=1, accepted=late), {})
    store.add_run(make_run(day=2, accepted={**acceptance(2), "date": "2026-11-02T14:00:00+00:00"}), {})

    assert store.latest_accepted().accepted == late


def test_where_nothing_was_accepted_there_is_none(store, make_run):
    assert store.latest_accepted() is None
    store.add_run(make_run(), {})
    assert store.latest_accepted("edgeopt.toml") is None
    assert not store.folder.joinpath("none").exists()


@pytest.mark.parametrize(
    "told", [None, True, "Ada", {}, {"by": "Ada"}, {"by": 1, "date": "d", "reason": "r", "config": "c"}]
)
def test_what_does_not_tell_all_of_it_is_no_acceptance(store, make_run, told):
    store.add_run(make_run(accepted=told), {})

    assert store.runs()[0].accepted is None
    assert store.latest_accepted() is None


def test_an_acceptance_without_a_date_counts_from_when_it_was_measured(store, accept, make_run, acceptance):
    accept(measured=1, accepted=4)
    undated = store.add_run(make_run(day=5, accepted={**acceptance(1), "date": "lately"}), {})

    assert store.latest_accepted() == undated


def test_the_latest_baseline_of_each_configuration_is_never_dropped(store, accept, make_run, make_artifact):
    model = make_artifact("a.onnx")
    replaced = accept(measured=1, accepted=1)
    baseline = accept(model, measured=2, accepted=2)
    other = accept(measured=3, accepted=1, config="other.toml")
    store.add_run(make_run(day=9), {})

    garbage = store.collect_garbage(keep=1)

    assert garbage.runs == (replaced,)
    assert garbage.accepted == (other, baseline)
    assert garbage.as_json()["accepted"][1]["accepted"]["by"] == "Ada"
    assert store.object_path(model.sha256)
    assert store.latest_accepted("edgeopt.toml") == baseline
    assert store.latest_accepted("other.toml") == other
    assert store.collect_garbage(keep=0, older_than_seconds=0).accepted == (other, baseline)


def test_what_made_a_baseline_stays_with_it(store, accept, make_run, make_artifact):
    source = make_artifact("a.onnx")
    made = make_artifact("b.onnx", parent=source.sha256, step="quantize")
    maker = store.add_run(make_run(source, made, day=1, command="quantize"), {"candidate": made.path})
    accept(make_artifact("b.onnx"), measured=2, accepted=2)

    garbage = store.collect_garbage(keep=0)

    assert garbage.ancestors == (maker,)
    assert garbage.runs == ()
    assert len(store.lineage(made.sha256).chain) == 2


def test_the_latest_of_many_is_looked_up_in_an_index(store, accept):
    accept()
    query = "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE accepted <> '' AND accepted_for = 'x' ORDER BY accepted_on"
    with closing(sqlite3.connect(store.folder / "index.sqlite3")) as connection:
        plan = " ".join(row[3] for row in connection.execute(query))

    assert "USING INDEX accepted_runs" in plan
