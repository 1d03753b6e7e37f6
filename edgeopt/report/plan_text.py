"""A plan as people read it in a terminal: per rule what to do, what it needs, what is at hand, and the chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from edgeopt.report.escape import printable
from edgeopt.report.figures import Record, figure_text

_MOST_SLICES = 8
_LIKELY, _UNLIKELY = 0.80, 0.50
_NAMES = {
    "discordance": "answers that change",
    "flip_rate": "predictions that change",
    "slowdown": "ln(candidate's time / baseline's)",
    "deviation": "noise",
}
_HEADERS = ("", "needs for 80 %", "for 95 %", "at hand", "chance", "fails from")
_INDENT = "  "
# (what, needs for 80 %, for 95 %, at hand, chance, fails from); a line of one cell is as long as it is
Row = tuple[str, ...]


def plan_view(record: Record) -> RenderableType:
    """Per rule what to do and, by assumption, what it needs; then what the figures rest on."""
    blocks = [(plan, list(_rows(plan))) for plan in record["plan"]]
    rows = [_HEADERS, *(row for _, found in blocks for row in found if len(row) > 1)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if len(rows) > 1 else []
    lines = [Text(_line(_HEADERS, widths).plain, style="bold")] if widths else []
    for plan, found in blocks:
        lines.append(Text.assemble((printable(plan["rule"]), "bold"), f": {printable(plan['advice'])}"))
        lines += [_line(row, widths) for row in found]
    return Group(Text(), *lines, Text(), *(Text(told) for told in _footer(record)))


PLAN_VIEWS: dict[str, Callable[[Record], RenderableType]] = {"plan": plan_view}


def _line(row: Row, widths: list[int]) -> Text:
    if len(row) == 1:
        return Text(row[0])
    cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
    line = Text("  ".join(cells).rstrip())
    if row[4].endswith("%"):
        start = sum(widths[:4]) + 8
        line.stylize(_style(row[4]), start, start + len(row[4]))
    return line


def _rows(plan: Record) -> Iterator[Row]:
    if plan["kind"] != "chance":
        return
    at_hand = "none" if plan["at_hand"] is None else _count(plan["at_hand"], _unit(plan))
    main, *others = plan["cases"]
    yield _case_row(main["assumption"], main, at_hand)
    if main["needed"]["80"] is None:
        yield from (_case_row(f"to fail a true {breach['told']}", breach) for breach in main["fails"])
    yield from (_case_row(case["assumption"], case) for case in others)
    yield from _slice_rows(plan["slices"])


def _slice_rows(slices: list[Record]) -> Iterator[Row]:
    """The slices, the least likely first."""
    ordered = sorted(slices, key=lambda part: (not part["is_judged"], part["power"] or 0.0))
    for part in ordered[:_MOST_SLICES]:
        row = _case_row(part["slice"], part, f"{part['at_hand']:,}")
        yield row if part["is_judged"] else (*row[:4], "too few", "")
    if len(slices) > _MOST_SLICES:
        yield (f"{_INDENT}and {len(slices) - _MOST_SLICES} more (--json lists all)",)


def _case_row(told: str, case: Record, at_hand: str = "") -> Row:
    first, second = (_number(case["needed"].get(key), "never") for key in ("80", "95"))
    chance = "" if case["power"] is None else _chance(case["power"])
    return f"{_INDENT}{printable(told)}", first, second, at_hand, chance, case.get("detects_told") or ""


def _unit(plan: Record) -> str:
    return "per slice" if plan["slices"] else str(plan["unit"])


def _count(number: int, unit: str) -> str:
    single = {"samples": "sample", "processes": "process"}
    return f"{number:,} {single.get(unit, unit) if number == 1 else unit}"


def _number(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else f"{number:,}"


def _chance(power: float) -> str:
    """A probability in whole per cent, never rounded to certainty."""
    percent = round(100 * power)
    return "> 99 %" if percent == 100 else "< 1 %" if percent == 0 else f"{percent} %"


def _style(chance: str) -> str:
    share = int(chance.strip("<> %")) / 100
    return "green" if share >= _LIKELY else "yellow" if share >= _UNLIKELY else "red"


def _footer(record: Record) -> Iterator[str]:
    """Where the figures come from, a line per source, and what the columns mean."""
    told: dict[str, dict[str, dict[str, None]]] = {}
    for known in (known for plan in record["plan"] for case in plan["cases"] for known in case["inputs"]):
        names = told.setdefault(f"({known['origin']}; {known['source']})", {})
        names.setdefault(_NAMES.get(known["name"], known["name"]), {})[_value_text(known)] = None
    yield "estimated: computed before anything is measured, from"
    for source, names in told.items():
        figures = "; ".join(f"{name} {', '.join(values)}" for name, values in names.items())
        yield f"  {printable(figures)} {printable(source)}"
    if not told:
        yield "  nothing but the rules"
    levels = {plan["fail_level"] for plan in record["plan"] if plan["fail_level"]}
    if levels:
        level = levels.pop()
        holm = f"{100 * level:.2g} %, which is 5 % over {round(0.05 / level)} findings (Holm's worst case)"
        yield f"chance: that the rule passes, at 5 %. fails from: the least breach that fails with 80 %, at {holm}"


def _value_text(known: Record) -> str:
    return f"{100 * known['value']:.3g} %" if known["unit"] == "%" else figure_text(known["value"], known["unit"])
