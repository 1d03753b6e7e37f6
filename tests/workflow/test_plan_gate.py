"""`edgeopt.plan_gate`: what is at hand, what earlier runs tell, what cannot be used; nothing is run or written."""

import json
import subprocess
import sys

import numpy as np
import pytest

import edgeopt
from edgeopt.core.config import BenchTable
from edgeopt.core.run import json_text
from edgeopt.errors import InputError
from edgeopt.store.store import Store
from edgeopt.workflow.record import record_run

PAIRED, SLOW = "accuracy >= baseline - 1 pt", "latency.p50 <= baseline + 5 %"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def own_store(task, monkeypatch):
    """The store lies beside the configuration, as it does for a user."""
    monkeypatch.delenv("EDGEOPT_STORE")


@pytest.fixture
def gated(task, scripted_times):
    """The configuration of a task whose gate was recorded once."""
    config = task.configured(PAIRED, SLOW, bench="")
    config.write_text(config.read_text().replace("processes = 2", "processes = 6"))
    scripted_times(**{"model.candidate": 0.0006})
    run = edgeopt.gate(config=config).run
    entry = record_run(run, store=Store.find(task.folder)).entry
    return config, entry.id[:12]


def test_the_samples_at_hand_are_those_that_the_gate_judges(task):
    config = task.configured(PAIRED)

    result = edgeopt.plan_gate(config=config)

    assert (result.samples, result.rules[0].at_hand) == (800, 800)
    assert edgeopt.gate(config=config).as_json()["accuracy"]["n"] == 800


def test_parts_that_the_data_names_are_taken_at_their_word(task):
    part = np.array(["calibration"] * 300 + ["select"] * 100 + ["confirm"] * 500)
    data = task.with_arrays("parts.npz", part=part)
    config = task.configured(PAIRED, "slice(room).accuracy >= baseline - 3 pt")
    config.write_text(config.read_text().replace(task.data.name, data.name))

    result = edgeopt.plan_gate(config=config)

    assert result.samples == 500
    assert {part.part: part.at_hand for part in result.rules[1].slices} == {"room=cellar": 166, "room=hall": 334}


def test_where_calibration_takes_all_samples_it_is_said(task):
    part = np.array(["calibration"] * 900)
    data = task.with_arrays("parts.npz", part=part)
    config = task.configured(PAIRED)
    config.write_text(config.read_text().replace(task.data.name, data.name))

    result = edgeopt.plan_gate(config=config)

    assert (result.samples, result.rules[0].at_hand) == (None, None)
    assert "no sample of" in result.warnings[0]


def test_nothing_is_run_timed_or_written(task):
    config = task.configured(PAIRED, SLOW, "flip_rate <= 2 %", "size <= 1 MB")
    before = contents(task.folder)
    code = f"import sys, edgeopt; edgeopt.plan_gate(config={str(config)!r}); sys.exit('onnxruntime' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", code], cwd=task.folder, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert contents(task.folder) == before


def test_the_processes_are_those_of_the_configuration(task):
    config = task.configured(SLOW)

    assert edgeopt.plan_gate(config=config).rules[0].at_hand == 2
    config.write_text(config.read_text().replace("processes = 2", ""))
    assert edgeopt.plan_gate(config=config).rules[0].at_hand == BenchTable().processes


def test_the_latest_recorded_gate_tells_discordance_and_noise(gated):
    config, run = gated

    paired, slow = edgeopt.plan_gate(config=config).rules

    assert paired.main.inputs[0].name == "discordance"
    assert paired.main.inputs[0].origin == "host"
    assert paired.main.inputs[0].source.startswith(f"run {run} (gate, ")
    assert slow.main.inputs[0].source.endswith("6 processes")
    assert slow.main.inputs[0].value < 0.005


def test_predictions_that_moved_are_read_from_the_store(gated, task):
    config, _ = gated
    for path in (task.folder / ".edgeopt").glob("*.predictions.npz"):
        path.unlink()

    rule = edgeopt.plan_gate(config=config, rules=["brier <= baseline + 5 %"]).rules[-1]

    assert (rule.kind, rule.main.inputs[0].name) == ("chance", "deviation")


