"""Outlines of rules about shares: hits of pairs, hits of one model, changed predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgeopt.core.measurement import Origin
from edgeopt.judge.plan.history import Pairs, counted_flips, paired_hits, recorded_share
from edgeopt.judge.plan.nouns import Known
from edgeopt.judge.plan.outline import Outline, Scenario, Situation
from edgeopt.judge.plan.spread import mean_spreads
from edgeopt.judge.plan.words import share_text
from edgeopt.judge.power import Experiment
from edgeopt.judge.power_shares import Churn, PairedShares, Share
from edgeopt.judge.rules import Rule
from edgeopt.units import format_points, format_share

# int8 changes 1.0 to 1.2 % of answers, pruning 3 to 7 % (one study, CIFAR-10); the middle one is planned with.
_ASSUMED_CHANGES = (0.02, 0.01, 0.05)
_ASSUMED = "assumed: int8 typically changes 1.0 to 1.2 % of answers, pruning 3 to 7 %"
# How far the candidate is assumed to lie on the good side of a fixed limit.
_ASSUMED_DISTANCES = (0.02, 0.01, 0.05)
# Drops beyond the limit to tell of.
_DROPS = (0.005, 0.01, 0.02)


def hits_outline(rule: Rule, situation: Situation) -> Outline:
    """Of a rule about accuracy or top 5."""
    if not rule.is_relative:
        return _absolute(rule, situation)
    if abs(rule.quantity.value) >= 1:
        return Outline(missing="no share changes by that much: there is nothing to decide")
    return _paired(rule, situation) if situation.has_labels else _without_labels(rule, situation)


def flips_outline(rule: Rule, situation: Situation) -> Outline:
    """Of a rule about the share of changed predictions."""
    whole, parts = counted_flips(situation.histories, rule.slice_column)
    knowns = [_flip_rate(whole)] if whole else [_assumed("flip_rate", share) for share in _ASSUMED_CHANGES]
    scenarios = [
        _share_scenario(rule, f"{share_text(known.value)} of predictions change", known, _by_part(parts, _flip_rate))
        for known in knowns
    ]
    return _on_shares(rule, scenarios)


def _paired(rule: Rule, situation: Situation) -> Outline:
    whole, parts = paired_hits(rule, situation.histories)
    limit = _limit(rule)
    knowns = [whole.discordance] if whole else [_assumed("discordance", share) for share in _ASSUMED_CHANGES]
    of_parts = _by_part(parts, lambda pairs: pairs.discordance)
    is_any_drop = limit == 0 and not rule.is_upper

    def scenario(known: Known, truth: float, told: str, *more: Known) -> Scenario:
        def experiment(part: str) -> Experiment:
            discordance = of_parts.get(part, known).value
            return PairedShares(limit=limit, truth=truth, discordance=discordance, is_any_drop=is_any_drop)

        return Scenario(assumption=told, inputs=(known, *more), experiment=experiment)

    scenarios = [scenario(known, 0.0, f"no true drop, {share_text(known.value)} of answers change") for known in knowns]
    if whole and whole.difference:
        recorded = Known(
            name="difference", value=whole.difference, unit="pt", origin=Origin.HOST, source=whole.discordance.source
        )
        told = f"as recorded: {format_points(whole.difference)}"
        scenarios.append(scenario(whole.discordance, _sign(rule) * whole.difference, told, recorded))
    return Outline(
        scenarios=in_order(scenarios, limit),
        to_quantity=lambda value: _sign(rule) * value,
        breaches=tuple(limit - drop for drop in _DROPS if limit - drop > -1),
    )


def _without_labels(rule: Rule, situation: Situation) -> Outline:
    limit = _limit(rule)
    if limit >= 0:
        return Outline(missing="that accuracy rose or stayed, only labels can show: add them (`y`)")
    whole, parts = counted_flips(situation.histories, rule.slice_column)
    knowns = [_flip_rate(whole)] if whole else [_assumed("flip_rate", share) for share in _ASSUMED_CHANGES]
    of_parts = _by_part(parts, _flip_rate)

    def scenario(known: Known) -> Scenario:
        def experiment(part: str) -> Experiment:
            return Churn(limit=limit, truth=-of_parts.get(part, known).value)

        told = f"no labels, {share_text(known.value)} of predictions change"
        return Scenario(assumption=told, inputs=(known,), experiment=experiment)

    return Outline(
        scenarios=_keeping_first(map(scenario, knowns), limit),
        to_quantity=lambda value: _sign(rule) * value,
        floor=-0.999,
    )


def _absolute(rule: Rule, situation: Situation) -> Outline:
    spread, spreads = mean_spreads(rule, situation.histories)
    recorded = recorded_share(rule, situation.histories)
    parts = {part: _recorded(rule, one.value, one.n, one.run) for part, one in spreads.items()}
    if spread is not None:
        knowns = [_recorded(rule, spread.value, spread.n, spread.run)]
    elif recorded is not None:
        knowns = [_recorded(rule, *recorded)]
    else:
        knowns = list(_assumed_shares(rule))
    scenarios = [
        _share_scenario(rule, f"{rule.metric} is {format_share(known.value)}", known, parts) for known in knowns
    ]
    return _on_shares(rule, scenarios)


def in_order(scenarios: Iterable[Scenario], limit: float) -> tuple[Scenario, ...]:
    """The scenarios, those first whose truth keeps the limit, since the first is the one to plan with.

    A recorded truth that is better than the harmless one, which comes first, adds nothing where that one keeps it.
    """
    harmless, *others = scenarios
    truth = harmless.experiment("").truth
    if truth > limit:
        return (harmless, *(one for one in others if one.experiment("").truth <= truth))
    return _keeping_first((harmless, *others), limit)


def _keeping_first(scenarios: Iterable[Scenario], limit: float) -> tuple[Scenario, ...]:
    return tuple(sorted(scenarios, key=lambda one: one.experiment("").truth <= limit))


def _share_scenario(rule: Rule, told: str, known: Known, parts: dict[str, Known]) -> Scenario:
    """A share against a fixed limit; turned to 1 - share where it must not exceed it."""

    def turned(share: float) -> float:
        return 1 - share if rule.is_upper else share

    def experiment(part: str) -> Experiment:
        return Share(limit=turned(rule.quantity.value), truth=turned(parts.get(part, known).value))

    return Scenario(assumption=told, inputs=(known,), experiment=experiment)


def _on_shares(rule: Rule, scenarios: Iterable[Scenario]) -> Outline:
    limit = 1 - rule.quantity.value if rule.is_upper else rule.quantity.value
    if not 0 < limit < 1:
        return Outline(missing=f"a limit of {format_share(rule.quantity.value)} leaves nothing to decide")
    return Outline(
        scenarios=_keeping_first(scenarios, limit),
        to_quantity=lambda value: 1 - value if rule.is_upper else value,
        floor=1e-6,
        breaches=tuple(limit - drop for drop in _DROPS if limit - drop > 0),
    )


def _limit(rule: Rule) -> float:
    """The limit on the axis candidate - baseline, turned so that the truth must not lie below it."""
    return _sign(rule) * rule.quantity.value


def _sign(rule: Rule) -> int:
    return -1 if rule.is_upper else 1


def _by_part(parts: dict[str, Pairs], known_of: Callable[[Pairs], Known]) -> dict[str, Known]:
    return {part: known_of(pairs) for part, pairs in parts.items()}


def _flip_rate(pairs: Pairs) -> Known:
    share = pairs.discordance
    return Known(name="flip_rate", value=share.value, unit="%", origin=share.origin, source=share.source)


def _assumed(name: str, share: float) -> Known:
    return Known(name=name, value=share, unit="%", source=_ASSUMED)


def _recorded(rule: Rule, value: float, n: int, run: str) -> Known:
    return Known(name=rule.metric, value=value, unit="%", origin=Origin.HOST, source=f"{run}: {n:,} samples")


def _assumed_shares(rule: Rule) -> Iterable[Known]:
    """Shares on the good side of a limit in (0, 1): at some distances, or half-way to the end where it is near."""
    limit = rule.quantity.value
    end = 0.0 if rule.is_upper else 1.0
    distances = [distance for distance in _ASSUMED_DISTANCES if distance < abs(end - limit)] or [abs(end - limit) / 2]
    for distance in distances:
        source = f"assumed: {100 * distance:.3g} pt within the limit"
        yield Known(name=rule.metric, value=limit + _sign(rule) * distance, unit="%", source=source)
