"""What GitHub shows of a gate record: annotations of the lines of edgeopt.toml, and the summary of the step.

The runner reads workflow commands from stdout and stderr alike (actions/runner, ScriptHandler); stdout is our data, so
annotations go to stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeopt.core.files import append_text
from edgeopt.report.escape import command_data, command_property, shortened
from edgeopt.report.figures import Record
from edgeopt.report.markdown import markdown_report
from edgeopt.report.rules import is_undecided_failing, worst_first

# GitHub shows 10 errors and 10 warnings of a step; ours share one budget, so that the last can say how many are left.
_MOST_ANNOTATIONS = 10
_MESSAGE_LENGTH = 1000
# Of the summary of a step; GitHub drops a larger one whole.
SUMMARY_LIMIT_BYTES = 2**20