def test_runs_about_another_model_tell_of_noise_alone(gated, task, small_models):
    config, run = gated
    other = task.folder / "other.onnx"
    model = small_models.mlp()
    model.doc_string = "another file"
    other.write_bytes(model.SerializeToString())
    config.write_text(config.read_text().replace('"model.onnx"', '"other.onnx"'))

    paired, slow = edgeopt.plan_gate(config=config).rules

    assert "assumed" in paired.main.inputs[0].source
    assert slow.main.inputs[0].source.startswith(f"run {run}")
    assert "a model against itself" in slow.main.inputs[0].source


def test_runs_of_another_machine_tell_nothing_of_noise(gated, task, monkeypatch):
    config, _ = gated
    monkeypatch.setattr("edgeopt.workflow.plan_evidence.machine_identity", lambda: "another")

    paired, slow = edgeopt.plan_gate(config=config).rules

    assert paired.main.inputs[0].origin == "host"
    assert "assumed" in slow.main.inputs[0].source


def test_a_damaged_run_is_said_and_left_out(gated, task):
    config, run = gated
    (path,) = (task.folder / ".edgeopt" / "objects").rglob(f"{run[2:]}*")
    path.chmod(0o600)
    path.write_text("{")

    result = edgeopt.plan_gate(config=config)

    assert any(f"run `{run}` is not used" in warning for warning in result.warnings)
    assert "assumed" in result.rules[0].main.inputs[0].source


def test_a_record_that_is_given_is_believed_first(gated, task):
    config, _ = gated
    made = edgeopt.quantize(task.model, data=task.data, samples=100, measure=False, target="rpi4").artifact.path
    record = json.loads(json_text(edgeopt.compare(task.model, made, task.data).as_json()))
    record["measurements"] = [m for m in record["measurements"] if m["metric"] != "accuracy"]
    record.update(losses=10, gains=3)
    path = task.folder / "compared.json"
    path.write_text(json.dumps(record))

    known = edgeopt.plan_gate(path, config=config).rules[0].main.inputs[0]

    assert known.source == f"`{path}`: 10 lost and 3 gained of {record['n']}"


def test_records_alone_tell_what_is_at_hand(task):
    made = edgeopt.quantize(task.model, data=task.data, samples=100, measure=False, target="rpi4").artifact.path
    path = task.folder / "compared.json"
    path.write_text(json_text(edgeopt.compare(task.model, made, task.data).as_json()))

    result = edgeopt.plan_gate(path, rules=[PAIRED])

    assert result.samples == json.loads(path.read_text())["n"]
    assert result.rules[0].main.inputs[0].origin == "host"


def test_prediction_files_tell_of_slices(task):
    files = [task.folder / name for name in ("before.npz", "after.npz")]
    edgeopt.evaluate(task.model, task.data, predictions=files[0])
    with np.load(files[0]) as before:
        np.savez(files[1], scores=before["scores"] + 0.01, y=before["y"], room=before["room"])
    path = task.folder / "compared.json"
    path.write_text(json_text(edgeopt.compare(*files).as_json()))

    (rule,) = edgeopt.plan_gate(path, rules=["slice(room).accuracy >= baseline - 3 pt"]).rules

    assert {part.part: part.at_hand for part in rule.slices} == {"room=cellar": 300, "room=hall": 600}
    with pytest.raises(InputError, match="the data has no column `speaker`"):
        edgeopt.plan_gate(path, rules=["slice(speaker).accuracy >= baseline - 3 pt"])


def test_an_accepted_baseline_is_timed_by_turns_while_its_model_is_there(task, scripted_times):
    config = task.configured(SLOW, gate='baseline = "b.json"')
    config.write_text(config.read_text().replace("processes = 2", "processes = 6"))
    scripted_times()
    first = edgeopt.plan_gate(config=config)
    edgeopt.gate(config=config, accept=True)
    there = edgeopt.plan_gate(config=config)
    before = contents(task.folder / ".edgeopt")
    for path in [*(task.folder / ".edgeopt" / "objects").rglob("*"), *(task.folder / ".edgeopt").glob("*.onnx")]:
        if path.is_file() and path.stat().st_size:
            path.chmod(0o600)
            path.unlink()
    gone = edgeopt.plan_gate(config=config)

    assert before
    assert "assumed" in first.rules[0].main.inputs[0].source
    assert there.rules[0].main.assumption.startswith("as fast as the baseline,")
    assert gone.rules[0].main.assumption.startswith("as fast as the baseline held,")


