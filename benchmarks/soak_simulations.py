"""Do the verdicts of a soak hold their level, and find what is planted? Simulated, seeds fixed.

Each draw is what a soak gives: the medians of its windows waver by 2 %, and each is like the one before by so much
(autocorrelation); resident memory moves in pages. A planted slowdown sets in half-way, a planted leak goes on all the
time.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from places import RESULTS
from record import write_result

from edgeopt.judge.memory_growth import memory_growth
from edgeopt.judge.soak import early_late

NOISE, BASE_BYTES, PAGE = 0.02, 70_000_000, 4096
SPEED_CASES = (
    *((windows, memory, 0.0) for windows in (60, 600) for memory in (0.0, 0.8, 0.97)),
    (600, 0.8, 0.05),
    (600, 0.97, 0.10),
)
# (what, pages that come or go at random per window, bytes a second that leak)
MEMORY_CASES = (
    ("walks at random", 8, 0.0),
    ("wavers", 0, 0.0),
    ("leaks", 0, 1_000.0),
    ("leaks in a walk", 8, 50_000.0),
)


def main() -> None:
    """Simulate both verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="write docs/results/soak-simulations.md")
    options = parser.parse_args()
    rows = [
        *(_speed_row(*case, options.draws) for case in SPEED_CASES),
        *(_memory_row(*case, options.draws) for case in MEMORY_CASES),
    ]
    for row in rows:
        print(*row, sep=" | ")
    if options.write:
        write_result(
            RESULTS / "soak-simulations.md",
            title="The verdicts of a soak, simulated",
            about=" ".join((__doc__ or "").split("\n\n")[1].split()),
            header=("soak", "95 % interval covers the truth", "verdicts", "draws"),
            rows=rows,
        )


def _speed_row(windows: int, memory: float, slowdown: float, draws: int) -> tuple[str, ...]:
    """How often the interval covers the truth, and the verdicts."""
    covered, verdicts = 0, Counter[str]()
    for seed in range(draws):
        logs = _wavering(np.random.default_rng(seed), windows, memory)
        logs += np.log1p(slowdown) * (np.arange(windows) >= windows / 2)
        soak = early_late(np.exp(logs)[:, None].tolist())
        covered += soak.ci95[0] <= 1 / (1 + slowdown) <= soak.ci95[1]
        verdicts[soak.verdict] += 1
    planted = f", slower by {slowdown:.0%}" if slowdown else ""
    return (
        f"{windows} windows, noise alike by {memory}{planted}",
        f"{covered / draws:.1%}",
        _told(verdicts, draws),
        str(draws),
    )


def _memory_row(name: str, pages: int, leak: float, draws: int) -> tuple[str, ...]:
    verdicts = Counter[str]()
    ends = np.arange(1.0, 601.0)
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        walk = generator.integers(-pages, pages + 1, len(ends)).cumsum() * PAGE
        sizes = BASE_BYTES + walk + leak * ends + generator.normal(0, 4 * PAGE, len(ends))
        found = memory_growth(ends.tolist(), (sizes // PAGE * PAGE).astype(int).tolist())
        verdicts[found.verdict if found else "not told"] += 1
    planted = f", {leak:,.0f} B/s" if leak else ""
    return f"resident memory {name}{planted}", "", _told(verdicts, draws), str(draws)


def _wavering(generator: np.random.Generator, count: int, memory: float) -> np.ndarray:
    """(window,) noise of standard deviation NOISE, an autoregression of order 1."""
    shocks = generator.normal(0, NOISE * np.sqrt(1 - memory**2), count)
    noise = np.empty(count)
    noise[0] = generator.normal(0, NOISE)
    for index in range(1, count):
        noise[index] = memory * noise[index - 1] + shocks[index]
    return noise


def _told(verdicts: Counter[str], draws: int) -> str:
    return ", ".join(f"{name} {count / draws:.1%}" for name, count in verdicts.most_common())


if __name__ == "__main__":
    main()
