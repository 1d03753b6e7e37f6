"""Rows of the results."""

from __future__ import annotations

from edgeopt.judge.intervals import wilson_interval

Row = tuple[str, str, str, str, str]
HEADER = ("simulated", "found", "95 % interval of it", "bar", "draws")


def counted(name: str, found: int, draws: int, bar: str) -> Row:
    """A share of draws, with Wilson's interval."""
    low, high = wilson_interval(found, draws)
    return name, f"{found / draws:.2%}", f"{low:.2%} to {high:.2%}", bar, f"{draws:,}"
