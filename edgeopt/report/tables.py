"""The two tables that views are made of."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from edgeopt.report.escape import printable


def headed_table(*headers: str) -> Table:
    """An empty table under `headers`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def facts_table(rows: Sequence[tuple[str, str]]) -> Table:
    """A line per fact: its name and what it says."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(printable(name), Text(printable(text)))
    return table
