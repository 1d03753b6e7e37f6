"""Annotations and the summary of a step: few enough, small enough, and none that a name could forge."""

import re

import pytest

from edgeopt.report.github import SUMMARY_LIMIT_BYTES, is_github, summary, workflow_commands
from edgeopt.report.text import print_view

# The names that the runner registers (actions/runner, ActionCommandManager).
COMMANDS = "add-mask|debug|echo|endgroup|error|group|notice|save-state|set-env|set-output|stop-commands|warning"


def parsed(line):
    """A workflow command as GitHub's runner reads it: name, properties, message; None where the line is none."""
    match = re.match(rf"\s*::({COMMANDS})(?: (.*?))?::(.*)", line, re.DOTALL)
    if match is None:
        old = re.search(rf"##\[({COMMANDS})", line)
        return (old[1], {}, line) if old else None
    properties = dict(part.split("=", 1) for part in (match[2] or "").split(",") if "=" in part)
    return match[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(match[3])


def unescaped(text):
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def test_a_rule_that_failed_is_an_error_at_its_line(gate_record, rule, tmp_path):
    config = tmp_path / "models" / "edgeopt.toml"
    record = gate_record(rule("size <= 1 B", "failed", value=9, limit=1, unit="B", line=12), config=str(config))

    (line,) = workflow_commands(record, {"GITHUB_WORKSPACE": str(tmp_path)})

    assert parsed(line) == (
        "error",
        {"file": "models/edgeopt.toml", "line": "12", "title": "edgeopt gate: failed"},
        "size <= 1 B: 9 B, limit 1 B (host); because",
    )


@pytest.mark.parametrize(("config", "line"), [(None, None), ("edgeopt.toml", None), ("/elsewhere/edgeopt.toml", 3)])
def test_a_rule_that_stands_in_no_file_of_the_workspace_names_none(gate_record, rule, tmp_path, config, line):
    record = gate_record(rule(verdict="failed", line=line), config=config)

    (command,) = workflow_commands(record, {"GITHUB_WORKSPACE": str(tmp_path)})

    assert parsed(command)[1] == {"title": "edgeopt gate: failed"}


@pytest.mark.parametrize(
    ("verdict", "undecided", "level"),
    [
        ("failed", "warn", "error"),
        ("undecided", "fail", "error"),
        ("undecided", "warn", "warning"),
        ("undecided", "pass", "warning"),
        ("waived", "fail", "notice"),
    ],
)
def test_the_level_is_what_the_verdict_does_to_the_job(gate_record, rule, verdict, undecided, level):
    (line,) = workflow_commands(gate_record(rule(verdict=verdict), undecided=undecided), {})

    assert parsed(line)[0] == level


def test_a_gate_that_passed_has_no_annotation(gate_record):
    assert workflow_commands(gate_record(), {}) == []


def test_there_are_at_most_ten_and_the_worst_come_first(gate_record, rule):
    undecided = [rule(f"size <= {n} KB", "undecided", value=None) for n in range(1, 30)]
    near, far = (rule(f"size <= {size} B", "failed", value=size + 1, limit=size) for size in (100, 1))
    lines = workflow_commands(gate_record(rule(), *undecided, near, far), {})
    messages = [parsed(line)[2] for line in lines]

    assert len(lines) == 10
    assert messages[0].startswith("size <= 1 B: ")
    assert messages[1].startswith("size <= 100 B: ")
    assert messages[-1] == "and 22 more"


def test_exactly_ten_are_all_shown(gate_record, rule):
    lines = workflow_commands(gate_record(*(rule(f"size <= {n} B", "failed") for n in range(10))), {})

    assert len(lines) == 10
    assert "more" not in lines[-1]


def test_a_hostile_name_stays_in_its_message(gate_record, rule, hostile, tmp_path):
    record = gate_record(rule(hostile, "failed", reason=hostile), config=str(tmp_path / "a,line=9::b" / "edgeopt.toml"))
    (line,) = workflow_commands(record, {"GITHUB_WORKSPACE": str(tmp_path)})
    name, properties, message = parsed(line)

    assert line.isprintable()
    assert name == "error"
    assert properties == {"file": "a,line=9::b/edgeopt.toml", "line": "3", "title": "edgeopt gate: failed"}
    assert message.count("::error::") == 2


def test_long_messages_are_cut(gate_record, rule):
    (line,) = workflow_commands(gate_record(rule("a" * 10_000, "failed")), {})

    assert len(line) < 1200


def test_the_summary_has_bars_of_text_and_no_svg(gate_record, rule):
    text = summary(gate_record(rule(interval=[0.985, 0.995]), rule("size <= 1 B", "failed")))

    assert "<svg" not in text
    assert "`··········│··├──●──┤·`" in text


@pytest.mark.parametrize("written", [0, SUMMARY_LIMIT_BYTES - 5_000, SUMMARY_LIMIT_BYTES - 10, SUMMARY_LIMIT_BYTES * 2])
def test_the_summary_leaves_what_is_written_whole(gate_record, rule, written):
    rules = [rule(f"slice(ж{n}).accuracy >= 1 %", "failed", reason="ж" * 600) for n in range(3000)]
    text = summary(gate_record(*rules), written_bytes=written)
    size = len(text.encode())

    assert size + written <= SUMMARY_LIMIT_BYTES or size < 10


@pytest.mark.parametrize(
    ("environ", "is_so"), [({}, False), ({"GITHUB_ACTIONS": "false"}, False), ({"GITHUB_ACTIONS": "true"}, True)]
)
def test_only_github_says_that_it_is_github(environ, is_so):
    assert is_github(environ) is is_so


def test_what_is_printed_holds_no_command(gate_record, rule, hostile, capsys):
    names = [hostile, "::error::x", "##[error]x", f"slice({'a' * 150} ::error::y).accuracy >= 1 %"]
    print_view("gate", gate_record(*(rule(name, "failed", reason=name) for name in names)))
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) > len(names)
    assert [line for line in lines if parsed(line)] == []
