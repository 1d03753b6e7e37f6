"""Records as Markdown that stands alone: the verdict first, tables, and a plot of intervals against their limits.

GitHub and GitLab remove `<svg>` and `data:` images from Markdown (github/markup issue 556, html-pipeline pull request
227), so the plot is SVG in the file and a bar of text in what they are to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from edgeopt.report.escape import markdown_code, markdown_text, shortened
from edgeopt.report.estimates import HEADERS as HEADERS_OF_ESTIMATES
from edgeopt.report.estimates import basis_text, estimate_cells, estimated_rows, measured_rows
from edgeopt.report.figures import (
    Cells,
    Record,
    accuracy_cells,
    calibration_text,
    comparison_text,
    figure_text,
    latency_cells,
    scheme_text,
    size_cells,
)
from edgeopt.report.intervals import Interval, intervals_of, rule_interval
from edgeopt.report.plot import bar_text, forest_svg
from edgeopt.report.reliability import calibration_cells, reliability_svg
from edgeopt.report.rules import counts_text, model_name, worst_first
from edgeopt.report.soak import HEADERS, soak_cells, soak_text
from edgeopt.report.soak_plot import soak_svg
from edgeopt.report.told import SLICE_HEADERS, WAIVER_HEADERS, facts_of, slice_cells, slices_text, waiver_cells
from edgeopt.units import format_bytes, format_count, format_seconds

# A comment on GitHub holds 65,536 characters.
LIMIT = 60_000
_CELL_LENGTH = 500
# Lines of the plot: as many as half the report has room for.
_DRAWN = (40, 20, 10, 5)
_MOST_WARNINGS = 20
# Lines of latency over time, about 4,000 characters each.
_MOST_LINES = 4
# For the line that says how much was left out.
_RESERVE = 200
_LEGEND = "`│` is the limit, `●` the figure, `├┤` its interval; what lies right of the limit keeps it."


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the report: lines that stay together, and rows of which as many are kept as there is room for."""

    head: str
    rows: tuple[str, ...] = ()
    what: str = "rows"


def markdown_report(record: Record, *, is_drawn: bool = True, limit: int = LIMIT) -> str:
    """The report of a `gate`, `compare`, `bench` or `quantize` record.

    Args:
        record: What the command's `--json` prints.
        is_drawn: Whether the plot is SVG; else a bar of text per rule, for GitHub and GitLab.
        limit: Most characters.
    """
    verdict, blocks = _VIEWS[record["command"]](record, is_drawn)
    title = f"{marker(record)}\n## edgeopt {record['command']}: {markdown_text(verdict)}"
    plot = _plot(record) if is_drawn else []
    return _fitted([Block(title), *blocks, *plot, *_warnings(record), Block(_origin(record))], limit)


def marker(record: Record) -> str:
    """A comment that nobody sees, by which a bot finds the report of this model to replace it."""
    name = re.sub(r"[^A-Za-z0-9._]+", "_", model_name(record))
    return f"<!-- edgeopt:{shortened(name, 100)} -->"


def _gate(record: Record, is_drawn: bool) -> tuple[str, list[Block]]:
    rules = worst_first(record["rules"])
    headers = ["rule", "verdict", "figure", "limit", "origin", "reason"]
    rows = [_rule_row(rule, is_drawn) for rule in rules]
    facts = f"{markdown_code(model_name(record))}, {counts_text(rules)}."
    blocks = [Block(facts), _table([*headers[:4], *([] if is_drawn else ["against the limit"]), *headers[4:]], rows)]
    if not is_drawn and rules:
        blocks.append(Block(_LEGEND))
    told = [*_slices(record, every=False), *_waivers(record), *_facts(record)]
    return record["verdict"], [*blocks, *told, *_beside_original(record, record["artifacts"])]


def _rule_row(rule: Record, is_drawn: bool) -> list[str]:
    interval = rule_interval(rule)
    drawn = [] if is_drawn else [f"`{bar_text(interval)}`" if interval else ""]
    figures = [figure_text(rule[key], rule["unit"]) for key in ("value", "limit")]
    return [
        markdown_code(shortened(rule["rule"], _CELL_LENGTH)),
        f"**{rule['verdict']}**" if rule["verdict"] != "passed" else "passed",
        *figures,
        *drawn,
        rule["origin"] or "",
        markdown_text(shortened(rule["reason"], _CELL_LENGTH)),
    ]


