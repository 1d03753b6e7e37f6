"""Every rule of a gate planned: what it needs, what is at hand, the chance that it is decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from edgeopt.errors import InputError, together
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.metrics import METRICS
from edgeopt.judge.plan.hits import flips_outline, hits_outline
from edgeopt.judge.plan.latency import latency_outline
from edgeopt.judge.plan.means import means_outline
from edgeopt.judge.plan.nouns import Breach, Case, Needed, RulePlan, SlicePlan
from edgeopt.judge.plan.outline import Outline, Scenario, Situation
from edgeopt.judge.plan.words import advice, figure_text, rule_with
from edgeopt.judge.power import POWERS, Experiment, changed, detectable_truth, needed_units, strictest_limit
from edgeopt.judge.rules import HOST, RULE_METRICS, Rule
from edgeopt.judge.slices import SMALLEST_SLICE

_OUTLINES: dict[str, Callable[[Rule, Situation], Outline]] = {
    **dict.fromkeys(METRICS, means_outline),
    "accuracy": hits_outline,
    "top5": hits_outline,
    "flip_rate": flips_outline,
    "latency": latency_outline,
}
# What a gate measures on no target, and what does.
_NEVER_MEASURED = {
    "instructions": "",
    "energy": "",
    "slowdown": "`edgeopt bench MODEL --soak 10min --json > run.json` does, and `run.json` is judged",
}
_REPEATED = ("memory", "load")
_PLANNED_POWER = POWERS[0]


def plan_rules(rules: Sequence[Rule], situation: Situation) -> tuple[RulePlan, ...]:
    """What each rule needs.

    Args:
        rules: What is demanded; the data has what they are about.
        situation: What is at hand and known.

    Raises:
        InputError: Metrics do not suit the recorded predictions; all of them are told at once.
    """
    level = ALPHA / max(1, sum(_findings(rule, situation) for rule in rules))
    plans, faults = [], []
    for rule in rules:
        try:
            plans.append(_plan(rule, situation, level))
        except InputError as error:
            faults.append(InputError(f"rule `{rule.text}`: {error.message}", hint=error.hint))
    if faults:
        raise together(faults)
    return tuple(plans)


def _findings(rule: Rule, situation: Situation) -> int:
    """How many findings with chance in them a rule gives, which Holm's method counts."""
    if rule.metric not in _OUTLINES or not _is_measured(rule):
        return 0
    return len(situation.judged_parts(rule)) if rule.slice_column else 1


def _is_measured(rule: Rule) -> bool:
    return rule.metric == "size" or (rule.target == HOST and rule.metric not in _NEVER_MEASURED)


def _plan(rule: Rule, situation: Situation, fail_level: float) -> RulePlan:
    if not _is_measured(rule):
        return _unmeasured(rule, situation)
    if rule.metric not in _OUTLINES:
        return _plain(rule)
    outline = _outline(rule, situation)
    at_hand = _at_hand(rule, outline, situation)
    if not outline.scenarios:
        return RulePlan(
            rule=rule.text,
            kind="unknown",
            unit=outline.unit,
            at_hand=at_hand,
            fail_level=fail_level,
            advice=outline.missing,
        )
    parts = situation.judged_parts(rule) if outline.unit == "samples" else {"": situation.processes}
    cases = tuple(_case(rule, outline, scenario, parts, fail_level) for scenario in outline.scenarios)
    slices = _slices(rule, outline, situation) if rule.slice_column else ()
    seconds = _seconds(outline, situation, cases[0])
    return RulePlan(
        rule=rule.text,
        kind="chance",
        unit=outline.unit,
        at_hand=at_hand,
        cases=cases,
        slices=slices,
        fail_level=fail_level,
        seconds=seconds,
        advice=advice(kind="chance", unit=outline.unit, at_hand=at_hand, case=cases[0], slices=slices, seconds=seconds),
    )


def _outline(rule: Rule, situation: Situation) -> Outline:
    """Where samples depend on each other, only bounds over clusters tell how much any metric strays."""
    is_clustered = bool(situation.cluster) and rule.metric != "latency"
    return means_outline(rule, situation) if is_clustered else _OUTLINES[rule.metric](rule, situation)


def _at_hand(rule: Rule, outline: Outline, situation: Situation) -> int | None:
    if outline.unit == "processes":
        return situation.processes
    return min(situation.judged_parts(rule).values(), default=None)


def _case(rule: Rule, outline: Outline, scenario: Scenario, parts: dict[str, int], fail_level: float) -> Case:
    """What the rule needs in one scenario: every part must pass, so each must more surely."""
    found = {part: scenario.experiment(part) for part in parts} or {"": scenario.experiment("")}
    share, least = 1 / len(found), _least(rule, outline)
    weakest = _weakest(found, parts)
    strictest = _lowest([strictest_limit(one, n, _PLANNED_POWER**share, floor=outline.floor) for one, n in weakest])
    detected = _lowest(
        [detectable_truth(one, n, _PLANNED_POWER, level=fail_level, floor=outline.floor) for one, n in weakest]
    )
    text, quantity = ("", None) if strictest is None else rule_with(rule, outline.to_quantity(strictest))
    detects = None if detected is None else outline.to_quantity(detected)
    return Case(
        assumption=scenario.assumption,
        inputs=scenario.inputs,
        needed={_percent(power): _most(found, least, power**share) for power in POWERS},
        power=math.prod(found[part].passes(n) for part, n in parts.items()) if parts else None,
        strictest=text,
        strictest_limit=quantity,
        detects=detects,
        detects_told="" if detects is None else figure_text(rule, detects),
        fails=_breaches(rule, outline, scenario, parts, fail_level),
    )


