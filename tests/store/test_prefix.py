"""Runs by the beginning of their id."""

import pytest

from edgeopt.errors import InputError
from edgeopt.store.objects import Objects
from edgeopt.store.tables import insert_run


@pytest.fixture
def store_with(store, make_run):
    """A store whose index holds runs with ids that begin as told."""

    def fill(*beginnings):
        store.add_run(make_run(), {})
        record = store.load_record(store.runs()[0].id)
        for beginning in beginnings:
            store.index.write(lambda connection, id_=beginning: insert_run(connection, id_.ljust(64, "0"), record))
        return store

    return fill


def test_capitals_and_spaces_do_not_matter(store, make_run):
    entry = store.add_run(make_run(), {})

    assert store.load_record(f" {entry.id[:9].upper()} ")["command"] == "bench"


@pytest.mark.parametrize("prefix", ["", "xyz", "*", "0' OR 1", "0" * 65, "../0"])
def test_an_unknown_id_offers_the_latest_runs(store, make_run, prefix):
    entry = store.add_run(make_run(day=5), {})

    with pytest.raises(InputError, match="no run begins with") as caught:
        store.load_record(prefix)

    assert f"{entry.id[:12]} (bench, 2026-11-05T12:00:00+00:00)" in caught.value.hint
    assert "edgeopt runs list" in caught.value.hint


def test_an_empty_store_says_what_records(store):
    with pytest.raises(InputError, match="no run begins with `ab`") as caught:
        store.load_record("ab")

    assert "nothing is recorded here yet" in caught.value.hint


def test_an_ambiguous_id_lists_the_runs_that_it_may_mean(store_with):
    store = store_with("aaaa1", "aaaa2")

    with pytest.raises(InputError, match="2 runs begin with `aaaa`") as caught:
        store.load_record("aaaa")

    assert "aaaa10000000 (bench, 2026-11-01" in caught.value.hint
    assert "aaaa20000000 (bench, 2026-11-01" in caught.value.hint


def test_a_long_list_of_runs_is_cut(store_with):
    store = store_with(*(f"aaaa{digit}" for digit in range(9)))

    with pytest.raises(InputError, match="more than 5 runs begin with `aaaa`") as caught:
        store.load_record("aaaa")

    assert caught.value.hint.endswith(", ...")
    assert caught.value.hint.count("aaaa") == 5


def test_a_whole_id_is_never_ambiguous(store_with):
    store = store_with("aaaa1", "aaaa2")

    with pytest.raises(InputError, match="is missing"):
        store.load_record("aaaa1".ljust(64, "0"))
    assert isinstance(store.objects, Objects)


def test_an_unknown_artifact_offers_the_latest_runs(store, make_run, make_artifact):
    entry = store.add_run(make_run(make_artifact("a.onnx")), {})

    with pytest.raises(InputError, match="no artifact and no run begins with `zz`") as caught:
        store.lineage("zz")

    assert f"{entry.id[:12]} (bench a.onnx, " in caught.value.hint


def test_a_beginning_that_a_run_and_an_artifact_share_is_ambiguous(store_with, make_run, make_artifact):
    artifact = make_artifact("a.onnx")
    store = store_with(f"{artifact.sha256[:6]}ff")
    store.add_run(make_run(artifact, day=2), {})

    with pytest.raises(InputError, match="2 runs or artifacts begin with") as caught:
        store.lineage(artifact.sha256[:6])

    assert f"{artifact.sha256[:12]} ({artifact.path})" in caught.value.hint
