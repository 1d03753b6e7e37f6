"""`edgeopt gate --plan` as a user sees it: the whole output, the document, what it refuses."""

import json
from pathlib import Path

import pytest

PLAN = ("gate", "--plan", "--config", "plan.toml")
CONFIG = """schema = 1
[model]
path = "model.onnx"
[data]
path = "data.npz"
samples = 100
[gate]
rules = [
    "accuracy >= baseline - 1 pt",
    "accuracy >= baseline",
    "slice(room).accuracy >= baseline - 5 pt",
    "latency.p50 <= baseline + 5 %",
    "size <= 1 MB",
    "mae <= baseline + 1 %",
]
"""
SHOWN = Path(__file__).with_name("gate_plan.txt")


@pytest.fixture(autouse=True)
def own_store(folder, monkeypatch):
    """The store lies beside the configuration, as it does for a user."""
    monkeypatch.delenv("EDGEOPT_STORE")
    (folder / "plan.toml").write_text(CONFIG)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_output(edgeopt, folder):
    left = edgeopt(*PLAN)

    assert (left.code, left.err) == (0, "")
    assert left.out == SHOWN.read_text(encoding="utf-8")


def test_the_document(edgeopt, folder):
    record = edgeopt(*PLAN, "--json").json

    assert (record["command"], record["origin"], record["samples"]) == ("gate", "estimated", 800)
    for rule in record["plan"]:
        assert rule.keys() >= {"rule", "needed", "at_hand", "power", "unit", "origin", "assumption", "inputs", "advice"}
        assert rule["needed"].keys() == {"80", "95"}
    assert [rule["kind"] for rule in record["plan"]] == ["chance", "chance", "chance", "chance", "plain", "unknown"]


def test_a_shell_sees_exit_0_and_nothing_is_written(edgeopt_process, folder):
    before = contents(folder)

    left = edgeopt_process(*PLAN, cwd=folder)

    assert (left.code, left.err) == (0, "")
    assert contents(folder) == before


def test_a_recorded_gate_is_what_the_next_plan_rests_on(edgeopt, folder):
    rules = ("--rule", "accuracy >= baseline - 2 pt")
    edgeopt("gate", *rules)

    known = edgeopt("gate", "--plan", *rules, "--json").json["plan"][-1]["inputs"][0]
    shown = edgeopt("gate", "--plan", *rules).out

    assert (known["name"], known["origin"]) == ("discordance", "host")
    assert known["source"].startswith("run ")
    assert f"({known['origin']}; {known['source']})" in shown.replace("\n", " ")


def test_a_rule_that_the_plan_offers_passes(edgeopt, folder):
    strictest = edgeopt("gate", "--plan", "--rule", "accuracy >= baseline", "--json").json["plan"][-1]["strictest"]

    assert edgeopt("gate", "--rule", strictest, "--json").json["rules"][-1]["verdict"] == "passed"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--accept",), "`--accept`"),
        (("--junit", "j.xml"), "`--junit`"),
        (("--markdown", "r.md", "--summary", "s.md"), "`--markdown`, `--summary`"),
        (("--accept", "--by", "me", "--reason", "why"), "`--accept`, `--by`, `--reason`"),
    ],
)
def test_what_would_be_written_does_not_go_with_a_plan(edgeopt, folder, arguments, named):
    before = contents(folder)

    left = edgeopt(*PLAN, *arguments)

    assert (left.code, left.out) == (2, "")
    assert left.errors[0] == f"error: `--plan` measures and writes nothing, so it goes without {named}"
    assert contents(folder) == before


def test_on_github_no_summary_is_written(edgeopt, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))

    assert edgeopt(*PLAN).code == 0
    assert not (folder / "summary.md").exists()


def test_all_that_cannot_be_used_is_told_at_once(edgeopt, folder):
    rules = ("accuraci >= 1 %", "size <= 3 ms", "slice(a).f1 >= 1 %", "size <= 1 KB @ rpi44", "mse <= baseline + 1 pt")
    left = edgeopt(*PLAN, *(option for rule in rules for option in ("--rule", rule)))

    assert (left.code, left.out, len(left.errors)) == (2, "", 2)
    for rule in rules:
        assert f"`{rule}`" in left.errors[0]


def test_rules_without_data_are_refused(edgeopt, folder):
    (folder / "plan.toml").write_text(CONFIG.replace('[data]\npath = "data.npz"\nsamples = 100\n', ""))

    left = edgeopt(*PLAN)

    assert left.code == 2
    assert "rule `accuracy >= baseline` needs `[data]`" in left.errors[0]


def test_the_seed_draws_the_samples_that_are_left_as_the_gate_does(edgeopt, folder):
    parts = [
        [part["at_hand"] for part in edgeopt(*PLAN, "--quiet", "--seed", seed, "--json").json["plan"][2]["slices"]]
        for seed in (0, 0, 3)
    ]

    assert parts[0] == parts[1] != parts[2]
    assert {sum(counts) for counts in parts} == {800}


def test_the_plan_is_no_run_that_a_gate_would_take(edgeopt, folder):
    (folder / "plan.json").write_text(json.dumps(edgeopt(*PLAN, "--json").json))

    left = edgeopt("gate", "plan.json", "--config", "plan.toml")

    assert left.code == 2
    assert "`plan.json` is not a run of edgeopt" in left.errors[0]
