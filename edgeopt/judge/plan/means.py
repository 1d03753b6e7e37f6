"""Outlines of rules about means of errors, and about F1, AUC and Kolmogorov-Smirnov, whose bounds behave like those."""

from __future__ import annotations

import math

from edgeopt.core.measurement import Origin
from edgeopt.judge.plan.history import counted_flips
from edgeopt.judge.plan.hits import in_order
from edgeopt.judge.plan.nouns import Known
from edgeopt.judge.plan.outline import Outline, Scenario, Situation
from edgeopt.judge.plan.spread import Spread, mean_spreads
from edgeopt.judge.plan.words import figure_text
from edgeopt.judge.power import Experiment
from edgeopt.judge.power_means import Mean
from edgeopt.judge.rules import RULE_METRICS, Rule
from edgeopt.units import Dimension, format_quantity

# Of the figure itself, beyond the limit.
_BREACHES = (0.01, 0.02, 0.05)
# Of a sample on which nothing differed; below it a difference is rounding.
_LEAST_DEVIATION = 1e-9


def means_outline(rule: Rule, situation: Situation) -> Outline:
    """Of a rule about a metric whose spread only an earlier run can tell."""
    whole, parts = mean_spreads(rule, situation.histories)
    if whole is None:
        return Outline(missing=_missing(rule, situation.cluster))
    if rule.metric == "f1" and rule.is_relative and _is_unchanged(situation):
        return Outline(
            missing=f"no prediction changed in {whole.run}: how far f1 may differ is not known; accuracy can be planned"
        )
    sign = -1 if rule.is_upper else 1
    limit = sign * (rule.limit(whole.baseline) - (whole.baseline if rule.is_relative else 0.0))
    size = abs(whole.baseline if rule.is_relative else whole.value)

    def scenario(told: str, truth: float, *more: Known) -> Scenario:
        def experiment(part: str) -> Experiment:
            own = parts.get(part, whole)
            return Mean(limit=limit, truth=truth, deviation=max(own.deviation, _LEAST_DEVIATION * (size or 1.0)))

        return Scenario(assumption=told, inputs=(_deviation(whole), *more), experiment=experiment)

    recorded = Known(
        name="difference" if rule.is_relative else rule.metric,
        value=whole.value,
        unit=("pt" if rule.is_relative else "%") if rule.is_share else "1",
        origin=Origin.HOST,
        source=whole.run,
    )
    told = f"as recorded: {_value_text(rule, whole)}"
    scenarios = [scenario("as good as the baseline", 0.0)] if rule.is_relative else []
    if whole.value or not rule.is_relative:
        scenarios.append(scenario(told, sign * whole.value, recorded))

    def to_quantity(value: float) -> float:
        is_factor = rule.is_relative and not rule.is_share and rule.quantity.dimension is Dimension.PERCENT
        return sign * value / whole.baseline if is_factor and whole.baseline else sign * value

    return Outline(
        scenarios=in_order(scenarios, limit),
        to_quantity=to_quantity,
        floor=limit - 100 * max(size, abs(limit), whole.deviation, _LEAST_DEVIATION),
        breaches=tuple(limit - share * size for share in _BREACHES if size),
        least=2,
    )


def _is_unchanged(situation: Situation) -> bool:
    """Whether no prediction changed, of which the spread of a metric of predictions cannot be told."""
    flips, _ = counted_flips(situation.histories)
    return flips is not None and flips.losses == 0


def _deviation(spread: Spread) -> Known:
    return Known(
        name="deviation", value=spread.deviation, origin=Origin.HOST, source=f"{spread.run}: {spread.n:,} samples"
    )


def _value_text(rule: Rule, spread: Spread) -> str:
    if not rule.is_relative:
        return format_quantity(spread.value, RULE_METRICS[rule.metric].dimension)
    if rule.quantity.dimension is Dimension.PERCENT and not rule.is_share and spread.baseline:
        return f"{100 * spread.value / spread.baseline:+.3g} %"
    return figure_text(rule, spread.value) if math.isfinite(spread.value) else "unknown"


def _missing(rule: Rule, cluster: str) -> str:
    way = "run `edgeopt gate` once: its record keeps the predictions of both models"
    if rule.is_relative and not rule.slice_column and not cluster:
        way = f"run `edgeopt compare ORIGINAL CANDIDATE --data DATA --metric {rule.metric}`, or `edgeopt gate`, once"
    alike = f" and how alike those of one `{cluster}` are" if cluster else ""
    return f"how far {rule.metric} differs from sample to sample{alike} is not known yet: {way}"
