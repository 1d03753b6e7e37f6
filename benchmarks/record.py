"""Results written down with date, machine and command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from edgeopt.core.files import write_text
from edgeopt.measure.environment import environment


def write_result(path: Path, *, title: str, about: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a Markdown page with one table, and what it was measured on."""
    here = environment()
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    command = " ".join(["python", *sys.argv])
    lines = [
        f"# {title}",
        "",
        about,
        "",
        f"- date: {here['date']}",
        f"- machine: {here['cpu']}, {here['cores']} cores, {' '.join(here['isa'])}",
        f"- load average: {here['load_average']}",
        f"- versions: {versions}, Python {here['python']}",
        f"- command: `{command}`",
        "- origin of all figures: host",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines), force=True)