def _slices(record: Record, *, every: bool) -> list[Block]:
    """The slices, all or those that are worse, and how many ended how."""
    slices = record.get("slices") or []
    shown = [part for part in slices if every or part["verdict"] == "worse"]
    told = slices_text(slices)
    line = [Block(markdown_text(shortened(told, _CELL_LENGTH)))] if told else []
    return [*line, *_cells(SLICE_HEADERS, slice_cells(shown), "slices")]


def _waivers(record: Record) -> list[Block]:
    return _cells(WAIVER_HEADERS, waiver_cells(record), "waivers")


def _cells(headers: Sequence[str], rows: Sequence[Sequence[str]], what: str) -> list[Block]:
    """A table of texts that are not trusted; nothing where there are none."""
    told = [[markdown_text(shortened(cell, _CELL_LENGTH)) for cell in row] for row in rows]
    return [_table(headers, told, what)] if told else []


def _facts(record: Record) -> list[Block]:
    lines = tuple(f"- {markdown_text(shortened(line, _CELL_LENGTH))}" for line in facts_of(record))
    return [Block("", lines, "facts")] if lines else []


def _beside_original(record: Record, artifacts: Sequence[Record]) -> list[Block]:
    """Size, latency and accuracy of both models, where both were measured."""
    sizes = {artifact.get("role", "candidate"): artifact["size_bytes"] for artifact in artifacts}
    if len(sizes) != 2 or "latency" not in record:
        return []
    cells = [size_cells(sizes["baseline"], sizes["candidate"])]
    return [_side_by_side([*cells, *latency_cells(record["latency"]), *accuracy_cells(record["accuracy"])])]


def _quantize(record: Record, is_drawn: bool) -> tuple[str, list[Block]]:
    source, made, scheme = record["input"], record["output"], record["scheme"]
    if made is None:
        return "dry run", []
    types = f"{scheme_text(scheme)}, for {scheme['target']}"
    calibration = f"calibration: {calibration_text(record['calibration'])}"
    facts = f"{markdown_code(made['path'])}: {markdown_text(types)}; {markdown_text(calibration)}."
    roles = [{**source, "role": "baseline"}, {**made, "role": "candidate"}]
    told = f"{format_bytes(source['size_bytes'])} to {format_bytes(made['size_bytes'])}"
    return told, [Block(facts), *_beside_original(record, roles), *_bars(record, is_drawn)]


def _compare(record: Record, is_drawn: bool) -> tuple[str, list[Block]]:
    origin = Block(f"Origin of the figures: {record['origin']}.")
    told = [*_slices(record, every=True), *_facts(record)]
    calibration = record.get("calibration")
    cells = [*accuracy_cells(record), *calibration_cells(calibration)]
    diagram = [Block(reliability_svg(calibration))] if calibration and is_drawn else []
    return record["verdict"], [origin, _side_by_side(cells), *diagram, *told, *_bars(record, is_drawn)]


def _bench(record: Record, is_drawn: bool) -> tuple[str, list[Block]]:
    headers = ["model", "latency p50", "95 % interval", "p90", "per second", "load", "memory", "origin", "how"]
    measured, estimated = measured_rows(record), estimated_rows(record)
    rows = [_bench_row(row) for row in measured]
    names = [PurePath(row["path"]).name for row in measured]
    told = [
        f"{name} is {comparison_text(comparison)} than {names[0]}"
        for name, comparison in zip(names[1:], record["comparisons"], strict=False)
    ]
    lines = tuple(f"- {markdown_text(shortened(line, _CELL_LENGTH))}" for line in told)
    compared = [Block("", lines, "comparisons")] if lines else []
    counts = ((len(rows), "measured"), (len(estimated), "estimated"))
    rows_told = ", ".join(f"{count} {word}" for count, word in counts if count)
    verdict = record["comparison"]["verdict"] if record["comparison"] else rows_told
    table = [_table(headers, rows, "models")] if rows else []
    drawn = [*_soaks(record, is_drawn), *_bars(record, is_drawn)] if rows else []
    return verdict, [*table, *compared, *drawn, *_estimates(estimated)]


def _estimates(rows: Sequence[Record]) -> list[Block]:
    """A table of what was estimated, apart from what was measured."""
    if not rows:
        return []
    cells = [[markdown_text(shortened(cell, _CELL_LENGTH)) for cell in estimate_cells(row)] for row in rows]
    lines = tuple(f"- {markdown_text(line)}" for line in dict.fromkeys(map(basis_text, rows)))
    return [_table(HEADERS_OF_ESTIMATES, cells, "estimates"), Block("", lines, "sources")]


