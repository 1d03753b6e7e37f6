"""The index is made again from the objects when it is missing, damaged or old, and that is said."""

import sqlite3
from contextlib import closing

import pytest

from edgeopt.errors import InputError
from edgeopt.store.index import Index
from edgeopt.store.step import step_key
from edgeopt.store.store import Store
from edgeopt.store.tables import SCHEMA

TABLES = ("runs", "artifacts", "run_artifacts", "steps", "looks")
SCHEMA_1 = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, date TEXT, command TEXT, edgeopt TEXT, machine TEXT, candidate TEXT, headline TEXT
);
CREATE TABLE artifacts (
    sha256 TEXT PRIMARY KEY, path TEXT, format TEXT, size_bytes INTEGER, lineage TEXT, made_by TEXT
);
CREATE TABLE run_artifacts (run TEXT, artifact TEXT, role TEXT, PRIMARY KEY (run, artifact, role));
CREATE TABLE steps (key TEXT PRIMARY KEY, date TEXT, artifact TEXT, record TEXT, details TEXT);
CREATE INDEX runs_by_date ON runs (date);
CREATE INDEX runs_of_artifact ON run_artifacts (artifact);
PRAGMA user_version = 1;
"""
AGAIN = "was made again from its objects: 3 run(s)"


@pytest.fixture
def filled(store, make_run, make_artifact):
    """Three runs and a cached step; the second run tells the lineage of `b.onnx`, the third was accepted."""
    a = make_artifact("a.onnx")
    b = make_artifact("b.onnx")
    made = make_artifact("b.onnx", parent=a.sha256, step="quantize", options={"scheme": "int8"}, seed=3)
    store.add_run(make_run(a, b, day=1), {"baseline": a.path, "candidate": b.path})
    store.add_run(make_run(a, made, day=2, command="quantize"), {})
    accepted = {"by": "Ada", "date": "2026-11-03T13:00:00+00:00", "reason": "release 1", "config": "edgeopt.toml"}
    judged = {"source": "eval.npz", "sha256": "d" * 64, "rows": "e" * 64, "n": 899, "part": "confirm"}
    store.add_run(make_run(b, day=3, command="gate", accepted=accepted, judged=judged), {})
    store.remember_step(step_key(input_sha256=a.sha256, step="s", options={}, versions={}), b, {"kept": ["node"]})
    return store


def rows(store):
    """All tables, without the order of rows that were written together."""
    with closing(sqlite3.connect(store.folder / "index.sqlite3")) as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in TABLES}


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path):
    path.write_bytes(b"this is no database" * 500)


def spoil(path):
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


def drop_table(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE runs")


def test_the_index_is_in_wal_mode_and_has_a_schema_number(filled):
    with closing(sqlite3.connect(filled.folder / "index.sqlite3")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,) == (2,)


def test_rebuilding_gives_the_same_index(filled):
    before = rows(filled)

    assert filled.rebuild() == 3
    assert rows(filled) == before
    assert all(before.values())
    assert filled.warnings == []


def test_a_missing_index_is_made_again_and_that_is_said(filled):
    before, listed = rows(filled), filled.runs()
    (filled.folder / "index.sqlite3").unlink()
    again = Store(filled.folder)

    assert again.runs() == listed
    assert rows(again) == before
    assert [warning.endswith(AGAIN) for warning in again.warnings] == [True]


@pytest.mark.parametrize("damage", [truncate, overwrite, spoil, empty, drop_table])
@pytest.mark.parametrize("is_written", [False, True])
def test_a_damaged_index_is_made_again_and_that_is_said(filled, make_run, damage, is_written):
    before, listed = rows(filled), filled.runs()
    damage(filled.folder / "index.sqlite3")
    again = Store(filled.folder)

    if is_written:
        listed = [again.add_run(make_run(day=9), {}), *listed]
    else:
        assert again.runs() == listed
        assert rows(again) == before
    assert again.runs() == listed
    assert again.warnings[-1].endswith(AGAIN if not is_written else "4 run(s)")
    assert damage is empty or (filled.folder / "index.sqlite3.damaged").exists()


def test_a_log_that_belongs_to_a_damaged_index_is_not_taken_for_that_of_the_new_one(filled):
    path = filled.folder / "index.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("DELETE FROM runs")
        connection.commit()
        log = (filled.folder / "index.sqlite3-wal").read_bytes()
    overwrite(path)
    (filled.folder / "index.sqlite3-wal").write_bytes(log)

    assert len(Store(filled.folder).runs()) == 3
    assert not (filled.folder / "index.sqlite3-wal").exists()


def test_an_index_of_an_older_schema_is_made_again(filled):
    with closing(sqlite3.connect(filled.folder / "index.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 0")
    again = Store(filled.folder)

    assert again.count() == 3
    assert again.warnings[0].endswith(AGAIN)


def test_an_index_of_schema_1_is_made_again_with_what_it_did_not_know(filled):
    path = filled.folder / "index.sqlite3"
    listed, before = filled.runs(), rows(filled)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA_1)
        old = [(entry.id, entry.date, "", "", "", "", "{}") for entry in listed]
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", old)
        connection.commit()
    again = Store(filled.folder)

    assert again.latest_accepted("edgeopt.toml").accepted["by"] == "Ada"
    assert again.looks("d" * 64, "e" * 64) == 1
    assert again.runs() == listed
    assert rows(again) == before
    assert [warning.endswith(AGAIN) for warning in again.warnings] == [True]


def test_an_index_of_a_newer_edgeopt_is_refused(filled, make_run):
    with closing(sqlite3.connect(filled.folder / "index.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 3")

    with pytest.raises(InputError, match="schema `3`, this edgeopt reads 2"):
        filled.runs()
    with pytest.raises(InputError, match="schema `3`, this edgeopt reads 2"):
        filled.add_run(make_run(), {})


def test_where_nothing_can_be_written_the_index_is_made_in_memory(filled, monkeypatch):
    listed = filled.runs()
    (filled.folder / "index.sqlite3").unlink()
    again = Store(filled.folder)

    def refuse(self, change):
        raise PermissionError("read-only")

    monkeypatch.setattr(Index, "write", refuse)

    assert again.runs() == listed
    assert "cannot be written (read-only): made again in memory" in again.warnings[0]
    assert not (filled.folder / "index.sqlite3").exists()


def test_damaged_objects_are_left_out_and_named(filled):
    latest = filled.runs()[0]
    path = filled.objects.path_of(latest.id)
    path.chmod(0o644)
    path.write_bytes(b'{"schema": 1}')

    assert filled.rebuild() == 2
    assert latest.id[:12] in filled.warnings[0]


def test_a_record_of_a_newer_schema_is_left_out_and_named(filled):
    record = filled.objects.read(filled.runs()[0].id).replace(b'"schema": 1', b'"schema": 7')
    digest = filled.objects.add_bytes(record)

    assert filled.rebuild() == 3
    assert filled.warnings == [
        f"object `{digest[:12]}` of `{filled.folder}` is left out: `{digest[:12]}` has schema `7`, this edgeopt reads 1"
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"{}",
        b"[]",
        b"{" * 100_000,
        b'{"schema": 1, "step_key": "k", "date": "d", "details": {}, "made": {"sha256": "../x"}}',
        b'{"schema": 1, "looks": [["data", "rows"]]}',
        b'{"schema": 1, "looks": [["data", "rows", 5]]}',
        b'{"schema": 1, "looks": [["data", "\\ud800", "artifact"]]}',
        b'{"schema": 1, "edgeopt": "0", "command": "bench"}',
        b'{"schema": 1, "edgeopt": "0", "command": "bench", "environment": {}, "measurements": [], "artifacts": [],'
        b' "accepted": {"by": 1}, "judged": ["rows"]}',
        b'{"schema": 1, "edgeopt": "0", "command": "\\ud800", "environment": {}, "artifacts": [], "measurements": []}',
        b'{"schema": 1, "edgeopt": "0", "command": "bench", "environment": {}, "measurements": [],'
        b' "artifacts": [{"sha256": 5, "size_bytes": 1e400}]}',
    ],
)
def test_objects_that_are_no_records_do_not_stop_a_rebuild(filled, content):
    filled.objects.add_bytes(content)

    assert filled.rebuild() >= 3
    assert filled.runs()
