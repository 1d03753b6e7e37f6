"""Recorded runs: listed, shown, traced and cleaned up."""

import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from edgeopt.core.run import Run
from edgeopt.errors import InputError
from edgeopt.store.store import Store
from edgeopt.workflow.gate import gate
from edgeopt.workflow.inputs import model_artifact
from edgeopt.workflow.quantize import quantize
from edgeopt.workflow.record import record_run
from edgeopt.workflow.runs import (
    collect_garbage,
    list_runs,
    runs_to_complete,
    seconds_of_age,
    show_run,
    trace_lineage,
)

DAY = 86_400


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "record")


@pytest.fixture
def three(store):
    """Runs of the first three days of November 2026."""
    days = (f"2026-11-0{day}T12:00:00+00:00" for day in (1, 2, 3))
    runs = [Run(command="bench", environment={"date": day}, artifacts=(), measurements=()) for day in days]
    return [record_run(run, store=store).entry for run in runs]


def test_runs_are_listed_with_how_many_there_are(store, three):
    record = list_runs(limit=2, store=store)

    assert [run["id"] for run in record["runs"]] == [three[2].id, three[1].id]
    assert (record["total"], record["store"], record["warnings"]) == (3, str(store.folder), [])
    assert json.loads(json.dumps(record)) == record


def test_without_a_store_nothing_is_listed_and_nothing_made(store):
    assert list_runs(store=store)["runs"] == []
    assert not store.folder.exists()


def test_a_run_is_shown_as_it_was_recorded(store, three):
    record = show_run(three[0].id[:9], store=store)

    assert record == {**store.load_run(three[0].id).as_json(), "stored": []}


def test_without_an_id_the_latest_run_is_shown(store, three):
    assert show_run(store=store)["environment"]["date"] == three[2].date


def test_without_a_run_there_is_none_to_show(store):
    with pytest.raises(InputError, match="nothing is recorded in"):
        show_run(store=store)


def test_the_list_says_when_it_was_made(store, three):
    assert datetime.fromisoformat(list_runs(store=store)["date"]).utcoffset() == timedelta(0)


def test_an_empty_list_names_a_store_in_a_folder_above(tmp_path, three):
    above = Store(tmp_path / ".edgeopt")
    record_run(Run(command="bench", environment={}, artifacts=(), measurements=()), store=above)
    below = tmp_path / "a" / "b"

    assert list_runs(store=Store(below / ".edgeopt"))["above"] == str(above.folder)
    assert list_runs(store=Store(below / "named otherwise"))["above"] is None
    assert list_runs(store=above)["above"] is None


def test_ids_are_completed_with_what_they_are_the_latest_first(store, three):
    completed = runs_to_complete("", store=store)

    assert completed[0] == (three[2].id[:12], f"bench  {three[2].date}")
    assert runs_to_complete(three[0].id[:6], store=store)[0][0] == three[0].id[:12]
    assert runs_to_complete("*", store=store) == []


def test_what_befell_the_store_is_told_with_the_run(store, three):
    (store.folder / "index.sqlite3").unlink()

    assert "made again" in show_run(three[0].id, store=store)["warnings"][0]


def test_a_quantized_model_is_traced_by_its_file_its_digest_and_its_run(task, store):
    made = quantize(task.model, data=task.data, target="rpi4", samples=50, seed=3, measure=False)
    entry = record_run(made.run, store=store).entry
    by_file = trace_lineage(str(made.artifact.path), store=store)

    assert by_file["named"] == str(made.artifact.path)
    assert trace_lineage(made.artifact.sha256[:10], store=store) == {**by_file, "named": None}
    assert trace_lineage(entry.id, store=store) == {**by_file, "named": None}
    source, result = by_file["chain"]
    assert (source["sha256"], source["made"]) == (made.source.sha256, None)
    assert (result["sha256"], result["path"]) == (made.artifact.sha256, str(made.artifact.path))
    assert result["made"]["step"] == "quantize"
    asked = {"scheme": "auto", "per_channel": True, "target": "rpi4", "range": "auto"}
    assert result["made"]["options"].items() >= asked.items()
    assert result["made"]["data"]["samples"] == 50
    assert len(result["made"]["data"]["sha256"]) == 64
    assert result["made"]["seed"] == 3
    assert result["made"]["environment"]["versions"].keys() >= {"edgeopt", "onnxruntime"}
    assert result["made"]["environment"]["machine"] == made.environment["machine"]


def test_the_candidate_of_a_gate_is_traced_to_the_original(task, store):
    result = gate(config=task.configured("size <= 1 MB"))
    entry = record_run(result.run, store=store).entry

    source, candidate = trace_lineage(entry.id, store=store)["chain"]

    assert source["sha256"] == model_artifact(task.model).sha256
    assert candidate["made"]["step"] == "quantize"
    assert candidate["made"]["options"]["target"] == "rpi4"
    assert candidate["made"]["data"]["samples"] == 100


def test_a_model_in_several_files_is_traced_by_the_digest_of_them_all(save_external, store):
    artifact = model_artifact(save_external("weights.bin"))
    run = Run(command="bench", environment={}, artifacts=(artifact.as_json(),), measurements=())
    entry = record_run(run, store=store).entry

    assert trace_lineage(str(artifact.path), store=store)["artifact"] == artifact.sha256
    assert not store.load_record(entry.id)["stored"][0]["is_kept"]


def test_a_file_that_was_never_recorded_is_refused(store, three, tmp_path):
    np.savez(tmp_path / "p.npz", scores=[1.0])

    with pytest.raises(InputError, match="no artifact and no run begins with"):
        trace_lineage(str(tmp_path / "p.npz"), store=store)


def test_a_collection_says_what_it_drops_and_what_is_left(store, three):
    planned = collect_garbage(keep=1, dry_run=True, store=store)
    done = collect_garbage(keep=1, store=store)

    assert [run["id"] for run in done["runs"]] == [three[1].id, three[0].id]
    assert (planned["left"], done["left"]) == (3, 1)
    assert (planned["dry_run"], planned["size_bytes"]) == (True, done["size_bytes"])
    assert done["size_bytes"] > 0
    assert json.loads(json.dumps(done)) == done


def test_runs_of_november_2026_are_not_a_thousand_years_old(store, three):
    assert collect_garbage(older_than="52000w", store=store)["runs"] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * DAY), ("2 w", 14 * DAY), ("1.5d", 1.5 * DAY), ("12h", DAY / 2), ("90 min", 5_400), ("0d", 0)],
)
def test_an_age_is_read(text, seconds):
    assert seconds_of_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "-1 h", "5 MB", "soon"])
def test_what_is_no_age_is_refused(text):
    with pytest.raises(InputError, match="is not a time") as caught:
        seconds_of_age(text)

    assert "30d" in caught.value.hint
