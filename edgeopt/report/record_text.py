"""What was recorded as people read it in a terminal: the list of runs, a lineage, and what was cleaned up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record, figure_text
from edgeopt.units import format_age, format_bytes, format_share

_DIGITS = 12
# How much of `2026-11-25 11:09:53` is the day, and the day and the minute.
_DAY, _MINUTE = 10, 16
# Columns that are never folded, and those that are left out where no run has anything there.
_WHOLE = ("id", "date (UTC)", "age", "command", "verdict")
_OPTIONAL = ("verdict", "accepted")
_MOST_RUNS = 10
# Figures whose unit says what they are.
_UNNAMED = ("size", "sqnr")
# Task metrics of a headline that read in per cent.
SHARES = ("accuracy", "auc", "f1")


def runs_view(record: Record) -> RenderableType:
    """A line per run."""
    if not record["runs"]:
        return Text("\n".join(_nothing(record)))
    rows = [_row(run, record["date"]) for run in record["runs"]]
    shown = [name for name in rows[0] if name not in _OPTIONAL or any(row[name] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*(printable(row[name]) for name in shown))
    left = record["total"] - len(record["runs"])
    return Group(table, Text(f"{_counted(left, 'older run')}: --limit shows more")) if left else table


def lineage_view(record: Record) -> RenderableType:
    """The chain as a tree, from the file that came from outside to the artifact; then the runs it was part of."""
    first, *others = record["chain"]
    named = record["named"]
    top = branch = Tree(_generation(first, "" if others else named))
    for number, generation in enumerate(others, start=1):
        branch = branch.add(_generation(generation, named if number == len(others) else ""))
    runs = record["runs"]
    lines = [Text(f"  {_run(run)}") for run in runs[:_MOST_RUNS]]
    if len(runs) > _MOST_RUNS:
        lines.append(Text(f"  and {len(runs) - _MOST_RUNS:,} more (--json lists all)"))
    return Group(top, Text("part of these runs:"), *lines) if lines else top


def garbage_view(record: Record) -> RenderableType:
    """What went, or would go."""
    verb = "would free" if record["dry_run"] else "freed"
    counts = {"run": len(record["runs"]), "cached step": record["steps"], "file": record["objects"]}
    went = ", ".join(_counted(number, name) for name, number in counts.items() if number or name != "cached step")
    lines = [f"{verb} {format_bytes(record['size_bytes'])}: {went}"]
    if record["damaged"]:
        lines.append("damaged: " + ", ".join(sha256[:_DIGITS] for sha256 in record["damaged"]))
    if record["ancestors"]:
        lines.append(f"kept after all: {_counted(len(record['ancestors']), 'old run')} that made models of newer runs")
    if record["accepted"]:
        names = ", ".join(run["accepted"]["config"] for run in record["accepted"])
        lines.append(f"kept after all: the accepted baselines of {printable(names)}")
    return Text("\n".join([*lines, f"{_counted(record['left'], 'run')} in {printable(record['store'])}"]))


def origin_facts(record: Record) -> list[tuple[str, str]]:
    """When, where and by which edgeopt a run was made, and who accepted it; for the view of one run."""
    environment, accepted = record["environment"], record.get("accepted")
    date = f"{_date(str(environment['date']))} UTC" if environment.get("date") else ""
    facts = [
        ("run", ", ".join(filter(None, (record["command"], date, f"edgeopt {record['edgeopt']}")))),
        ("machine", _machine(environment)),
    ]
    if isinstance(accepted, dict):
        facts.append(("accepted", f"by {_acceptance(accepted)} for {accepted.get('config')}: {accepted.get('reason')}"))
    return [(name, text) for name, text in facts if text]


def taken_facts(record: Record) -> list[tuple[str, str]]:
    """A line per step that was not done but taken from the record."""
    return [
        (entry["step"], f"taken from the record of {_date(entry['date'])} UTC; `--no-cache` does it again")
        for entry in record.get("steps", [])
        if entry["cached"]
    ]


RECORD_VIEWS: dict[str, Callable[[Record], RenderableType]] = {
    "runs": runs_view,
    "lineage": lineage_view,
    "garbage": garbage_view,
}


def _row(run: Record, now: str) -> dict[str, str]:
    """The cells of a run by the headers of their columns."""
    return {
        "id": run["id"][:_DIGITS],
        "date (UTC)": _minute(run["date"]),
        "age": _age(run["date"], now),
        "command": run["command"],
        "model": run["candidate"],
        "verdict": run["headline"]["verdict"] or "",
        "accepted": _acceptance(run["accepted"]),
        "figures": _figures(run["headline"]["figures"]),
    }


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _figures(figures: list[Record]) -> str:
    return ", ".join(
        " ".join(filter(None, ("" if f["name"] in _UNNAMED else f["name"], _figure(f), _origin(f["origin"]))))
        for f in figures
    )


def _figure(figure: Record) -> str:
    if figure["name"] in SHARES:
        return format_share(figure["value"])
    return f"{figure['value']:.2f}x" if figure["unit"] == "x" else figure_text(figure["value"], figure["unit"])


def _origin(origin: str) -> str:
    """The origin, where it is not this machine's own measurement."""
    return "" if origin == "host" else f"({origin or 'origin unknown'})"


def _generation(generation: Record, named: str = "") -> Text:
    """An artifact, and how it came about; `named` is the file that was asked for, which may be another of its kind."""
    size = "" if generation["size_bytes"] is None else f", {format_bytes(generation['size_bytes'])}"
    kept = "" if generation["is_kept"] else ", no copy kept"
    path = printable(generation["path"]) or "not recorded"
    same = f"{printable(named)}, the same as " if named and named != generation["path"] else ""
    lines = [Text.assemble(same, (path, "bold"), f" (sha256 {generation['sha256'][:_DIGITS]}{size}{kept})")]
    made = generation["made"]
    facts = _facts(made) if made else []
    lines += [Text.assemble((f"{name:<9}", "dim"), printable(text)) for name, text in facts if text]
    return Text("\n").join(lines)


def _facts(made: Record) -> list[tuple[str, str]]:
    environment, run = made["environment"], made["run"]
    return [
        ("made by", made["step"]),
        ("options", ", ".join(f"{name}={_value(value)}" for name, value in made["options"].items())),
        ("data", _data(made["data"])),
        ("seed", "" if made["seed"] is None else str(made["seed"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())),
        ("machine", _machine(environment)),
        ("run", _run(run) if run else ""),
    ]


def _machine(environment: Record) -> str:
    identity = f"identity {environment['machine']}" if environment.get("machine") else None
    return ", ".join(str(part) for part in (environment.get("cpu"), environment.get("os"), identity) if part)


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


def _nothing(record: Record) -> list[str]:
    """That no run is there, and where runs may be."""
    lines = [f"nothing is recorded in {printable(record['store'])}"]
    if record["above"]:
        above = printable(record["above"])
        lines.append(f"a folder above has a record: EDGEOPT_STORE='{above}' edgeopt runs list")
    return lines


def _acceptance(accepted: Record | None) -> str:
    return f"{accepted.get('by')}, {str(accepted.get('date'))[:_DAY]}" if accepted else ""


def _age(date: str, now: str) -> str:
    """How long ago a run was made; empty where it does not tell."""
    if not date:
        return ""
    return format_age((datetime.fromisoformat(now) - datetime.fromisoformat(date)).total_seconds())


def _minute(date: str) -> str:
    """A date in UTC to the minute."""
    return _date(date)[:_MINUTE]


def _date(date: str) -> str:
    """A date in UTC to the second, without the offset that says so."""
    return date.removesuffix("+00:00").replace("T", " ")
