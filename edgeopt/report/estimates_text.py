"""Estimates as people read them in a terminal, from the JSON record alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from edgeopt.report.escape import printable
from edgeopt.report.estimates import HEADERS, KERNEL_HEADERS, basis_text, estimate_cells, kernel_cells
from edgeopt.report.figures import Record
from edgeopt.report.tables import headed_table


def estimated_parts(rows: Sequence[Record]) -> list[RenderableType]:
    """A line per estimate, what each rests on, and the kernels of those that are explained."""
    table = headed_table(*HEADERS)
    for row in rows:
        table.add_row(*estimate_cells(row))
    parts: list[RenderableType] = [table, *(Text(line) for line in dict.fromkeys(map(basis_text, rows)))]
    for row in rows:
        if row.get("kernels"):
            kernels = headed_table(*KERNEL_HEADERS)
            for cells in kernel_cells(row):
                kernels.add_row(*cells)
            parts += [Text(f"{printable(Path(row['path']).name)} on {printable(row['target'])}:"), kernels]
    return parts
