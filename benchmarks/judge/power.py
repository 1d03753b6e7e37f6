"""What `gate --plan` promises, beside what the gate does: needed samples and processes, drawn and judged.

Each row takes the number that the plan names for 80 or 95 % under its assumption, draws so many samples or processes
of which the assumption is true, and counts the verdicts of the gate's own code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

import numpy as np

from edgeopt.core.measurement import Measurement, Origin, single_value
from edgeopt.judge.confirm import Figures, Sides, judge_twice
from edgeopt.judge.estimate import ALPHA
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import Verdict, judge
from edgeopt.judge.power import POWERS, needed_units
from edgeopt.judge.power_means import Mean, Speed
from edgeopt.judge.power_shares import Churn, PairedShares, Share
from edgeopt.judge.predictions import Predictions
from edgeopt.judge.rules import Rule, parse_rules
from edgeopt.judge.second_look import Look, is_suspect, joined_looks
from judge.table import Row, counted

TODAY = date(2026, 1, 1)
# (margin in points, share of answers that change)
PAIRS = ((0.5, 0.01), (0.5, 0.02), (1.0, 0.01), (1.0, 0.02), (1.0, 0.05), (2.0, 0.02))
# (margin in per cent, standard deviation of the ratio between processes)
TIMES = ((2.0, 0.01), (5.0, 0.0283), (5.0, 0.05))


def rows(*, draws: int, slow: int) -> list[Row]:
    """Probabilities that were planned, and shares of draws that were found.

    Args:
        draws: Draws of counts.
        slow: Draws of errors and times, each of which is judged by itself.
    """
    return [*_paired(draws), *_any_drop(draws), *_shares(draws), *_means(slow), *_times(slow)]


def _paired(draws: int) -> Iterator[Row]:
    for margin, discordance in PAIRS:
        experiment = PairedShares(limit=-margin / 100, discordance=discordance)
        rule = f"accuracy >= baseline - {margin:g} pt"
        for power in POWERS:
            n = _needed(experiment, power)
            found = _count(rule, _losses_and_gains(n, discordance, 0.0, draws), n, "passed")
            told = f"`{rule}`, {discordance:.0%} of answers change, no true drop, n = {n:,} for {power:.0%}: passed"
            yield counted(told, found, draws, f"planned {experiment.passes(n):.2%}")


def _any_drop(draws: int) -> Iterator[Row]:
    for truth in (0.005, 0.01):
        experiment = PairedShares(limit=0.0, truth=-truth, discordance=0.02, is_any_drop=True)
        n = needed_units(lambda count, e=experiment: e.fails(count, ALPHA), POWERS[0]) or 0
        found = _count("accuracy >= baseline", _losses_and_gains(n, 0.02, -truth, draws), n, "failed")
        told = f"`accuracy >= baseline`, 2% of answers change, {100 * truth:g} pt lost, n = {n:,} for 80%: red"
        yield counted(told, found, draws, f"planned {experiment.fails(n, ALPHA):.2%}")


def _shares(draws: int) -> Iterator[Row]:
    generator = np.random.default_rng(1)
    fixed = Share(limit=0.9, truth=0.92)
    flips = Share(limit=0.98, truth=0.99)
    churn = Churn(limit=-0.02, truth=-0.01)
    cases = (
        ("accuracy >= 90 %", "accuracy", fixed, 0.92, "accuracy is 92%", {}),
        ("flip_rate <= 2 %", "flip_rate", flips, 0.01, "1% of predictions change", {"baseline": "old"}),
        ("accuracy >= baseline - 2 pt", "flip_rate", churn, 0.01, "no labels, 1% change", {"baseline": "old"}),
    )
    for rule, metric, experiment, share, assumption, details in cases:
        n = _needed(experiment, POWERS[0])
        hits = generator.binomial(n, share, draws)
        verdicts = {count: _on_record(rule, metric, count / n, n=n, **details) for count in set(hits.tolist())}
        found = sum(verdicts[count] == "passed" for count in hits.tolist())
        told = f"`{rule}`, {assumption}, n = {n:,} for 80%: passed"
        yield counted(told, found, draws, f"planned {experiment.passes(n):.2%}")


def _means(draws: int) -> Iterator[Row]:
    experiment = Mean(limit=-0.1, deviation=0.5)
    for power in POWERS:
        n = _needed(experiment, power, least=2)
        found = sum(_mean_passes(n, seed) for seed in range(draws))
        told = f"`mae <= baseline + 5 %`, deviation 25% of the baseline, n = {n:,} for {power:.0%}: passed"
        yield counted(told, found, draws, f"planned {experiment.passes(n):.2%}")


def _times(draws: int) -> Iterator[Row]:
    for margin, deviation in TIMES:
        rule = f"latency <= baseline + {margin:g} %"
        limit = -math.log1p(margin / 100)
        passing = Speed(limit=limit, truth=0.0, deviation=deviation, is_slowdown=True)
        for power in POWERS:
            n = _needed(passing, power, least=2)
            found = sum(_outcome(rule, n, 0.0, deviation, seed) == "passed" for seed in range(draws))
            told = f"`{rule}`, {deviation:.1%} noise, as fast, {n} processes for {power:.0%}: passed"
            yield counted(told, found, draws, f"planned {passing.passes(n):.2%}")
        slower = margin / 100 + 0.05
        failing = Speed(limit=limit, truth=-math.log1p(slower), deviation=deviation, is_slowdown=True)
        n = needed_units(lambda count, e=failing: e.fails(count, ALPHA), POWERS[0], least=2) or 0
        found = sum(_outcome(rule, n, slower, deviation, seed) == "failed" for seed in range(draws))
        told = f"`{rule}`, {deviation:.1%} noise, {slower:.0%} slower, {n} processes a look for 80%: red"
        yield counted(told, found, draws, f"planned {failing.fails(n, ALPHA):.2%}")


def _needed(experiment: PairedShares | Share | Churn | Mean | Speed, power: float, *, least: int = 1) -> int:
    found = needed_units(experiment.passes, power, least=least)
    assert found is not None
    return found


def _losses_and_gains(n: int, discordance: float, difference: float, draws: int) -> list[list[int]]:
    losses, gains = (discordance - difference) / 2, (discordance + difference) / 2
    drawn = np.random.default_rng(n).multinomial(n, [losses, gains, 1 - losses - gains], size=draws)
    found: list[list[int]] = drawn[:, :2].tolist()
    return found


def _count(rule: str, drawn: list[list[int]], n: int, verdict: str) -> int:
    """How many draws the gate judges so; equal counts are judged once."""
    told = {
        (losses, gains): _on_record(rule, "accuracy", 0.9, n=n, losses=losses, gains=gains, baseline="old")
        for losses, gains in {(losses, gains) for losses, gains in drawn}
    }
    return sum(told[losses, gains] == verdict for losses, gains in drawn)


def _on_record(rule: str, metric: str, value: float, **details: object) -> str:
    own = single_value(metric, value, artifact="new", unit="1", origin=Origin.HOST, **details)
    evidence = Evidence(candidate=Side(sha256="new", measurements=(own,)), baseline=Side(sha256="old"))
    return judge(parse_rules([rule]), evidence, today=TODAY).outcome


def _mean_passes(n: int, seed: int) -> bool:
    generator = np.random.default_rng((seed, n))
    labels = generator.standard_normal(n)
    errors = np.abs(generator.normal(2, 0.5, n))
    sides = [
        Side(sha256=name, predictions=Predictions(scores=labels + off, labels=labels))
        for name, off in (("old", np.full(n, 2.0)), ("new", errors))
    ]
    evidence = Evidence(baseline=sides[0], candidate=sides[1])
    return judge(parse_rules(["mae <= baseline + 5 %"]), evidence, today=TODAY).outcome == "passed"


def _outcome(rule: str, processes: int, slowdown: float, deviation: float, seed: int) -> str:
    """What a gate says in the end: timed as by `bench`, which looks again by itself, judged, looked at twice."""
    generator = np.random.default_rng((seed, processes))

    def look() -> Look:
        base, candidate, twin = (
            1e-3 * factor * np.exp(generator.normal(0, deviation / math.sqrt(2), (processes, 1)))
            for factor in (1.0, 1 + slowdown, 1.0)
        )
        return Look(base=base, candidate=candidate, twin=twin, calls_per_block=1)

    first = look()
    base, new = _figures(first)
    if is_suspect(first):
        again = _figures(look())
        base, new = (joined_looks(base[0], again[0][0]),), (joined_looks(new[0], again[1][0]),)
    sides = (Side(sha256="old", measurements=base), Side(sha256="new", measurements=new))
    return judge_twice(parse_rules([rule]), sides, _verdict, lambda _: _figures(look())).outcome


def _figures(taken: Look) -> tuple[Figures, Figures]:
    noise = taken.noise.ratio
    return (_measurement("old", taken.base, noise),), (_measurement("new", taken.candidate, noise),)


def _measurement(name: str, samples: object, noise: float) -> Measurement:
    return Measurement(
        metric="latency",
        artifact=name,
        target="host",
        unit="s",
        origin=Origin.HOST,
        samples=tuple(tuple(process) for process in np.asarray(samples).tolist()),
        details={"calls_per_block": 1, "session": "one", "noise": noise},
    )


def _verdict(rules: tuple[Rule, ...], sides: Sides) -> Verdict:
    return judge(rules, Evidence(baseline=sides[0], candidate=sides[1]), today=TODAY)
