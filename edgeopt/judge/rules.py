"""The grammar of gate rules: `accuracy >= baseline - 0.5 pt`, `latency.p90 <= 12 ms @ host`.

rule   = metric comparison limit [ "@" target ]
metric = name [ "." statistic ] | "slice(" column ")." name
limit  = quantity | "baseline" [ ("+" | "-") quantity ]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edgeopt.errors import InputError, near_names, together
from edgeopt.units import Dimension, Quantity, parse_quantity

Comparison = Literal["<=", ">=", "<", ">"]
HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMetric:
    """What a rule may be about.

    Attributes:
        measurement: Name of the measurement that it rests on.
        dimension: Dimension of an absolute limit.
        relative: Dimensions of what may be added to the baseline.
        statistics: Names after the dot; the first is meant when there is none.
    """

    measurement: str
    dimension: Dimension
    relative: tuple[Dimension, ...]
    statistics: tuple[str, ...] = ()


_POINTS = (Dimension.POINTS, Dimension.PERCENT)
_RELATIVE = (Dimension.PERCENT,)

RULE_METRICS: dict[str, RuleMetric] = {
    **{
        name: RuleMetric(measurement=name, dimension=Dimension.PERCENT, relative=_POINTS)
        for name in ("accuracy", "top5", "f1", "auc", "ks")
    },
    **{
        name: RuleMetric(measurement=name, dimension=Dimension.NUMBER, relative=(*_RELATIVE, Dimension.NUMBER))
        for name in ("log_loss", "brier", "mse", "mae")
    },
    "flip_rate": RuleMetric(measurement="flip_rate", dimension=Dimension.PERCENT, relative=()),
    "sqnr": RuleMetric(measurement="sqnr", dimension=Dimension.DECIBELS, relative=()),
    "size": RuleMetric(measurement="size", dimension=Dimension.BYTES, relative=(*_RELATIVE, Dimension.BYTES)),
    "memory": RuleMetric(measurement="memory", dimension=Dimension.BYTES, relative=(*_RELATIVE, Dimension.BYTES)),
    "load": RuleMetric(measurement="load", dimension=Dimension.SECONDS, relative=(*_RELATIVE, Dimension.SECONDS)),
    "latency": RuleMetric(
        measurement="latency",
        dimension=Dimension.SECONDS,
        relative=(*_RELATIVE, Dimension.SECONDS),
        statistics=("p50", "p90", "median"),
    ),
    "slowdown": RuleMetric(measurement="soak", dimension=Dimension.PERCENT, relative=()),
    "instructions": RuleMetric(measurement="instructions", dimension=Dimension.NUMBER, relative=_RELATIVE),
    "energy": RuleMetric(measurement="energy", dimension=Dimension.JOULES, relative=(*_RELATIVE, Dimension.JOULES)),
}

# Metrics that have a value for each slice of the samples.
SLICED = ("accuracy", "top5", "f1", "auc", "ks", "log_loss", "brier", "mse", "mae", "flip_rate", "sqnr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One demand.

    Attributes:
        text: As the user wrote it.
        metric: Key of `RULE_METRICS`.
        statistic: `p50`, `p90`, or empty.
        slice_column: Column whose every value is judged; empty for all samples together.
        comparison: `<=`, `>=`, `<` or `>`.
        is_relative: Whether the limit is the baseline plus `quantity`.
        quantity: The limit, or the signed allowance on the baseline.
        target: Where it holds.
    """

    text: str
    metric: str
    statistic: str = ""
    slice_column: str = ""
    comparison: Comparison
    is_relative: bool
    quantity: Quantity
    target: str = HOST

    @property
    def is_upper(self) -> bool:
        """Whether the metric may not exceed the limit."""
        return self.comparison in ("<=", "<")

    def limit(self, baseline: float | None) -> float:
        """The limit in the base unit, for a baseline value in that unit."""
        if not self.is_relative or baseline is None:
            return self.quantity.value
        if self.quantity.dimension is Dimension.PERCENT and not self.is_share:
            return baseline * (1 + self.quantity.value)
        return baseline + self.quantity.value

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share in [0, 1], so that `5 %` of it means 5 points."""
        return RULE_METRICS[self.metric].dimension is Dimension.PERCENT


_RULE = re.compile(
    r"\s*(?:slice\((?P<slice>[^()]+)\)\s*\.\s*)?(?P<name>[a-z_0-9]+)(?:\.(?P<statistic>[a-z0-9]+))?"
    r"\s*(?P<comparison><=|>=|<|>)\s*(?P<limit>[^@]+?)\s*(?:@\s*(?P<target>\S+)\s*)?"
)
_BASELINE = re.compile(r"baseline\s*(?:(?P<sign>[+-])\s*(?P<quantity>.+))?")
_EXAMPLE = "write it like `accuracy >= baseline - 0.5 pt` or `latency.p90 <= 12 ms @ host`"


def parse_rule(text: str) -> Rule:
    """The rule that `text` states.

    Raises:
        InputError: It does not follow the grammar, names no known metric, or its unit does not fit the metric.
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise InputError(f"rule `{text}` cannot be understood", hint=_EXAMPLE)
    name, statistic = match["name"], match["statistic"] or ""
    metric = RULE_METRICS.get(name)
    if metric is None:
        raise InputError(f"rule `{text}`: unknown metric `{name}`", hint=near_names(name, RULE_METRICS))
    if statistic and statistic not in metric.statistics:
        hint = near_names(statistic, metric.statistics) if metric.statistics else f"write `{name}` alone"
        raise InputError(f"rule `{text}`: `{name}` has no `{statistic}`", hint=hint)
    if match["slice"] and name not in SLICED:
        raise InputError(f"rule `{text}`: `{name}` cannot be sliced", hint="slices are for " + ", ".join(SLICED))
    is_relative, quantity = _limit(text, match["limit"], metric)
    return Rule(
        text=text,
        metric=name,
        statistic=statistic or (metric.statistics[0] if metric.statistics else ""),
        slice_column=(match["slice"] or "").strip(),
        comparison=match["comparison"],  # type: ignore[arg-type]  # the pattern admits nothing else
        is_relative=is_relative,
        quantity=quantity,
        target=match["target"] or HOST,
    )


