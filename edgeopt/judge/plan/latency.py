"""Outlines of rules about latency: fresh processes that its bounds need."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgeopt.core.measurement import Origin
from edgeopt.judge.plan.hits import in_order
from edgeopt.judge.plan.nouns import Known
from edgeopt.judge.plan.outline import Outline, Scenario, Situation
from edgeopt.judge.plan.spread import Noise, own_noise, paired_noise
from edgeopt.judge.power import Experiment
from edgeopt.judge.power_means import Speed
from edgeopt.judge.rules import Rule
from edgeopt.units import Dimension, format_seconds

# Each model's time differs by so much between processes, their ratio by sqrt(2) times that (a noisy laptop or a virtual
# machine; docs/results/noise.md has the figure of a quiet one).
ASSUMED_DEVIATION = 0.02
_ASSUMED = "assumed: 2 % between processes"
_ASSUMED_DISTANCES = (0.10, 0.05, 0.20)
_BREACHES = (0.02, 0.05, 0.10)
# What a clock resolves of a call.
_LEAST_DEVIATION = 1e-4
_FLOOR = math.log(100)


def latency_outline(rule: Rule, situation: Situation) -> Outline:
    """Of a rule about latency on this machine."""
    return _against_baseline(rule, situation) if rule.is_relative else _absolute(rule, situation)


def _against_baseline(rule: Rule, situation: Situation) -> Outline:
    held = situation.held_processes
    noise = own_noise(rule, situation.histories) if held else paired_noise(rule, situation.histories)
    if noise is None:
        deviation = ASSUMED_DEVIATION * (1 if held else math.sqrt(2))
        noise = Noise(deviation=deviation, source=_ASSUMED, origin=Origin.ESTIMATED)
    sign, quantity = (1 if rule.is_upper else -1), rule.quantity
    base = 1.0 if quantity.dimension is Dimension.PERCENT else (noise.seconds or (math.nan, math.nan))[1]
    if not math.isfinite(base):
        return Outline(unit="processes", missing=_missing("the baseline's own time"))
    ratio = 1 + quantity.value / base
    if ratio <= 0:
        return Outline(unit="processes", missing="no time is that short: the rule can only fail")
    limit = -sign * math.log(ratio)

    def scenario(told: str, truth: float, *more: Known) -> Scenario:
        speed = Speed(
            limit=limit,
            truth=truth,
            deviation=max(noise.deviation, _LEAST_DEVIATION),
            held=held,
            is_slowdown=rule.is_upper,
        )
        return Scenario(assumption=told, inputs=(_deviation(noise), *more), experiment=_same(speed))

    turns = "as fast as the baseline" + (" held" if held else "")
    scenarios = [scenario(f"{turns}, {_noise_text(noise)}", 0.0)]
    if noise.slowdown is not None and not held:
        known = Known(name="slowdown", value=noise.slowdown, origin=noise.origin, source=noise.source)
        told = f"as recorded: {math.exp(-noise.slowdown):.2f}x the speed, {_noise_text(noise)}"
        scenarios.append(scenario(told, -sign * noise.slowdown, known))
    return Outline(
        unit="processes",
        scenarios=in_order(scenarios, limit),
        to_quantity=lambda value: math.expm1(-sign * value) * base,
        floor=limit - _FLOOR,
        breaches=tuple(limit - math.log1p(share) for share in _BREACHES),
        least=2,
        call_seconds=noise.seconds[0] if noise.seconds else None,
    )


def _absolute(rule: Rule, situation: Situation) -> Outline:
    if rule.quantity.value <= 0:
        return Outline(unit="processes", missing="no time is that short: the rule can only fail")
    sign = 1 if rule.is_upper else -1
    limit = -sign * math.log(rule.quantity.value)
    noise = own_noise(rule, situation.histories)
    if noise and noise.seconds:
        known = Known(name="latency", value=noise.seconds[0], unit="s", origin=noise.origin, source=noise.source)
        times = [(f"as recorded: {format_seconds(known.value)}", known)]
    else:
        noise = Noise(deviation=ASSUMED_DEVIATION, source=_ASSUMED, origin=Origin.ESTIMATED)
        times = [_assumed_time(rule, share) for share in _ASSUMED_DISTANCES]
    known_noise = noise

    def scenario(told: str, time: Known) -> Scenario:
        speed = Speed(
            limit=limit,
            truth=-sign * math.log(time.value),
            deviation=max(known_noise.deviation, _LEAST_DEVIATION),
        )
        told = f"{told}, {_noise_text(known_noise)}"
        return Scenario(assumption=told, inputs=(_deviation(known_noise), time), experiment=_same(speed))

    return Outline(
        unit="processes",
        scenarios=tuple(scenario(*time) for time in times),
        to_quantity=lambda value: math.exp(-sign * value),
        floor=limit - _FLOOR,
        breaches=tuple(limit - math.log1p(share) for share in _BREACHES),
        least=2,
        call_seconds=noise.seconds[0] if noise.seconds else None,
    )


def _same(experiment: Experiment) -> Callable[[str], Experiment]:
    """Latency has no parts."""
    return lambda _: experiment


def _assumed_time(rule: Rule, share: float) -> tuple[str, Known]:
    seconds = rule.quantity.value * (1 - share if rule.is_upper else 1 + share)
    told = f"{100 * share:g} % within the limit"
    return told, Known(name="latency", value=seconds, unit="s", source=f"assumed: {told}")


def _deviation(noise: Noise) -> Known:
    return Known(name="deviation", value=noise.deviation, unit="%", origin=noise.origin, source=noise.source)


def _noise_text(noise: Noise) -> str:
    return f"{100 * noise.deviation:.2g} % noise"


def _missing(what: str) -> str:
    return f"{what} is not known yet: run `edgeopt gate` or `edgeopt bench CANDIDATE --against ORIGINAL` once"
