"""`edgeopt gate` writes its reports whatever the verdict, and shows GitHub what GitHub shows."""

import json
from xml.etree import ElementTree

import pytest


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """No test of these runs on GitHub unless it says so."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("rule", "code"), [("size <= 1 MB", 0), ("size <= 1 B", 3), ("energy <= 1 J", 4)])
def test_reports_are_written_whatever_the_verdict(edgeopt, folder, rule, code):
    result = edgeopt("gate", "--rule", rule, "--junit", "j.xml", "--markdown", "r.md", "--summary", "s.md")

    assert result.code == code
    assert len(ElementTree.parse(folder / "j.xml").findall("*/testcase")) == 3
    assert "<svg" in (folder / "r.md").read_text()
    assert "against the limit" in (folder / "s.md").read_text()


def test_the_record_names_the_configuration_and_the_line_of_each_rule(edgeopt, folder):
    record = edgeopt("gate", "--rule", "size <= 2 MB", "--json").json
    lines = (folder / "edgeopt.toml").read_text().splitlines()

    assert (record["config"], record["undecided"]) == ("edgeopt.toml", "fail")
    assert [rule["line"] for rule in record["rules"]] == [len(lines), len(lines), None]


def test_an_unwritable_report_is_refused_before_anything_is_measured(edgeopt, folder):
    result = edgeopt("gate", "--junit", "missing/j.xml")

    assert (result.code, result.out) == (2, "")
    assert "the folder of output `missing/j.xml` does not exist" in result.err
    assert not (folder / ".edgeopt").exists()


@pytest.mark.parametrize("name", ["edgeopt.toml", "./edgeopt.toml"])
def test_the_configuration_is_not_overwritten(edgeopt, folder, name):
    before = (folder / "edgeopt.toml").read_text()
    result = edgeopt("gate", "--junit", name, "--force")

    assert result.code == 2
    assert (folder / "edgeopt.toml").read_text() == before


def test_recorded_runs_have_reports_too(edgeopt, folder):
    (folder / "run.json").write_text(edgeopt("bench", "model.onnx", "--processes", "2", "--json").out)
    result = edgeopt("gate", "run.json", "--junit", "j.xml", "--summary", "s.md", "--markdown", "r.md")

    assert result.code == 4
    assert "flip_rate" in (folder / "j.xml").read_text()


def test_on_github_broken_rules_are_annotated_and_the_summary_is_written(edgeopt, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder.parent))
    config = folder / "edgeopt.toml"
    config.write_text(config.read_text().replace("size <= 1 MB", "size <= 1 B"))
    result = edgeopt("gate", "--json")
    commands = [line for line in result.err.splitlines() if line.startswith("::")]

    assert result.code == 3
    assert json.loads(result.out)["verdict"] == "failed"
    assert len(commands) == 1
    assert commands[0].startswith(f"::error file={folder.name}/edgeopt.toml,line=")
    assert "## edgeopt gate: failed" in (folder / "summary.md").read_text()


def test_quiet_leaves_annotations_out(edgeopt, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = edgeopt("gate", "--rule", "size <= 1 B", "--quiet")

    assert (result.code, result.err) == (3, "")


def test_elsewhere_there_are_no_annotations(edgeopt, folder):
    assert "::error" not in edgeopt("gate", "--rule", "size <= 1 B").err


@pytest.mark.skipif("sys.platform == 'win32'", reason="Windows refuses such names")
def test_a_model_with_a_hostile_name_harms_no_output(edgeopt, folder, monkeypatch):
    name = "::error::<script>|`a`|\n\x1b[31m::warning::##[error].onnx"
    (folder / "model.onnx").rename(folder / name)
    config = folder / "edgeopt.toml"
    config.write_text(config.read_text().replace('"model.onnx"', json.dumps(name)))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    result = edgeopt("gate", "--rule", "size <= 1 B", "--junit", "j.xml", "--markdown", "r.md")
    printed = (result.out + result.err).splitlines()
    written = "".join((folder / file).read_text() for file in ("j.xml", "r.md", "summary.md"))

    assert result.code == 3
    assert [line for line in printed if line.lstrip().startswith("::")] == [printed[-1]]
    assert printed[-1].startswith("::error title=") or "file=edgeopt.toml" in printed[-1]
    assert "##[" not in result.out + result.err + (folder / "summary.md").read_text()
    assert "\x1b" not in result.out + result.err + written
    assert "<script" not in written
    ElementTree.parse(folder / "j.xml")
