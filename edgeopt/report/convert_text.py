"""What was converted or simplified as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record
from edgeopt.report.record_text import taken_facts
from edgeopt.report.tables import facts_table, headed_table
from edgeopt.units import format_bytes

_MOST_OPERATORS = 12
_EXACT_DB = 120.0


def simplify_view(record: Record) -> RenderableType:
    """What was taken off."""
    made, source = record["output"], record["input"]
    written = ("written", made["path"]) if made else ("dry run", "nothing was written")
    proven = "on random inputs"
    if record["samples"]["samples"]:
        proven += f" and on samples of {record['samples']['source']}"
    rows = [
        written,
        *taken_facts(record),
        ("nodes", _change(record["nodes"])),
        ("constants", _change(record["constants"])),
    ]
    if made:
        rows.append(("size", f"{format_bytes(source['size_bytes'])} to {format_bytes(made['size_bytes'])}"))
    told = f"outputs proven equal {proven}" if record["is_changed"] else "it was as simple before"
    return facts_table([*rows, ("proof", told)])


def convert_view(record: Record) -> RenderableType:
    """What was made, of what, and how far the outputs of both are apart."""
    made = record["output"]
    written = ("written", made["path"]) if made else ("dry run", "nothing was written")
    rows = [("source", str(record["input"]["path"])), written, *taken_facts(record)]
    if made:
        rows.append(("size", format_bytes(made["size_bytes"])))
        rows += [(name, _tensor(spec)) for name in ("input", "output") for spec in made[f"{name}s"]]
    if record.get("array"):
        array = record["array"]
        rows.append(("array", f"{array['name']}, {format_bytes(array['size_bytes'])}"))
    if record["operators"]:
        rows.append(("operators", _operators(record["operators"])))
    proof = record["proof"]
    if proof is None:
        return facts_table(rows)
    rows.append(("proof", proof["told"]))
    return Group(facts_table(rows), *([_outputs(proof["outputs"])] if proof["outputs"] else []))


CONVERT_VIEWS: dict[str, Callable[[Record], RenderableType]] = {"convert": convert_view, "simplify": simplify_view}


def _change(sides: Record) -> str:
    return f"{sides['before']} to {sides['after']}"


def _tensor(spec: Record) -> str:
    axes = " x ".join(str(length) or "?" for length in spec["shape"])
    return f"{spec['name']}  {axes}  {spec['dtype']}"


def _operators(counts: dict[str, int]) -> str:
    shown = list(counts.items())[:_MOST_OPERATORS]
    left = len(counts) - len(shown)
    return ", ".join(f"{count} {name}" for name, count in shown) + (f" and {left} more kinds" if left else "")


def _outputs(outputs: Sequence[Record]) -> Table:
    table = headed_table("output", "runtime", "largest difference", "of the largest value", "mean", "SQNR")
    for entry in outputs:
        exact = entry["sqnr_db"] >= _EXACT_DB
        table.add_row(
            printable(entry["name"]),
            entry["runtime"],
            f"{entry['max_difference']:.3g}",
            f"{entry['relative']:.2g}",
            f"{entry['mean_difference']:.3g}",
            "exact" if exact else f"{entry['sqnr_db']:.1f} dB",
        )
    return table
