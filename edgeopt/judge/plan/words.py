"""Plans in words: figures, rules with another limit, and advice."""

from __future__ import annotations

import math
import re

from edgeopt.judge.plan.nouns import Breach, Case, Kind, SlicePlan, Unit
from edgeopt.judge.power import POWERS
from edgeopt.judge.rules import RULE_METRICS, Rule
from edgeopt.judge.slices import SMALLEST_SLICE
from edgeopt.units import Dimension, format_points, format_quantity, format_seconds

_ENOUGH = POWERS[0]
_MOST_NAMED = 3
_TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


def share_text(share: float) -> str:
    """A share in per cent, to two digits: `0.0123` is `1.2 %`."""
    return f"{100 * share:.2g} %"


def figure_text(rule: Rule, quantity: float) -> str:
    """A quantity of a rule: a figure, or a signed difference from the baseline."""
    if not rule.is_relative:
        return format_quantity(quantity, RULE_METRICS[rule.metric].dimension)
    if rule.is_share:
        return format_points(quantity)
    if rule.quantity.dimension is Dimension.PERCENT:
        return f"{100 * quantity:+.3g} %"
    if rule.quantity.dimension is Dimension.SECONDS:
        return ("-" if quantity < 0 else "+") + format_seconds(abs(quantity))
    return f"{quantity:+.3g}"


def rule_with(rule: Rule, quantity: float) -> tuple[str, float]:
    """The rule with another limit, rounded so that it is not stricter than `quantity`, and that limit.

    Args:
        rule: The rule.
        quantity: The limit, or the signed allowance on the baseline, in the base unit.
    """
    number, unit, factor = _written(rule, quantity)
    limit = f"{abs(number):.10g} {unit}".strip() if rule.is_relative else f"{number:.10g} {unit}".strip()
    if rule.is_relative:
        limit = "baseline" if number == 0 else f"baseline {'-' if number < 0 else '+'} {limit}"
    left = rule.text[: rule.text.index(rule.comparison, rule.text.find(")") + 1)].strip()
    target = rule.text.partition("@")[2].strip()
    return f"{left} {rule.comparison} {limit}" + (f" @ {target}" if target else ""), number * factor


def advice(
    *,
    kind: Kind,
    unit: Unit,
    at_hand: int | None,
    case: Case,
    slices: tuple[SlicePlan, ...] = (),
    seconds: dict[str, float],
) -> str:
    """What to do about a rule that is decided by bounds, in one line."""
    small = [part.part for part in slices if not part.is_judged]
    if slices and len(small) == len(slices):
        return f"no slice holds the {SMALLEST_SLICE} samples that can be judged: the rule is undecided"
    told = _enough(unit, seconds) if (case.power or 0) >= _ENOUGH else _mend(unit, at_hand, case, slices, seconds)
    if kind == "chance" and small:
        named = ", ".join(small[:_MOST_NAMED]) + (", ..." if len(small) > _MOST_NAMED else "")
        told += f"; not judged, under {SMALLEST_SLICE} samples: {named}"
    return told


def breach_text(rule: Rule, breach: Breach) -> str:
    """A truth beyond the limit, as in `to fail a true -1.50 pt`."""
    return f"to fail a true {figure_text(rule, breach.truth)}"


def _enough(unit: Unit, seconds: dict[str, float]) -> str:
    return "enough" + _time_text(seconds, "at_hand", "; measuring takes about ") if unit == "processes" else "enough"


def _time_text(seconds: dict[str, float], key: str, before: str, after: str = "") -> str:
    return f"{before}{format_seconds(seconds[key])}{after}" if key in seconds else ""


def _mend(unit: Unit, at_hand: int | None, case: Case, slices: tuple[SlicePlan, ...], seconds: dict[str, float]) -> str:
    needed = case.needed[str(round(100 * _ENOUGH))]
    if needed is None:
        if case.strictest:
            return f"no number shows it; write `{_limit_of(case)}`"
        return "no number shows it: the assumed truth does not keep the limit"
    ways = []
    if unit == "processes":
        ways.append(f"set `processes = {needed}` under [bench]" + _time_text(seconds, "80", " (about ", ")"))
    elif at_hand is None:
        ways.append(f"collect {needed:,} samples")
    elif slices:
        ways.append(f"have {needed:,} samples in every slice")
    elif needed > at_hand:
        ways.append(f"give {needed - at_hand:,} more")
    if case.strictest:
        ways.append(f"write `{_limit_of(case)}`")
    return ", or ".join(ways)


def _limit_of(case: Case) -> str:
    """The limit of the strictest rule, without its metric and target."""
    return re.split(r"[<>]=?", case.strictest)[-1].partition("@")[0].strip()


def _written(rule: Rule, quantity: float) -> tuple[float, str, float]:
    """A number rounded away from strictness, its unit as people write it, and what one of that unit is."""
    dimension = rule.quantity.dimension if rule.is_relative else RULE_METRICS[rule.metric].dimension
    step = 0.0
    match dimension:
        case _ if rule.is_share:
            unit, factor, step = ("pt" if rule.is_relative else "%"), 0.01, 0.01
        case Dimension.PERCENT:
            unit, factor, step = "%", 0.01, 0.1
        case Dimension.SECONDS:
            unit, factor = next((pair for pair in _TIME_UNITS if abs(quantity) >= pair[1]), _TIME_UNITS[-1])
        case _:
            unit, factor = "", 1.0
    number = quantity / factor
    if number and not step:
        step = 10.0 ** (math.floor(math.log10(abs(number))) - 2)
    if not number:
        return 0.0, unit, factor
    rounded = math.ceil(number / step - 1e-6) if rule.is_upper else math.floor(number / step + 1e-6)
    return float(f"{rounded * step:.10g}"), unit, factor
