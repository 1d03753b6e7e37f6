"""How often the two-sided 95 % intervals hold the truth: shares, heavy tails, and data that depend on each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeopt.judge.intervals import CONFIDENCE, Interval, tango_interval, wilson_interval
from edgeopt.judge.means import mean_bounds
from edgeopt.judge.statistics import share_bounds
from judge import latency
from judge.table import Row, counted

SIZES = (200, 1000, 5000)
BAR = "93 to 97 %"
CLUSTER = 10
Case = Callable[[np.random.Generator, int], tuple[Interval, float]]


def rows(*, draws: int, drawn: int) -> list[Row]:
    """Coverage on every kind of data.

    Args:
        draws: Of intervals that are computed.
        drawn: Of intervals that are bootstrapped.
    """
    found = []
    for name, (case, is_drawn) in CASES.items():
        for n in SIZES:
            count = drawn if is_drawn else draws
            found.append(counted(f"{name}, n = {n:,}", sum(covers(case, n, seed) for seed in range(count)), count, BAR))
    for name, noise in latency.NOISES.items():
        hits = 0
        for seed in range(drawn):
            low, high = latency.look(noise, 1.05, (seed, 3)).compared().ci95
            hits += low <= 1 / 1.05 <= high
        found.append(counted(f"ratio of latencies, 10 processes, {name} noise", hits, drawn, BAR))
    return found


def covers(case: Case, n: int, seed: int) -> bool:
    """Whether the interval of one draw holds the truth."""
    (low, high), truth = case(np.random.default_rng((seed, n)), n)
    return low <= truth <= high


def _wilson(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    return wilson_interval(int(generator.binomial(n, 0.9)), n), 0.9


def _tango(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    losses, gains, _ = generator.multinomial(n, (0.035, 0.015, 0.95))
    return tango_interval(int(losses), int(gains), n), -0.02


def _heavy_differences(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    return mean_bounds(generator.standard_t(3, n), seed=0)(CONFIDENCE), 0.0


def _log_normal_errors(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    return mean_bounds(generator.lognormal(0, 1, n), seed=0)(CONFIDENCE), float(np.exp(0.5))


def _clustered_differences(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    clusters = np.arange(n) // CLUSTER
    values = generator.normal(0, 1, n // CLUSTER)[clusters] + generator.normal(0, 1, n)
    return mean_bounds(values, seed=0, clusters=clusters)(CONFIDENCE), 0.0


def _clustered_hits(generator: np.random.Generator, n: int) -> tuple[Interval, float]:
    clusters = np.arange(n) // CLUSTER
    # Beta(9 · 2, 2) of a cluster: mean 0.9, correlation within 1 / 21.
    shares = generator.beta(18, 2, n // CLUSTER)[clusters]
    return share_bounds(generator.random(n) < shares, seed=0, clusters=clusters)(CONFIDENCE), 0.9


CASES: dict[str, tuple[Case, bool]] = {
    "share of hits 0.9, Wilson": (_wilson, False),
    "paired difference of hits, churn 5 %, 2 pt lost, Tango": (_tango, False),
    "mean of paired differences, Student's t of 3 degrees": (_heavy_differences, True),
    "mean of log-normal errors": (_log_normal_errors, True),
    "mean of differences in clusters of 10, correlation 0.5": (_clustered_differences, True),
    "share of hits in clusters of 10, correlation 0.05": (_clustered_hits, True),
}
