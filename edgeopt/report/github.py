"""What GitHub shows of a gate record: annotations at the lines of edgeopt.toml, and the summary of the step.

The runner reads workflow commands from stdout and stderr alike (actions/runner, ScriptHandler); stdout is data, so
annotations go to stderr.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeopt.report.escape import command_data, command_property, shortened
from edgeopt.report.figures import Record
from edgeopt.report.markdown import LIMIT, markdown_report
from edgeopt.report.rules import is_undecided_failing, rule_text, worst_first

# GitHub keeps 10 errors and 10 warnings of a step; all of ours share one 10, so that the last can count the rest.
MOST_ANNOTATIONS = 10
# GitHub drops the summary of a step whole when it is larger.
SUMMARY_LIMIT_BYTES = 2**20
_MOST_BYTES_PER_CHARACTER = 4
_MESSAGE_LENGTH = 1000


def is_github(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def workflow_commands(record: Record, environ: Mapping[str, str]) -> list[str]:
    """Annotations of the rules that did not pass, the worst first; the last of ten says how many more there are.

    Args:
        record: The record of a gate.
        environ: Environment variables; annotations name files as they lie in `GITHUB_WORKSPACE`.
    """
    rules = [rule for rule in worst_first(record["rules"]) if rule["verdict"] != "passed"]
    shown = rules if len(rules) <= MOST_ANNOTATIONS else rules[: MOST_ANNOTATIONS - 1]
    file = _workspace_path(record.get("config"), environ.get("GITHUB_WORKSPACE"))
    lines = [_annotation(rule, file, _level(rule, record)) for rule in shown]
    left = len(rules) - len(shown)
    return [*lines, f"::{_level(rules[len(shown)], record)} title=edgeopt gate::and {left} more"] if left else lines


def summary(record: Record, *, written_bytes: int = 0) -> str:
    """Markdown for `GITHUB_STEP_SUMMARY`, which holds so many bytes already; as much as there is room for."""
    room = (SUMMARY_LIMIT_BYTES - written_bytes - 1) // _MOST_BYTES_PER_CHARACTER
    return markdown_report(record, is_drawn=False, limit=min(LIMIT, room))


def _annotation(rule: Record, file: str, level: str) -> str:
    """One command, which names the file and the rule's line in it where they are known."""
    place = {"file": file, "line": str(rule["line"])} if file and rule.get("line") else {}
    told = {**place, "title": f"edgeopt gate: {rule['verdict']}"}
    properties = ",".join(f"{key}={command_property(value)}" for key, value in told.items())
    message = shortened(f"{rule['rule']}: {rule_text(rule)}", _MESSAGE_LENGTH)
    return f"::{level} {properties}::{command_data(message)}"


def _level(rule: Record, record: Record) -> str:
    if rule["verdict"] == "failed" or (rule["verdict"] == "undecided" and is_undecided_failing(record)):
        return "error"
    return "warning" if rule["verdict"] == "undecided" else "notice"


def _workspace_path(config: str | None, workspace: str | None) -> str:
    """The configuration as GitHub names it: below the workspace, with slashes; empty where it lies elsewhere."""
    if not config:
        return ""
    path, root = Path(config).resolve(), Path(workspace or ".").resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
