"""What a long command says while it works."""

from __future__ import annotations

from collections.abc import Callable

# (what is being done, done, total)
Report = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Says nothing."""


def counter(report: Report, stage: str) -> Callable[[int, int], None]:
    """`report` bound to one stage."""
    return lambda done, total: report(stage, done, total)
