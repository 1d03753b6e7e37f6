"""Device profiles in words."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record, figure_text
from edgeopt.report.tables import facts_table, headed_table

_FIGURES = {
    "cores": "cores",
    "clock_hz": "clock",
    "macs_per_cycle": "MACs per cycle",
    "l1d_bytes": "L1 data cache",
    "l2_bytes": "L2 cache",
    "l3_bytes": "L3 cache",
    "bandwidth_bytes_per_second": "bandwidth",
    "ram_bytes": "RAM",
    "flash_bytes": "flash",
    "idle_w": "idle power",
    "load_w": "load power",
}
_BINARY_BELOW = 1e9
_UNVERIFIED = "NOT VERIFIED"


def targets_view(record: Record) -> RenderableType:
    """Names, kinds and descriptions."""
    table = headed_table("target", "kind", "architecture", "what it is")
    for entry in record["targets"]:
        cells = (entry[key] for key in ("name", "kind", "architecture", "description"))
        table.add_row(*(printable(cell) for cell in cells))
    return table


def target_view(record: Record) -> RenderableType:
    """One profile: a row per figure, with its source and a mark where nobody has looked it up."""
    int8, has = record["int8"], "yes" if record["int8_dot_product"] else "no"
    facts = [
        ("target", f"{record['name']}: {record['description']}"),
        ("int8", f"{int8['activations']} activations, {int8['weight_bits']}-bit weights: {int8['reason']}"),
    ]
    table = headed_table("", "", "source", "")
    flags = " ".join(record["isa"])
    instructions = f"{record['architecture']} {flags}".strip()
    table.add_row("instructions", instructions, printable(record["isa_source"]), _mark(record["isa_verified"]))
    table.add_row("int8 dot product", has, "follows from the instructions", "")
    if record["core"]:
        table.add_row("core", printable(record["core"]), "", "")
    if record["dtypes"]:
        table.add_row("fast types", " ".join(record["dtypes"]), printable(record["dtypes_source"]), "")
    for name, figure in record["figures"].items():
        table.add_row(_FIGURES[name], _value_text(figure), printable(figure["source"]), _mark(figure["verified"]))
    for name in ("runtime", "quantization"):
        if (found := record[name]) is not None:
            table.add_row(name, printable(found["name"]), printable(found["source"]), _mark(found["verified"]))
    return Group(facts_table(facts), Text(), table)


def _value_text(figure: Record) -> str:
    """A value as people read it; a size below 1 GB that counts in 1024 is written so, as caches and chips have it."""
    size = figure["value"]
    if figure["unit"] == "B" and size < _BINARY_BELOW:
        for unit, factor in (("MiB", 2**20), ("KiB", 2**10)):
            if size % factor == 0:
                return f"{size / factor:g} {unit}"
    return figure_text(size, figure["unit"])


def _mark(is_verified: bool) -> Text:
    return Text() if is_verified else Text(_UNVERIFIED, style="yellow")


def target_check_view(record: Record) -> RenderableType:
    """Per file whether it is a profile, every fault, and what it leaves out."""
    hint = [] if record["is_usable"] else [Text(printable(record["error"]["hint"]))]
    return Group(*(_checked(entry) for entry in record["files"]), *hint)


def _checked(entry: Record) -> RenderableType:
    path = printable(entry["path"])
    if not entry["is_usable"]:
        faults = [Text(f"  {printable(fault)}") for fault in entry["faults"]]
        return Group(Text(f"{path}: {len(faults)} fault(s)", style="red"), *faults)
    lines = [Text(f"{path}: the target `{printable(entry['name'])}`", style="green")]
    if entry["unverified"]:
        lines.append(Text(f"  not verified: {', '.join(entry['unverified'])}"))
    lines += [Text(f"  left out: {printable(missing)}") for missing in entry["missing"]]
    return Group(*lines)


TARGET_VIEWS: dict[str, Callable[[Record], RenderableType]] = {
    "targets": targets_view,
    "target": target_view,
    "target-check": target_check_view,
}
