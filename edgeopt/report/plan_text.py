"""A plan as people read it in a terminal: per rule what it needs, what is at hand, the chance, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
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
# (what, needs for 80 %, for 95 %, at hand, chance, fails from, what to do)
Row = tuple[str, str, str, str, Text, str, str]


def plan_view(record: Record) -> RenderableType:
    """A table of rules, and what their figures rest on."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("rule", "needs for 80 %", "for 95 %", "at hand", "chance", "fails from", "what to do"):
        table.add_column(header, overflow="fold", justify="left")
    for plan in record["plan"]:
        for row in _rows(plan):
            table.add_row(*row)
    return Group(table, *(Text(line) for line in _footer(record)))


PLAN_VIEWS: dict[str, Callable[[Record], RenderableType]] = {"plan": plan_view}


def _rows(plan: Record) -> Iterator[Row]:
    unit = "per slice" if plan["slices"] else plan["unit"]
    needed = plan["needed"] if plan["cases"] else {"80": None, "95": None}
    never = "never" if plan["cases"] else "?"
    at_hand = "none" if plan["at_hand"] is None else _count(plan["at_hand"], unit)
    yield (
        printable(plan["rule"]),
        _count(needed["80"], unit, never),
        _number(needed["95"], never),
        at_hand,
        _chance(plan["power"]),
        plan["detects_told"] or "",
        printable(plan["advice"]),
    )
    if plan["kind"] != "chance":
        return
    yield _line(plan["assumption"])
    if needed["80"] is None:
        yield from (_case_row(f"to fail a true {breach['told']}", breach) for breach in plan["fails"])
    yield from (_case_row(case["assumption"], case) for case in plan["cases"][1:])
    yield from _slice_rows(plan["slices"])


def _slice_rows(slices: list[Record]) -> Iterator[Row]:
    """The slices, the least likely first."""
    ordered = sorted(slices, key=lambda part: (not part["is_judged"], part["power"] or 0.0))
    for part in ordered[:_MOST_SLICES]:
        row = _case_row(part["slice"], part)
        note = "" if part["is_judged"] else "not judged: too few"
        yield (*row[:3], f"{part['at_hand']:,}", row[4], "", note)
    if len(slices) > _MOST_SLICES:
        yield _line(f"and {len(slices) - _MOST_SLICES} more (--json lists all)")


def _case_row(told: str, case: Record) -> Row:
    first, second = (_number(case["needed"].get(key), "never") for key in ("80", "95"))
    return f"  {printable(told)}", first, second, "", _chance(case["power"]), case.get("detects_told") or "", ""


def _line(told: str) -> Row:
    return f"  {printable(told)}", "", "", "", Text(), "", ""


def _count(number: int | None, unit: str, otherwise: str = "never") -> str:
    if number is None:
        return otherwise
    single = {"samples": "sample", "processes": "process", "measurements": "measurement"}
    return f"{number:,} {single.get(unit, unit) if number == 1 else unit}"


def _number(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else f"{number:,}"


def _chance(power: float | None) -> Text:
    """A probability in whole per cent, never rounded to certainty."""
    if power is None:
        return Text()
    style = "green" if power >= _LIKELY else "yellow" if power >= _UNLIKELY else "red"
    percent = round(100 * power)
    told = "> 99 %" if percent == 100 else "< 1 %" if percent == 0 else f"{percent} %"
    return Text(told, style=style)


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