def _bench_row(row: Record) -> list[str]:
    latency = row["latency"]
    low, high = latency["ci95"]
    return [
        markdown_code(shortened(PurePath(row["path"]).name, _CELL_LENGTH)),
        format_seconds(latency["p50"]),
        f"{format_seconds(low)} to {format_seconds(high)}",
        format_seconds(latency["p90"]),
        format_count(row["throughput"]["value"]),
        format_seconds(row["load"]["value"]),
        format_bytes(row["memory"]["value"]),
        row["origin"],
        markdown_text(f"{row['runtime']}, threads {row['threads']}, batch {row['batch']}"),
    ]


def _soaks(record: Record, is_drawn: bool) -> list[Block]:
    """What became of the models that ran without a pause, and their latency over time."""
    rows = [row for row in record["runs"] if row.get("soak")]
    if not rows:
        return []
    lines = tuple(f"- {markdown_text(shortened(soak_text(row), _CELL_LENGTH))}" for row in rows)
    cells = [[markdown_text(shortened(cell, _CELL_LENGTH)) for cell in soak_cells(row)] for row in rows]
    drawn = [Block(soak_svg(row)) for row in rows[:_MOST_LINES]] if is_drawn else []
    return [_table(HEADERS, cells, "soaks"), Block("", lines, "verdicts"), *drawn]


_VIEWS: dict[str, Callable[[Record, bool], tuple[str, list[Block]]]] = {
    "gate": _gate,
    "quantize": _quantize,
    "compare": _compare,
    "bench": _bench,
}


def _bars(record: Record, is_drawn: bool) -> list[Block]:
    """The intervals as bars of text, where there is no SVG and no table of rules to put them in."""
    intervals = [] if is_drawn else intervals_of(record)
    if not intervals:
        return []
    rows = [[_name(interval), f"`{bar_text(interval)}`", markdown_text(interval.told)] for interval in intervals]
    return [_table(["", "against the limit", ""], rows), Block(_LEGEND)]


def _name(interval: Interval) -> str:
    return markdown_text(shortened(interval.name, _CELL_LENGTH))


def _plot(record: Record) -> list[Block]:
    """The worst lines as SVG."""
    intervals = intervals_of({**record, "rules": worst_first(record.get("rules", []))})
    drawn = (forest_svg(intervals[:most]) for most in _DRAWN)
    return [Block(next(svg for svg in drawn if len(svg) < LIMIT // 2))] if intervals else []


def _side_by_side(cells: Sequence[Cells]) -> Block:
    rows = [[markdown_text(cell) for cell in line] for line in cells]
    return _table(["", "baseline", "candidate", ""], rows)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], what: str = "rows") -> Block:
    head = f"| {' | '.join(headers)} |\n|{' --- |' * len(headers)}"
    return Block(head, tuple(f"| {' | '.join(row)} |" for row in rows), what)


def _warnings(record: Record) -> list[Block]:
    told = record.get("warnings", [])[:_MOST_WARNINGS]
    lines = tuple(f"- {markdown_text(shortened(warning, _CELL_LENGTH))}" for warning in told)
    return [Block("Warnings:\n", lines, "warnings")] if lines else []


def _origin(record: Record) -> str:
    """What the figures come from, in small print."""
    environment = record["environment"]
    digests = [f"{artifact.get('role', 'candidate')} {artifact['sha256'][:12]}" for artifact in record["artifacts"]]
    parts = [*digests, environment["cpu"], f"edgeopt {record['edgeopt']}", environment["date"]]
    return f"<sub>{markdown_text(shortened(', '.join(map(str, parts)), _CELL_LENGTH))}</sub>"


def _fitted(blocks: Sequence[Block], limit: int) -> str:
    """The blocks one below the other: all heads, and as many rows as there is room for; the rest is counted."""
    heads: list[Block] = []
    for block in blocks:
        length = len(block.head) + _RESERVE
        if length <= limit:
            heads.append(block)
            limit -= length
    parts = []
    for block in heads:
        kept: list[str] = []
        for row in block.rows:
            if len(row) >= limit:
                break
            kept.append(row)
            limit -= len(row) + 1
        left = len(block.rows) - len(kept)
        more = [f"\n… and {left:,} more {block.what} (`--json` holds all)"] if left else []
        parts.append("\n".join([*([block.head] if block.head else []), *kept, *more]))
    return "\n\n".join(parts) + "\n"