def test_without_labels_flips_bound_the_change_of_accuracy(task):
    bare = task.with_arrays("bare.npz", y=None)
    config = task.configured("accuracy >= baseline - 3 pt")
    config.write_text(config.read_text().replace(task.data.name, bare.name))

    (rule,) = edgeopt.plan_gate(config=config).rules

    assert rule.main.assumption.startswith("no labels")


def test_clusters_are_those_of_the_configuration_or_of_the_argument(task):
    config = task.configured(PAIRED, data='cluster = "room"')

    assert "alike those of one `room`" in edgeopt.plan_gate(config=config).rules[0].advice
    plain = task.configured(PAIRED, name="plain.toml")
    assert edgeopt.plan_gate(config=plain, cluster="room").rules[0].kind == "unknown"
    assert edgeopt.plan_gate(config=plain).rules[0].kind == "chance"


def test_a_recorded_gate_tells_how_alike_the_samples_of_a_cluster_are(task, scripted_times):
    ids = np.arange(900) // 3
    data = task.with_arrays("clips.npz", clip=ids)
    config = task.configured("brier <= baseline + 5 %", data='cluster = "clip"')
    config.write_text(config.read_text().replace(task.data.name, data.name))
    before = edgeopt.plan_gate(config=config).rules[0]
    record_run(edgeopt.gate(config=config).run, store=Store.find(task.folder))
    after = edgeopt.plan_gate(config=config).rules[0]

    assert "alike those of one `clip`" in before.advice
    assert (after.kind, after.main.inputs[0].name, after.at_hand) == ("chance", "deviation", 800)


def test_all_that_cannot_be_used_is_told_at_once(task):
    config = task.configured(
        "accuraci >= 1 %",
        "size <= 3 ms",
        "size <= 1 KB @ rpi44",
        "slice(speaker).accuracy >= 1 %",
        "latency.p77 <= 1 ms",
        gate='[[gate.waiver]]\nrule = "x"\nuntil = 2030-01-01\nby = "a"\nreason = "b"',
    )

    with pytest.raises(InputError) as caught:
        edgeopt.plan_gate(config=config)

    for part in (
        "unknown metric `accuraci`",
        "unit `s` does not fit",
        "unknown target `rpi44`",
        "no column `speaker`",
        "`latency` has no `p77`",
        "a waiver names `x`",
    ):
        assert part in caught.value.message
    assert caught.value.hint


def test_a_missing_model_is_told_with_the_rules_that_cannot_be_used(task):
    config = task.configured("accuraci >= 1 %")
    task.model.unlink()

    with pytest.raises(InputError, match=r"unknown metric `accuraci`; model .* does not exist"):
        edgeopt.plan_gate(config=config)


@pytest.mark.parametrize(
    ("remove", "message"),
    [('[data]\npath = "data.npz"\nsamples = 100\n', r"needs `\[data\]`"), ("rules", "unknown key")],
)
def test_what_is_missing_is_refused_as_by_the_gate(task, remove, message):
    config = task.configured(PAIRED)
    config.write_text(config.read_text().replace(remove, "" if remove != "rules" else "rulez"))

    for function in (edgeopt.plan_gate, edgeopt.gate):
        with pytest.raises(InputError, match=message):
            function(config=config)


def test_rules_about_labels_need_them(task):
    bare = task.with_arrays("bare.npz", y=None)
    config = task.configured("f1 >= baseline - 1 pt")
    config.write_text(config.read_text().replace(task.data.name, bare.name))

    with pytest.raises(InputError, match=r"needs labels \(`y`\)"):
        edgeopt.plan_gate(config=config)


def test_the_record_is_no_run_and_marks_every_figure_as_an_estimate(task):
    record = edgeopt.plan_gate(config=task.configured(PAIRED, SLOW, "size <= 1 MB", "f1 >= baseline - 1 pt")).as_json()

    assert record.keys() == {
        "schema",
        "edgeopt",
        "command",
        "origin",
        "samples",
        "processes",
        "histories",
        "plan",
        "warnings",
    }
    assert record["origin"] == "estimated"
    assert {rule["origin"] for rule in record["plan"]} == {"estimated"}
    json_text(record)
