"""The verdict about latency: files that are equal, and files that are 5 % slower, through both looks.

A draw is what `bench --against` and a gate take by default: a base, a candidate and the base's twin in 10 processes x
20 blocks x 10 calls. A process shifts each of the three by 2 % of its own, a call by 10 % on top.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgeopt.core.measurement import Measurement, Origin
from edgeopt.judge.confirm import Figures, Sides, judge_twice
from edgeopt.judge.evidence import Evidence, Side
from edgeopt.judge.gate import Verdict, judge
from edgeopt.judge.rules import Rule, parse_rules
from edgeopt.judge.second_look import Look, is_suspect, joined_looks, verdict_of_one, verdict_of_two
from judge.table import Row, counted

PROCESSES, CALLS_PER_BLOCK, CALLS = 10, 10, 200
BETWEEN, WITHIN, CORRELATION = 0.02, 0.10, 0.5
SECONDS = 1e-4
RULES = parse_rules(["latency.p50 <= baseline"])

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator], Floats]


def independent(generator: np.random.Generator) -> Floats:
    """(process, call) normal noise of standard deviation `WITHIN`."""
    return generator.normal(0, WITHIN, (PROCESSES, CALLS))


def autocorrelated(generator: np.random.Generator) -> Floats:
    """(process, call) noise of standard deviation `WITHIN`, an autoregression of order 1."""
    shocks = generator.normal(0, WITHIN * np.sqrt(1 - CORRELATION**2), (PROCESSES, CALLS))
    noise = np.empty((PROCESSES, CALLS))
    noise[:, 0] = generator.normal(0, WITHIN, PROCESSES)
    for call in range(1, CALLS):
        noise[:, call] = CORRELATION * noise[:, call - 1] + shocks[:, call]
    return noise


def heavy(generator: np.random.Generator) -> Floats:
    """(process, call) noise from Student's t of 3 degrees, scaled to a standard deviation of `WITHIN`."""
    return generator.standard_t(3, (PROCESSES, CALLS)) * WITHIN / np.sqrt(3)


NOISES: dict[str, Noise] = {"independent": independent, "autocorrelated 0.5": autocorrelated, "heavy tails": heavy}


def rows(*, equal: int, slower: int) -> list[Row]:
    """How often `bench` says slower and a gate is red.

    Args:
        equal: Draws of equal files per kind of noise.
        slower: Draws of slower files per kind of noise.
    """
    found = []
    for name, noise in NOISES.items():
        for slowdown, draws in ((1.0, equal), (1.05, slower)):
            file = "equal files" if slowdown == 1 else "5 % slower"
            bar = "0 of 200" if slowdown == 1 else "at least 95 %"
            called = red = 0
            for seed in range(draws):
                taken, second = look(noise, slowdown, (seed, 1)), partial(look, noise, slowdown, (seed, 2))
                called += bench_verdict(taken, second) == "slower"
                red += gate_outcome(taken, second) == "failed"
            found.append(counted(f"bench: {file}, {name} noise, called slower", called, draws, bar))
            found.append(counted(f"gate `{RULES[0].text}`: {file}, {name} noise, red", red, draws, bar))
    return found


def look(noise: Noise, slowdown: float, seed: tuple[int, int]) -> Look:
    """One measurement."""
    generator = np.random.default_rng(seed)
    base, candidate, twin = (_samples(generator, noise, factor) for factor in (1.0, slowdown, 1.0))
    return Look(base=base, candidate=candidate, twin=twin, calls_per_block=CALLS_PER_BLOCK)


def bench_verdict(first: Look, second: Callable[[], Look]) -> str:
    """What `bench --against` says in the end; the second look is taken where it is asked for."""
    return (verdict_of_two(first, second()) if is_suspect(first) else verdict_of_one(first)).verdict


def gate_outcome(first: Look, second: Callable[[], Look]) -> str:
    """What a gate says in the end: timed as by `bench`, judged, and looked at twice where that was not done."""
    base, new = figures(first)
    if is_suspect(first):
        again = figures(second())
        base, new = _joined(base, again[0]), _joined(new, again[1])
    sides = (Side(sha256="base", measurements=base), Side(sha256="new", measurements=new))
    return judge_twice(RULES, sides, _verdict, lambda _: figures(second())).outcome


def figures(taken: Look) -> tuple[Figures, Figures]:
    """What a record holds of a look, of the base and of the candidate."""
    noise = taken.noise.ratio
    return (_measurement("base", taken.base, noise),), (_measurement("new", taken.candidate, noise),)


def _samples(generator: np.random.Generator, noise: Noise, factor: float) -> list[Floats]:
    shifts = generator.normal(0, BETWEEN, (PROCESSES, 1))
    return list(SECONDS * factor * np.exp(shifts + noise(generator)))


def _measurement(name: str, samples: list[Floats], noise: float) -> Measurement:
    return Measurement(
        metric="latency",
        artifact=name,
        target="host",
        unit="s",
        origin=Origin.HOST,
        samples=tuple(tuple(process) for process in samples),
        details={"calls_per_block": CALLS_PER_BLOCK, "session": "one", "noise": noise},
    )


def _joined(first: Figures, second: Figures) -> Figures:
    return tuple(joined_looks(*pair) for pair in zip(first, second, strict=True))


def _verdict(rules: tuple[Rule, ...], sides: Sides) -> Verdict:
    return judge(rules, Evidence(baseline=sides[0], candidate=sides[1]), today=date(2026, 1, 1))
