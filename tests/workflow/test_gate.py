"""`edgeopt.gate`: what is made and measured for the rules, records merged, baselines kept."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import edgeopt
from edgeopt.core.run import json_text
from edgeopt.errors import InputError, Unsupported
from edgeopt.store.store import Store
from edgeopt.workflow.record import record_run

RUN = {"schema": 1, "edgeopt": "0", "command": "x", "environment": {}, "artifacts": [], "measurements": []}
ARTIFACT = {"sha256": "a", "path": "a.onnx"}
EMPTY = {"metric": "latency", "artifact": "a", "target": "host", "unit": "s", "origin": "host", "samples": []}


def outcomes(result):
    return [rule.verdict for rule in result.verdict.rules]


def written(path, record):
    path.write_text(json_text(record))
    return path


def changed(path, **keys):
    """The record at `path` with keys of its own, or of its environment, changed."""
    record = json.loads(path.read_text())
    environment = {key: keys.pop(key) for key in list(keys) if key in record["environment"]}
    return written(path, {**record, **keys, "environment": {**record["environment"], **environment}})


@pytest.fixture
def made(task):
    """An int8 model of the task."""
    return edgeopt.quantize(task.model, data=task.data, samples=100, measure=False, target="rpi4").artifact.path


def test_the_recipe_is_applied_and_both_models_are_judged(task):
    result = edgeopt.gate(config=task.configured("size <= 1 MB", "flip_rate <= 3 %", "accuracy >= baseline - 2 pt"))

    record = result.as_json()
    assert outcomes(result) == ["passed"] * 3
    assert (record["verdict"], result.verdict.exit_code) == ("passed", 0)
    assert [entry["role"] for entry in record["artifacts"]] == ["baseline", "candidate"]
    for rule in record["rules"]:
        assert rule.keys() >= {"rule", "verdict", "value", "limit", "unit", "origin", "reason"}
        assert (rule["origin"], bool(rule["reason"])) == ("host", True)
    assert record["latency"] is None
    assert record["accuracy"]["n"] == 800
    assert (task.folder / ".edgeopt" / "model.candidate.onnx").exists()


@pytest.mark.parametrize(
    ("rules", "exit_code"),
    [
        (["size <= 1 MB"], 0),
        (["size <= 1 B"], 3),
        (["size <= 1 MB", "energy <= 1 J"], 4),
        (["size <= 1 B", "energy <= 1 J"], 3),
        (["accuracy >= 99 %"], 3),
        (["accuracy >= 90 %"], 4),
        (["slice(room).accuracy >= 80 %"], 0),
        (["slice(room).flip_rate <= 5 %"], 0),
        (["sqnr >= 20 dB"], 0),
        (["accuracy >= 50 % @ rpi4"], 4),
    ],
)
def test_the_exit_code_follows_the_rules(task, rules, exit_code):
    assert edgeopt.gate(config=task.configured(*rules)).verdict.exit_code == exit_code


def test_rules_may_be_given_besides_those_of_the_configuration(task):
    result = edgeopt.gate(config=task.configured("size <= 1 MB"), rules=["size <= 1 B"])

    assert [rule.rule for rule in result.verdict.rules] == ["size <= 1 MB", "size <= 1 B"]
    assert outcomes(result) == ["passed", "failed"]


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0.001, "passed"), (0.0006, "passed"), (0.0015, "failed"), ([0.0015] * 2 + [0.001], "undecided")],
)
def test_latency_is_judged_by_turns_and_looked_at_twice_before_red(task, scripted_times, seconds, verdict):
    scripted_times(**{"model.candidate": seconds})

    result = edgeopt.gate(config=task.configured("latency.p50 <= baseline + 5 %"))

    assert outcomes(result) == [verdict]
    assert ("comparison" in result.as_json()["latency"]) is True


def test_nothing_is_timed_that_no_rule_asks_for(task, scripted_times):
    jobs = scripted_times()

    edgeopt.gate(config=task.configured("size <= 1 MB"))

    assert jobs == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("accuraci >= 1 %", "unknown metric `accuraci`"),
        ("size <= 3 ms", "unit `s` does not fit"),
        ("size <= 1 KB @ rpi44", "unknown target `rpi44`"),
        ("slice(speaker).accuracy >= 1 %", "has no column `speaker`"),
    ],
)
def test_a_rule_that_cannot_be_judged_ends_it_before_anything_is_made(task, scripted_times, rule, message):
    jobs = scripted_times()

    with pytest.raises(InputError, match=message) as caught:
        edgeopt.gate(config=task.configured("latency <= 1 s", rule))

    assert caught.value.hint
    assert jobs == []
    assert not (task.folder / ".edgeopt").exists()


def test_all_that_is_wrong_is_told_at_once_before_anything_is_made(task, scripted_times):
    jobs = scripted_times()
    waiver = '[[gate.waiver]]\nrule = "x"\nuntil = 2030-01-01\nby = "a"\nreason = "b"'
    data = 'slices = ["rom"]\ncluster = "video"'
    rules = ("accuraci >= 1 %", "size <= 3 ms", "size <= 1 KB @ rpi44", "slice(speaker).f1 >= 1 %", "latency <= 1 s")

    with pytest.raises(InputError) as caught:
        edgeopt.gate(config=task.configured(*rules, gate=waiver, data=data))

    for part in ("`accuraci`", "unit `s`", "`rpi44`", "column `speaker`", "waiver names `x`", "`rom`", "`video`"):
        assert part in caught.value.message
    assert "did you mean `room`?" in caught.value.hint
    assert jobs == []
    assert not (task.folder / ".edgeopt").exists()


def test_metrics_that_do_not_suit_the_task_are_all_told_before_anything_is_timed(task, scripted_times):
    jobs = scripted_times()

    with pytest.raises(InputError) as caught:
        edgeopt.gate(config=task.configured("mse <= 1", "top5 >= 1 %", "accuracy >= 1 %", "latency <= 1 s"))

    assert "rule `mse <= 1`" in caught.value.message
    assert "rule `top5 >= 1 %`" in caught.value.message
    assert jobs == []


def test_a_change_of_accuracy_can_be_bounded_without_labels(task):
    config = task.configured("accuracy >= baseline - 5 pt")
    bare = task.with_arrays("bare.npz", y=None)
    config.write_text(config.read_text().replace(task.data.name, bare.name))

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["passed"]
    assert "without labels" in result.verdict.rules[0].reason


def test_slices_are_compared_and_clusters_widen_the_bounds(task):
    video = np.repeat(np.arange(90), 10)
    clustered = task.with_arrays("clustered.npz", video=video)
    config = task.configured("accuracy >= baseline - 2 pt", data='slices = ["room"]')
    config.write_text(config.read_text().replace(task.data.name, clustered.name))

    plain = edgeopt.gate(config=config)
    grouped = edgeopt.gate(config=config, cluster="video")

    assert [(part["column"], part["value"]) for part in plain.as_json()["slices"]] == [
        ("room", "cellar"),
        ("room", "hall"),
    ]
    assert "clusters" in grouped.verdict.rules[0].reason
    assert "clusters" not in plain.verdict.rules[0].reason


def test_looks_at_the_same_samples_are_counted_by_model(task, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", str(task.folder / "record"))
    looks = []
    for target in ("rpi4", "rpi4", "x86-64-avx2"):
        config = task.configured("accuracy >= 50 %", recipe="")
        config.write_text(config.read_text().replace("rpi4", target))
        result = edgeopt.gate(config=config)
        record_run(result.run)
        looks.append(result.as_json()["looks"]["models"])

    assert looks == [1, 1, 2]


def test_targets_that_are_not_measured_are_named(task):
    result = edgeopt.gate(config=task.configured("size <= 1 MB", bench='targets = ["host", "rpi4"]'))

    assert any("nothing is known of `rpi4`" in warning for warning in result.warnings)


def test_samples_in_two_parts_are_refused(task):
    part = np.array(["calibration", "confirm"])[np.arange(900) % 2]
    with np.load(task.data) as archive:
        samples = archive["x"]
    samples[5] = samples[2]
    leaky = task.with_arrays("leaky.npz", x=samples, part=part)
    config = task.configured("accuracy >= 50 %")
    config.write_text(config.read_text().replace(task.data.name, leaky.name))

    with pytest.raises(InputError, match=r"1 sample\(s\) of .* sample 5 \(`confirm`\) equals sample 2"):
        edgeopt.gate(config=config)


@pytest.mark.parametrize(
    ("sections", "options", "message"),
    [
        ({}, {"accept": True}, "`--accept` has no file to write"),
        ({"gate": 'baseline = "nowhere/b.json"'}, {"accept": True}, "folder of output .* does not exist"),
        ({}, {"baseline": "nowhere.json"}, "run `nowhere.json` does not exist"),
        ({"recipe": "\n[recipe.x]"}, {}, "unknown key `recipe.x`"),
        ({"gate": '[[gate.waiver]]\nrule = "x"\nuntil = 2030-01-01\nby = "a"\nreason = "b"'}, {}, "a waiver names `x`"),
    ],
)
def test_what_is_wrong_beside_the_rules_ends_it_early_too(task, scripted_times, sections, options, message):
    jobs = scripted_times()

    with pytest.raises(InputError, match=message):
        edgeopt.gate(config=task.configured("latency <= 1 s", **sections), **options)

    assert jobs == []
    assert not (task.folder / ".edgeopt").exists()


def test_rules_about_accuracy_need_data_with_labels(task):
    config = task.configured("accuracy >= 50 %")
    bare = task.with_arrays("bare.npz", y=None)
    config.write_text(config.read_text().replace(task.data.name, bare.name))

    with pytest.raises(InputError, match=r"needs labels \(`y`\)"):
        edgeopt.gate(config=config)


def test_a_gate_without_rules_has_nothing_to_judge(task):
    with pytest.raises(InputError, match="there is no rule to judge") as caught:
        edgeopt.gate(config=task.configured())

    assert "[gate]" in caught.value.hint


def test_a_recipe_that_does_not_suit_the_model_is_unsupported(task, small_models):
    task.model.write_bytes(small_models.two_inputs().SerializeToString())
    config = task.configured("size <= 1 MB")
    config.write_text(config.read_text().replace(f'[data]\npath = "{task.data.name}"\nsamples = 100\n', ""))

    with pytest.raises(Unsupported):
        edgeopt.gate(config=config)


def test_a_first_run_is_kept_and_the_next_is_held_against_it(task, scripted_times):
    config = task.configured("latency <= baseline + 5 %", "accuracy >= baseline - 2 pt", gate='baseline = "b.json"')
    scripted_times(**{"model.candidate": 0.001})

    first = edgeopt.gate(config=config)
    edgeopt.gate(config=config, accept=True)
    again = edgeopt.gate(config=config)
    config.write_text(config.read_text().replace("rpi4", "x86-64-avx2"))
    scripted_times(**{"model.candidate": 0.0015})
    slower = edgeopt.gate(config=config)

    assert any("does not exist yet" in warning and "--accept" in warning for warning in first.warnings)
    assert (task.folder / "b.json").exists()
    assert (again.warnings, outcomes(again)) == ((), ["passed", "passed"])
    assert outcomes(slower) == ["failed", "passed"]
    assert "800 paired samples" in again.verdict.rules[1].reason


def test_accepting_again_replaces_the_baseline(task):
    config = task.configured("size <= baseline", gate='baseline = "b.json"')

    edgeopt.gate(config=config, accept=True)
    before = (task.folder / "b.json").stat().st_mtime_ns
    edgeopt.gate(config=config, accept=True, reason="retrained")

    assert (task.folder / "b.json").stat().st_mtime_ns > before


def without_its_model(path, **keys):
    """The record at `path` as if its model were another, which is not to be had."""
    text = path.read_text()
    digest = json.loads(text)["artifacts"][-1]["sha256"]
    path.write_text(text.replace(digest, "0" * 64))
    return changed(path, **keys)


def test_a_baseline_of_another_machine_is_measured_again_from_its_model(task, scripted_times):
    config = task.configured("latency <= baseline + 5 %", "size <= baseline", gate='baseline = "b.json"')
    scripted_times()
    edgeopt.gate(config=config, accept=True)
    changed(task.folder / "b.json", machine="another")

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["passed", "passed"]
    assert "timed by turns" in result.verdict.rules[0].reason


def test_a_baseline_of_another_machine_whose_model_is_gone_leaves_latency_undecided(task, scripted_times):
    config = task.configured("latency <= baseline + 5 %", "size <= baseline", gate='baseline = "b.json"')
    scripted_times()
    edgeopt.gate(config=config, accept=True)
    without_its_model(task.folder / "b.json", machine="another")

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["undecided", "passed"]
    assert "another machine" in result.verdict.rules[0].reason
    assert "`--accept` keeps a copy" in result.warnings[0]


def test_the_model_of_the_baseline_comes_from_the_record_when_its_place_was_taken(task, scripted_times):
    config = task.configured("latency <= baseline + 5 %", "accuracy >= baseline - 5 pt", gate='baseline = "b.json"')
    scripted_times()
    first = edgeopt.gate(config=config, accept=True)
    config.write_text(config.read_text().replace("rpi4", "x86-64-avx2"))
    jobs = scripted_times()

    second = edgeopt.gate(config=config)

    baseline, candidate = second.run.artifacts
    assert baseline["sha256"] == first.run.artifacts[1]["sha256"] != candidate["sha256"]
    assert {Path(path).name for job in jobs for path in job.models} == {"model.baseline.onnx", "model.candidate.onnx"}
    assert outcomes(second) == ["passed", "passed"]


def test_who_accepted_a_baseline_when_and_why_is_kept(task):
    config = task.configured("size <= baseline", gate='baseline = "b.json"')

    edgeopt.gate(config=config, accept=True, by="ann")
    first = edgeopt.gate(config=config)
    edgeopt.gate(config=config, accept=True, by="bob", reason="retrained")
    second = edgeopt.gate(config=config)

    told = [found.as_json()["baseline"]["accepted"] for found in (first, second)]
    assert [(entry["by"], entry["reason"]) for entry in told] == [("ann", "the first baseline"), ("bob", "retrained")]
    assert all(date.fromisoformat(entry["date"][:10]) for entry in told)
    assert told[1]["replaces"] == first.run.artifacts[1]["sha256"]


def test_a_baseline_is_not_replaced_without_a_reason(task, scripted_times):
    config = task.configured("latency <= baseline", gate='baseline = "b.json"')
    scripted_times()
    edgeopt.gate(config=config, accept=True)
    before, jobs = (task.folder / "b.json").read_bytes(), scripted_times()

    with pytest.raises(InputError, match="does not say why") as caught:
        edgeopt.gate(config=config, accept=True)

    assert "--reason" in caught.value.hint
    assert (jobs, (task.folder / "b.json").read_bytes()) == ([], before)


def test_a_baseline_may_be_kept_in_the_record_alone(task, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", str(task.folder / "record"))
    config = task.configured("size <= baseline", gate='baseline = "store"')

    first = edgeopt.gate(config=config)
    edgeopt.gate(config=config, accept=True, by="ann")
    second = edgeopt.gate(config=config)

    assert "nothing was accepted in the record yet" in first.warnings[0]
    assert second.warnings == ()
    assert second.as_json()["baseline"]["accepted"]["by"] == "ann"


def test_a_baseline_may_be_named_by_the_id_of_its_run(task, monkeypatch):
    monkeypatch.setenv("EDGEOPT_STORE", str(task.folder / "record"))
    config = task.configured("size <= baseline", gate='baseline = "store"')
    edgeopt.gate(config=config, accept=True)
    run = Store.find().latest_accepted().id

    assert outcomes(edgeopt.gate(config=config, baseline=run[:10])) == ["passed"]
    with pytest.raises(InputError, match="no run begins with `0000000000`"):
        edgeopt.gate(config=config, baseline="0000000000")


@pytest.mark.parametrize("damage", ["deleted", "overwritten"])
def test_predictions_that_are_not_those_recorded_are_not_paired(task, damage, monkeypatch):
    config = task.configured("accuracy >= baseline - 20 pt", gate='baseline = "b.json"')
    edgeopt.gate(config=config, accept=True)
    record = json.loads((task.folder / "b.json").read_text())
    recorded = record["measurements"][-1]["details"]["predictions"]
    moved = task.folder / "moved.npz"
    if damage == "overwritten":
        np.savez(moved, scores=np.zeros((800, 2)), y=np.zeros(800, int))
    recorded["path"] = str(moved)
    without_its_model(written(task.folder / "b.json", record))
    monkeypatch.setenv("EDGEOPT_STORE", str(task.folder / "another record"))

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["passed"]
    assert "unpaired" in result.verdict.rules[0].reason


def test_predictions_that_were_moved_away_come_from_the_record(task):
    config = task.configured("accuracy >= baseline - 20 pt", gate='baseline = "b.json"')
    edgeopt.gate(config=config, accept=True)
    record = json.loads((task.folder / "b.json").read_text())
    record["measurements"][-1]["details"]["predictions"]["path"] = str(task.folder / "gone.npz")
    without_its_model(written(task.folder / "b.json", record))

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["passed"]
    assert "800 paired samples" in result.verdict.rules[0].reason


def test_a_waiver_lasts_until_its_day(task):
    waiver = '[[gate.waiver]]\nrule = "size <= 1 B"\nuntil = 2026-07-01\nby = "ann"\nreason = "soon"'
    config = task.configured("size <= 1 B", gate=waiver)

    in_time = edgeopt.gate(config=config, today=date(2026, 7, 1))
    too_late = edgeopt.gate(config=config, today=date(2026, 7, 2))

    assert (outcomes(in_time), in_time.verdict.exit_code) == (["waived"], 0)
    assert (outcomes(too_late), too_late.verdict.exit_code) == (["failed"], 3)
    assert "expired on 2026-07-01" in too_late.verdict.rules[0].reason


@pytest.mark.parametrize("policy", ["pass", "warn"])
def test_undecided_rules_may_be_let_through(task, policy):
    result = edgeopt.gate(config=task.configured("energy <= 1 J", gate=f'undecided = "{policy}"'))

    assert (outcomes(result), result.verdict.exit_code) == (["undecided"], 0)


def test_without_data_size_can_be_judged_and_the_calibration_is_said(task):
    config = task.configured("size <= 1 MB")
    config.write_text(config.read_text().replace(f'[data]\npath = "{task.data.name}"\nsamples = 100\n', ""))

    result = edgeopt.gate(config=config)

    assert outcomes(result) == ["passed"]
    assert "calibrated on random inputs" in result.warnings[0]


# Recorded runs


def test_a_record_of_bench_is_judged_on_what_it_holds(task, made, scripted_times):
    scripted_times(**{"model.int8": 0.0006})
    run = written(task.folder / "bench.json", edgeopt.bench(made, against=task.model).as_json())

    result = edgeopt.gate(run, rules=["latency <= baseline - 20 %", "size <= 1 MB", "memory <= 60 MB", "energy <= 1 J"])

    assert outcomes(result) == ["passed", "passed", "passed", "undecided"]
    assert result.run.measurements


def test_records_are_merged_by_artifact_in_any_order(task, made, scripted_times):
    scripted_times()
    bench = written(task.folder / "bench.json", edgeopt.bench(made, against=task.model).as_json())
    evaluated = [
        written(
            task.folder / f"{model.stem}.json",
            edgeopt.evaluate(model, task.data, predictions=task.folder / f"{model.stem}.npz").as_json(),
        )
        for model in (task.model, made)
    ]
    rules = ["latency <= baseline + 5 %", "accuracy >= 80 %", "accuracy >= baseline - 10 pt"]

    first = edgeopt.gate(bench, *evaluated, rules=rules)
    last = edgeopt.gate(*reversed(evaluated), bench, rules=rules)

    assert outcomes(first) == outcomes(last) == ["passed"] * 3


def test_a_record_of_compare_is_judged_on_its_differences(task, made):
    run = written(task.folder / "c.json", edgeopt.compare(task.model, made, task.data).as_json())

    result = edgeopt.gate(run, rules=["flip_rate <= 3 %", "sqnr >= 20 dB", "flip_rate <= 0.01 %"])

    assert outcomes(result)[:2] == ["passed", "passed"]
    assert outcomes(result)[2] in {"failed", "undecided"}


def test_a_difference_from_another_baseline_does_not_count(task, made):
    run = written(task.folder / "c.json", edgeopt.compare(task.model, made, task.data).as_json())
    other = written(task.folder / "b.json", edgeopt.evaluate(task.model, task.data).as_json())
    changed(other, artifacts=[{"sha256": "other", "path": "other.onnx"}])

    assert outcomes(edgeopt.gate(run, baseline=other, rules=["flip_rate <= 3 %"])) == ["undecided"]


def test_figures_of_two_machines_are_not_held_against_each_other(task, made, scripted_times):
    scripted_times()
    here = written(task.folder / "here.json", edgeopt.bench(made, against=task.model).as_json())
    there = written(task.folder / "there.json", edgeopt.bench(made).as_json())
    changed(there, machine="another")

    result = edgeopt.gate(here, there, rules=["latency <= baseline + 50 %"])

    assert outcomes(result) == ["undecided"]
    assert "another machine" in result.verdict.rules[0].reason


def test_runs_of_several_candidates_are_refused(task, made, scripted_times):
    scripted_times()
    run = written(task.folder / "bench.json", edgeopt.bench(made, task.model).as_json())

    with pytest.raises(InputError, match="the runs hold 2 candidates") as caught:
        edgeopt.gate(run, rules=["size <= 1 MB"])

    assert caught.value.hint.startswith("give runs of one candidate")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ("{}", "is not a run of edgeopt"),
        (
            '{"schema": 1, "edgeopt": "0", "command": "x", "environment": {}, "artifacts": [{}], "measurements": []}',
            "sha256",
        ),
        (
            '{"schema": 1, "edgeopt": "0", "command": "x", "environment": {}, "artifacts": [], "measurements": []}',
            "0 candid",
        ),
    ],
)
def test_what_is_no_record_is_refused(task, text, message):
    path = task.folder / "run.json"
    path.write_text(text)

    with pytest.raises(InputError, match=message):
        edgeopt.gate(path, rules=["size <= 1 MB"])


@pytest.mark.parametrize(("estimates", "verdict"), [("refuse", "undecided"), ("allow", "passed")])
def test_an_estimate_decides_only_where_that_is_allowed(task, scripted_times, estimates, verdict):
    scripted_times()
    record = edgeopt.bench(task.model).as_json()
    for measurement in record["measurements"]:
        if measurement["metric"] == "latency":
            measurement.update(origin="estimated", target="rpi4", samples=[[0.001]])
            measurement["details"]["interval90"] = [0.0005, 0.002]
    run = written(task.folder / "run.json", record)
    config = task.configured("latency <= 3 ms @ rpi4", gate=f'estimates = "{estimates}"')

    result = edgeopt.gate(run, config=config)

    assert outcomes(result) == [verdict]
    if verdict == "passed":
        assert result.as_json()["rules"][0]["origin"] == "estimated"
