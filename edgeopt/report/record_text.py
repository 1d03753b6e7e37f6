"""What was recorded as people read it in a terminal: the list of runs, a lineage, and what was cleaned up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record, figure_text, score_text
from edgeopt.units import format_bytes

_DIGITS = 12
_MOST_RUNS = 10
# Figures whose unit says what they are.
_UNNAMED = ("size", "sqnr")
_TASK_METRICS = ("accuracy", "auc", "f1", "mse", "mae")


def runs_view(record: Record) -> RenderableType:
    """A line per run."""
    if not record["runs"]:
        return Text(f"nothing is recorded in {printable(record['store'])}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("id", "date (UTC)", "command", "model", "verdict", "figures"):
        table.add_column(header, overflow="fold", no_wrap=header in ("id", "date (UTC)"))
    for run in record["runs"]:
        headline = run["headline"]
        cells = (run["id"][:_DIGITS], _date(run["date"]), run["command"], run["candidate"], headline["verdict"] or "")
        table.add_row(*map(printable, cells), _figures(headline["figures"]))
    left = record["total"] - len(record["runs"])
    return Group(table, Text(f"{left:,} older runs: --limit shows more")) if left else table


def lineage_view(record: Record) -> RenderableType:
    """The chain as a tree, from the file that came from outside to the artifact; then the runs it was part of."""
    first, *others = record["chain"]
    top = branch = Tree(_generation(first))
    for generation in others:
        branch = branch.add(_generation(generation))
    runs = record["runs"]
    lines = [Text(f"  {_run(run)}") for run in runs[:_MOST_RUNS]]
    if len(runs) > _MOST_RUNS:
        lines.append(Text(f"  and {len(runs) - _MOST_RUNS:,} more (--json lists all)"))
    return Group(top, Text("part of these runs:"), *lines) if lines else top


def garbage_view(record: Record) -> RenderableType:
    """What went, or would go."""
    verb = "would free" if record["dry_run"] else "freed"
    steps = f", {record['steps']:,} cached steps" if record["steps"] else ""
    lines = [
        f"{verb} {format_bytes(record['size_bytes'])}: {len(record['runs']):,} runs{steps}, {record['objects']:,} files"
    ]
    if record["damaged"]:
        lines.append("damaged: " + ", ".join(sha256[:_DIGITS] for sha256 in record["damaged"]))
    if record["ancestors"]:
        lines.append(f"{len(record['ancestors']):,} old runs stay: they made the models of runs that stay")
    return Text("\n".join([*lines, f"{record['left']:,} runs are in {printable(record['store'])}"]))


RECORD_VIEWS: dict[str, Callable[[Record], RenderableType]] = {
    "runs": runs_view,
    "lineage": lineage_view,
    "garbage": garbage_view,
}


def _figures(figures: list[Record]) -> str:
    return ", ".join(
        " ".join(filter(None, ("" if f["name"] in _UNNAMED else f["name"], _figure(f), _origin(f["origin"]))))
        for f in figures
    )


def _figure(figure: Record) -> str:
    if figure["name"] in _TASK_METRICS:
        return score_text(figure["name"], figure["value"])
    return f"{figure['value']:.2f}x" if figure["unit"] == "x" else figure_text(figure["value"], figure["unit"])


def _origin(origin: str) -> str:
    """The origin, where it is not this machine's own measurement."""
    return "" if origin == "host" else f"({origin or 'origin unknown'})"


def _generation(generation: Record) -> Text:
    """An artifact, and how it came about."""
    size = "" if generation["size_bytes"] is None else f", {format_bytes(generation['size_bytes'])}"
    kept = "" if generation["is_kept"] else ", no copy kept"
    path = printable(generation["path"]) or "not recorded"
    lines = [Text.assemble((path, "bold"), f" (sha256 {generation['sha256'][:_DIGITS]}{size}{kept})")]
    made = generation["made"]
    facts = _facts(made) if made else []
    lines += [Text.assemble((f"{name:<9}", "dim"), printable(text)) for name, text in facts if text]
    return Text("\n").join(lines)


def _facts(made: Record) -> list[tuple[str, str]]:
    environment, run = made["environment"], made["run"]
    machine = [environment.get(key) for key in ("cpu", "os")] + [
        f"identity {environment['machine']}" if environment.get("machine") else None
    ]
    return [
        ("made by", made["step"]),
        ("options", ", ".join(f"{name}={_value(value)}" for name, value in made["options"].items())),
        ("data", _data(made["data"])),
        ("seed", "" if made["seed"] is None else str(made["seed"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())),
        ("machine", ", ".join(str(part) for part in machine if part)),
        ("run", _run(run) if run else ""),
    ]


def _data(data: Record) -> str:
    if not data:
        return ""
    digest = f", sha256 {data['sha256'][:_DIGITS]}" if data.get("sha256") else ""
    return f"{data.get('samples', '?')} samples of {data.get('source', '?')}{digest}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _run(run: Record) -> str:
    return printable(
        " ".join(filter(None, (run["id"][:_DIGITS], _date(run["date"]), run["command"], run["candidate"])))
    )


def _date(date: str) -> str:
    """A date in UTC to the second, without the offset that says so."""
    return date.removesuffix("+00:00").replace("T", " ")
