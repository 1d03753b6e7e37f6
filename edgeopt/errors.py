"""Expected failures: one leaf of `EdgeoptError` per exit code.

EdgeoptError
├── InputError       2  usage, configuration or input that cannot be read
├── GateFailed       3  a rule of the gate is broken
├── GateUndecided    4  a rule of the gate cannot be decided
├── ExtraMissing     5  an optional dependency is not installed
├── Unsupported      6  the target or the format does not support this
└── ToolFailed       7  an outside tool or a device failed

Anything else that escapes is a bug in edgeopt and ends with exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar

BUG_EXIT_CODE = 1
INTERRUPTED_EXIT_CODE = 130


class EdgeoptError(Exception):
    """A failure that the user can act on: what happened, and what mends it.

    Args:
        message: What is wrong, with the offending value in backticks; one line.
        hint: The command, key or change that mends it; empty when there is none.
    """

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(EdgeoptError):
    """Usage, configuration or input that cannot be read."""

    exit_code = 2


class GateFailed(EdgeoptError):
    """At least one rule of the gate is broken."""

    exit_code = 3


class GateUndecided(EdgeoptError):
    """No rule is broken, but at least one cannot be decided from what was measured."""

    exit_code = 4


class ExtraMissing(EdgeoptError):
    """An optional dependency is not installed; the hint is the exact pip line."""

    exit_code = 5


class Unsupported(EdgeoptError):
    """The target, runtime or format does not support what was asked."""

    exit_code = 6


class ToolFailed(EdgeoptError):
    """An outside tool, a child process or a device failed."""

    exit_code = 7


def together(faults: Sequence[EdgeoptError]) -> InputError:
    """All of `faults`, at least one, as a single failure: whoever mends a file wants to know them at once."""
    hints = dict.fromkeys(fault.hint for fault in faults if fault.hint)
    return InputError("; ".join(dict.fromkeys(fault.message for fault in faults)), hint=" | ".join(hints))


def near_names(name: str, known: Iterable[str]) -> str:
    """A hint that offers the known names nearest to `name`, or lists them all."""
    choices = sorted(known)
    near = get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"`{choice}`" for choice in near) + "?"
    return "known: " + ", ".join(choices)
