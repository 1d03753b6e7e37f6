"""Soaks as people read them in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record
from edgeopt.report.soak import HEADERS, soak_cells, soak_text

_COLOURS = {"sustained": "green", "speeds up": "yellow", "slows": "red", "undecided": "yellow"}


def soak_parts(record: Record) -> list[RenderableType]:
    """A line per model that was soaked, and its verdict; nothing where none was."""
    rows = [row for row in record["runs"] if row.get("soak")]
    if not rows:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in HEADERS:
        table.add_column(header, overflow="fold", no_wrap=header == "over time")
    for row in rows:
        table.add_row(*map(printable, soak_cells(row)))
    return [table, *(Text(printable(soak_text(row)), style=f"bold {_colour(row)}") for row in rows)]


def _colour(row: Record) -> str:
    growth = row["soak"]["memory_growth"]
    return "red" if growth and growth["verdict"] == "grows" else _COLOURS[row["soak"]["verdict"]]
