"""Records as people read them in a terminal: one view per command, from the JSON record alone."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeopt.report.convert_text import CONVERT_VIEWS
from edgeopt.report.corrections import correction_rows
from edgeopt.report.diagnose_text import DIAGNOSE_VIEWS
from edgeopt.report.escape import plain_line, printable
from edgeopt.report.estimates import estimated_rows, measured_rows
from edgeopt.report.estimates_text import estimated_parts
from edgeopt.report.figures import (
    Record,
    accuracy_cells,
    calibration_text,
    comparison_text,
    figure_text,
    is_share,
    latency_cells,
    scheme_text,
    score_text,
    size_cells,
)
from edgeopt.report.fit_text import fit_rows
from edgeopt.report.plan_text import PLAN_VIEWS
from edgeopt.report.record_text import RECORD_VIEWS, origin_facts, taken_facts
from edgeopt.report.reliability import calibration_cells
from edgeopt.report.soak_text import soak_parts
from edgeopt.report.tables import facts_table as _facts
from edgeopt.report.tables import headed_table as _table
from edgeopt.report.target_text import TARGET_VIEWS
from edgeopt.report.told import SLICE_HEADERS, WAIVER_HEADERS, facts_of, slice_cells, slices_text, waiver_cells
from edgeopt.units import format_bytes, format_count, format_seconds, format_share

_MOST_KEPT_FLOAT = 8
_PIPE_WIDTH = 160
_COLOURS = {
    "passed": "green",
    "faster": "green",
    "failed": "red",
    "slower": "red",
    "undecided": "yellow",
    "waived": "yellow",
    "warning": "yellow",
}


def print_view(name: str, record: Record) -> None:
    """Print a record on stdout, in colour where that is a terminal.

    Args:
        name: Key of `VIEWS`.
        record: What the command's `--json` prints.
    """
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print(VIEWS[name](record))
        return
    plain = Console(highlight=False, markup=False, no_color=True, width=_PIPE_WIDTH, file=io.StringIO())
    with plain.capture() as capture:
        plain.print(VIEWS[name](record))
    sys.stdout.writelines(f"{plain_line(line.rstrip())}\n" for line in capture.get().splitlines())


def inspect_view(record: Record) -> RenderableType:
    """What a model is and costs."""
    cost, quantization = record["cost"], record["quantization"]
    rows = [
        *(fit_rows(record["fit"]) if record["fit"] else ()),
        ("model", _model_line(record["artifact"])),
        *(("input", _tensor(spec)) for spec in record["artifact"]["inputs"]),
        *(("output", _tensor(spec)) for spec in record["artifact"]["outputs"]),
        ("opset", ", ".join(f"{domain} {version}" for domain, version in record["opsets"].items())),
        ("MACs", format_count(cost["macs"])),
        ("parameters", format_count(cost["parameters"])),
        ("weights", format_bytes(cost["weight_bytes"])),
        ("activations", f"{format_bytes(cost['activation_peak_bytes'])} at the peak, batch 1"),
        ("operators", ", ".join(f"{count} {name}" for name, count in record["operators"].items())),
        ("quantization", _quantization(quantization)),
    ]
    if cost["unknown"]:
        rows.append(("note", f"figures are lower bounds: the MACs of {len(cost['unknown'])} nodes are not known"))
    return _facts(rows)


def quantize_view(record: Record) -> RenderableType:
    """What was made and how it compares with what it was made from."""
    scheme, source, made = record["scheme"], record["input"], record["output"]
    name = scheme.get("name", "int8")
    rows = [
        ("scheme", f"{scheme_text(scheme)}, for {scheme['target']}: {scheme['reason']}"),
        ("calibration", calibration_text(record["calibration"])),
        ("kept float", _kept_float(record["kept_float"])),
        *correction_rows(record),
    ]
    if made is None:
        return _facts([("dry run", "nothing was written"), *rows])
    note = f" (the float model: {name} was slower)" if record["output_is_float"] else ""
    rows = [("written", made["path"] + note), *taken_facts(record), *rows]
    # Records of before the other schemes hold `int8_bytes` alone.
    size = record.get("quantized_bytes") or record["int8_bytes"]
    return Group(_facts(rows), _side_by_side(source["size_bytes"], size, record, name))


def bench_view(record: Record) -> RenderableType:
    """A line per model, and the comparisons; then a line per estimate, and what each rests on."""
    measured, estimated = measured_rows(record), estimated_rows(record)
    parts = [_measured_part(record, measured)] if measured else []
    return Group(*parts, *estimated_parts(estimated)) if estimated else parts[0]


def _measured_part(record: Record, rows: Sequence[Record]) -> RenderableType:
    table = _table("model", "latency p50", "95 % interval", "p90", "per second", "load", "memory", "origin", "how")
    for row in rows:
        latency = row["latency"]
        low, high = latency["ci95"]
        threads = f"{row['threads']} thread" + ("s" if row["threads"] > 1 else "")
        table.add_row(
            printable(Path(row["path"]).name),
            format_seconds(latency["p50"]),
            f"{format_seconds(low)} to {format_seconds(high)}",
            format_seconds(latency["p90"]),
            format_count(row["throughput"]["value"]),
            format_seconds(row["load"]["value"]),
            format_bytes(row["memory"]["value"]),
            row["origin"],
            f"{row['runtime']}, {threads}, batch {row['batch']}",
        )
    base = Path(rows[0]["path"]).name
    others = [Path(row["path"]).name for row in rows[1:]]
    lines = [
        _coloured(f"{printable(name)} is {comparison_text(comparison)} than {printable(base)}", comparison["verdict"])
        for name, comparison in zip(others, record["comparisons"], strict=False)
    ]
    return Group(table, *lines, *soak_parts(record))


def evaluate_view(record: Record) -> RenderableType:
    """Metrics with intervals, whole and per slice."""
    table = _table("metric", "value", "95 % interval", "samples")
    for name, entry in record["metrics"].items():
        table.add_row(name, *_metric_cells(name, entry))
    parts: list[RenderableType] = [_facts([("model", _model_line(record["artifacts"][0]))]), table]
    if record["slices"]:
        slices = _table("slice", "metric", "value", "95 % interval", "samples")
        for entry in record["slices"]:
            for name, metric in entry["metrics"].items():
                slices.add_row(printable(f"{entry['column']}={entry['value']}"), name, *_metric_cells(name, metric))
        parts.append(slices)
    if record["predictions"]:
        parts.append(Text(f"predictions: {printable(record['predictions']['path'])}"))
    return Group(*parts)


def compare_view(record: Record) -> RenderableType:
    """Two models on the same samples."""
    table = _table("", "baseline", "candidate", "")
    for cells in (*accuracy_cells(record), *calibration_cells(record.get("calibration"))):
        table.add_row(*cells)
    parts = _slice_parts(record, every=True)
    lines = [Text(printable(line)) for line in facts_of(record)]
    return Group(table, *parts, *lines, _coloured(f"verdict: {record['verdict']}", record["verdict"]))


def gate_view(record: Record) -> RenderableType:
    """Both models side by side where they were measured here, a line per rule, and the verdict."""
    taken = taken_facts(record)
    parts: list[RenderableType] = [_facts(taken)] if taken else []
    if len(record["artifacts"]) == 2 and "latency" in record:
        sizes = {entry["role"]: entry["size_bytes"] for entry in record["artifacts"]}
        parts.append(_side_by_side(sizes["baseline"], sizes["candidate"], record, "candidate"))
    table = _table("rule", "verdict", "figure", "limit", "origin", "reason")
    for rule in record["rules"]:
        table.add_row(
            printable(rule["rule"]),
            Text(rule["verdict"], style=_COLOURS[rule["verdict"]]),
            figure_text(rule["value"], rule["unit"]),
            figure_text(rule["limit"], rule["unit"]),
            rule["origin"] or "",
            printable(rule["reason"]),
        )
    parts += [table, *_slice_parts(record, every=False), *_waiver_parts(record)]
    lines = [Text(printable(line)) for line in facts_of(record)]
    return Group(*parts, *lines, _coloured(f"gate: {record['verdict']}", record["verdict"]))


def run_view(record: Record) -> RenderableType:
    """A recorded run: when, where and by whom, and then as its command showed it."""
    return Group(_facts(origin_facts(record)), VIEWS[record["command"]](record))


def doctor_view(record: Record) -> RenderableType:
    """What is there, what is missing and what mends it."""
    table = _table("", "state", "detail", "to mend it")
    for check in record["checks"]:
        style = {"ok": "green", "missing": "yellow", "noisy": "yellow"}.get(check["state"], "")
        state = Text(check["state"], style=style)
        table.add_row(check["name"], state, printable(check["detail"]), check["mend"])
    return table


def init_view(record: Record) -> RenderableType:
    """What was written and what to do next."""
    rows = [("written", path) for path in record["written"]] or [("dry run", "nothing was written")]
    return _facts([*rows, ("next", record["next"])])


VIEWS: dict[str, Callable[[Record], RenderableType]] = {
    "inspect": inspect_view,
    "quantize": quantize_view,
    "bench": bench_view,
    "evaluate": evaluate_view,
    "compare": compare_view,
    "gate": gate_view,
    "run": run_view,
    "doctor": doctor_view,
    "init": init_view,
    **CONVERT_VIEWS,
    **DIAGNOSE_VIEWS,
    **PLAN_VIEWS,
    **RECORD_VIEWS,
    **TARGET_VIEWS,
}


def _side_by_side(before: int, after: int, record: Record, name: str) -> Table:
    """Size in bytes, latency and accuracy of the original, or of an accepted baseline, and of what was made."""
    is_original = (record.get("baseline") or {}).get("is_original", True)
    table = _table("", "original" if is_original else "baseline", name, "")
    table.add_row(*size_cells(before, after))
    _add_latency(table, record["latency"])
    for cells in accuracy_cells(record["accuracy"]):
        table.add_row(*cells)
    return table


def _slice_parts(record: Record, *, every: bool) -> list[RenderableType]:
    """The slices, all or those that are worse, and how many ended how."""
    slices = record.get("slices") or []
    shown = [part for part in slices if every or part["verdict"] == "worse"]
    told = slices_text(slices)
    line = [_coloured(printable(told), "failed" if "worse on" in told else "")] if told else []
    return [*_rows(SLICE_HEADERS, slice_cells(shown)), *line]


def _waiver_parts(record: Record) -> list[RenderableType]:
    return _rows(WAIVER_HEADERS, waiver_cells(record))


def _rows(headers: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[RenderableType]:
    """A table of rows; nothing where there are none."""
    table = _table(*headers)
    for row in rows:
        table.add_row(*map(printable, row))
    return [table] if rows else []


def _coloured(text: str, outcome: str) -> Text:
    return Text(text, style=f"bold {_COLOURS.get(outcome, '')}".strip())


def _model_line(artifact: Record) -> str:
    return f"{artifact['path']} ({format_bytes(artifact['size_bytes'])}, sha256 {artifact['sha256'][:12]})"


def _tensor(spec: Record) -> str:
    axes = " x ".join(str(length) or "?" for length in spec["shape"])
    numbers = spec.get("quantization")
    stands = f" (scale {numbers['scale']:.6g}, zero point {numbers['zero_point']})" if numbers else ""
    return f"{spec['name']}  {axes}  {spec['dtype']}{stands}"


def _quantization(state: Record) -> str:
    if state["kind"] == "none":
        return f"none ({'/'.join(state.get('weights', ())) or 'float'})"
    per = "per channel" if state["is_per_channel"] else "per tensor"
    types = "/".join((*state["activations"], *state["weights"]))
    return f"{state['kind']}, {types}, {per}: {state['quantized']} of {state['total']} weighted nodes"


def _kept_float(entries: Sequence[Record]) -> str:
    if not entries:
        return "nothing"
    shown = entries[:_MOST_KEPT_FLOAT]
    text = "; ".join(f"{entry['node']} ({entry['reason']})" for entry in shown)
    return text + (f"; and {len(entries) - len(shown)} more (--json lists all)" if len(shown) < len(entries) else "")


def _add_latency(table: Table, latency: Record | None) -> None:
    style = _COLOURS.get(latency["comparison"]["verdict"], "") if latency else ""
    for name, before, after, told in latency_cells(latency):
        table.add_row(name, before, after, Text(told, style=style))


def _metric_cells(name: str, entry: Record) -> tuple[str, str, str]:
    value, interval = entry["value"], entry["ci95"]
    low, high = ((format_share(v) if is_share(name) else f"{v:.4g}") for v in interval) if interval else ("", "")
    return score_text(name, value), f"{low} to {high}" if interval else "", str(entry["n"])