def parse_each(texts: Iterable[str]) -> tuple[tuple[Rule, ...], list[InputError]]:
    """The rules that `texts` state, and why each of the others cannot be used."""
    rules, faults = [], []
    for text in texts:
        try:
            rules.append(parse_rule(text))
        except InputError as error:
            faults.append(error)
    return tuple(rules), faults


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """The rules that `texts` state.

    Raises:
        InputError: Some cannot be used; the message lists all of these at once.
    """
    rules, faults = parse_each(texts)
    if faults:
        raise together(faults)
    return rules


def _limit(text: str, limit: str, metric: RuleMetric) -> tuple[bool, Quantity]:
    baseline = _BASELINE.fullmatch(limit)
    if baseline is None:
        return False, _fitting(text, parse_quantity(limit), (metric.dimension,))
    if not metric.relative:
        other = "with the beginning of the soak" if metric.measurement == "soak" else "with the baseline"
        raise InputError(f"rule `{text}`: this metric compares {other} already", hint="give a plain limit")
    if baseline["sign"] is None:
        return True, Quantity(0.0, metric.relative[0])
    quantity = _fitting(text, parse_quantity(baseline["quantity"]), metric.relative)
    sign = -1 if baseline["sign"] == "-" else 1
    return True, Quantity(sign * quantity.value, quantity.dimension)


def _fitting(text: str, quantity: Quantity, dimensions: tuple[Dimension, ...]) -> Quantity:
    is_number = quantity.dimension is Dimension.NUMBER
    is_plain_share = is_number and dimensions == (Dimension.PERCENT,) and 0 <= quantity.value <= 1
    if quantity.dimension in dimensions or is_plain_share:
        return quantity
    wanted = " or ".join(f"`{dimension.value}`" for dimension in dimensions)
    raise InputError(f"rule `{text}`: unit `{quantity.dimension.value}` does not fit", hint=f"give it in {wanted}")