def _least(rule: Rule, outline: Outline) -> int:
    """The fewest units that are judged."""
    return max(outline.least, SMALLEST_SLICE) if rule.slice_column else outline.least


def _breaches(
    rule: Rule, outline: Outline, scenario: Scenario, parts: dict[str, int], fail_level: float
) -> tuple[Breach, ...]:
    """What shows truths beyond the limit; of slices in the smallest."""
    part = min(parts, key=parts.__getitem__, default="")
    experiment, breaches = scenario.experiment(part), []
    for truth in outline.breaches:
        broken, quantity = changed(experiment, truth=truth), outline.to_quantity(truth)
        breaches.append(
            Breach(
                truth=quantity,
                told=figure_text(rule, quantity),
                needed=_needed_to_fail(broken, _least(rule, outline), fail_level),
                power=broken.fails(parts[part], fail_level) if parts else None,
            )
        )
    return tuple(breaches)


def _slices(rule: Rule, outline: Outline, situation: Situation) -> tuple[SlicePlan, ...]:
    judged = situation.judged_parts(rule)
    scenario, share = outline.scenarios[0], 1 / max(1, len(judged))
    return tuple(
        SlicePlan(
            part=part,
            at_hand=n,
            is_judged=part in judged,
            needed={
                _percent(power): _needed(scenario.experiment(part), SMALLEST_SLICE, power**share) for power in POWERS
            },
            power=scenario.experiment(part).passes(n) if part in judged else None,
        )
        for part, n in situation.parts(rule).items()
    )


def _seconds(outline: Outline, situation: Situation, case: Case) -> dict[str, float]:
    if outline.unit != "processes" or situation.seconds is None:
        return {}
    counts: dict[str, int | None] = {"at_hand": situation.processes, **case.needed}
    return {name: situation.seconds(n, outline.call_seconds) for name, n in counts.items() if n is not None}


def _plain(rule: Rule) -> RulePlan:
    told = "one measurement decides: held to a plain tolerance"
    if rule.metric in _REPEATED:
        grows = "growth counts where all three of both models differ" if rule.is_relative and rule.is_upper else ""
        told = f"the median of three decides; {grows or 'held to a plain tolerance'}"
    return RulePlan(
        rule=rule.text, kind="plain", unit="measurements", at_hand=1, cases=(_nothing_by_chance(),), advice=told
    )


def _unmeasured(rule: Rule, situation: Situation) -> RulePlan:
    name = RULE_METRICS[rule.metric].measurement
    holding = [
        history.name
        for history in situation.histories
        if history.is_given and history.evidence and history.evidence.candidate.find(name, rule.target)
    ]
    if holding:
        return RulePlan(
            rule=rule.text,
            kind="plain",
            unit="measurements",
            at_hand=1,
            cases=(_nothing_by_chance(),),
            advice=f"decided by what {holding[0]} holds",
        )
    way = _NEVER_MEASURED.get(rule.metric) or "undecided, unless a RUN.json that holds it is given"
    told = f"a gate does not measure {rule.metric} on `{rule.target}`: {way}"
    return RulePlan(rule=rule.text, kind="unmeasured", unit="measurements", at_hand=0, advice=told)


def _nothing_by_chance() -> Case:
    return Case(assumption="the figure itself is held against the limit", inputs=(), needed=_ones(), power=None)


def _ones() -> Needed:
    return {_percent(power): 1 for power in POWERS}


@lru_cache(maxsize=256)
def _needed(experiment: Experiment, least: int, power: float) -> int | None:
    return needed_units(experiment.passes, power, least=least)


def _most(found: dict[str, Experiment], least: int, power: float) -> int | None:
    """The most that any part needs."""
    counts = [_needed(experiment, least, power) for experiment in set(found.values())]
    return None if None in counts else max(count for count in counts if count is not None)


def _needed_to_fail(experiment: Experiment, least: int, level: float) -> Needed:
    def fails(n: int) -> float:
        return experiment.fails(n, level)

    return {_percent(power): needed_units(fails, power, least=least) for power in POWERS}


def _weakest(found: dict[str, Experiment], parts: dict[str, int]) -> list[tuple[Experiment, int]]:
    """Each experiment with the fewest units that any part has for it: the others show at least as much."""
    fewest: dict[Experiment, int] = {}
    for part, n in parts.items():
        fewest[found[part]] = min(n, fewest.get(found[part], n))
    return list(fewest.items())


def _lowest(values: Sequence[float | None]) -> float | None:
    """The value of the part that shows least; None where a part shows nothing."""
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _percent(power: float) -> str:
    return str(round(100 * power))
