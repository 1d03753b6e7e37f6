"""Does the latency verdict hold its level, cover as often as it says, and find what is planted? Simulated, seeds fixed.

Each draw is what `bench --against` takes by default: 10 processes x 20 blocks x 10 calls of both models. A process
shifts each model by 2 %, a call by 10 % on top, with the noise of neighbouring calls correlated by 0.5.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from places import RESULTS
from record import write_result

from edgeopt.judge.latency import LatencyComparison, compare_latency

PROCESSES, CALLS_PER_BLOCK, CALLS = 10, 10, 200
BETWEEN, WITHIN, CORRELATION = 0.02, 0.10, 0.5


def main() -> None:
    """Simulate files that are equal and files that are 5 % slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="write docs/results/judge-simulations.md")
    options = parser.parse_args()
    rows = []
    for name, slowdown in (("equal", 1.0), ("5 % slower", 1.05)):
        looks = [_compared(slowdown, seed) for seed in range(options.draws)]
        covered = sum(look.ci95[0] <= 1 / slowdown <= look.ci95[1] for look in looks)
        slower = sum(look.verdict == "slower" for look in looks)
        rows.append((name, f"{covered / len(looks):.1%}", f"{slower / len(looks):.1%}", str(len(looks))))
        print(*rows[-1])
    if options.write:
        write_result(
            RESULTS / "judge-simulations.md",
            title="The latency verdict, simulated",
            about=" ".join((__doc__ or "").split("\n\n")[1].split()),
            header=("candidate", "95 % interval covers the truth", "one look says slower", "draws"),
            rows=rows,
        )


def _compared(slowdown: float, seed: int) -> LatencyComparison:
    generator = np.random.default_rng(seed)
    base, candidate = _samples(generator, 1e-4), _samples(generator, 1e-4 * slowdown)
    return compare_latency(base, candidate, calls_per_block=CALLS_PER_BLOCK)


def _samples(generator: np.random.Generator, seconds: float) -> list[list[float]]:
    shifts = generator.normal(0, BETWEEN, PROCESSES)
    return [(seconds * np.exp(shift + _autocorrelated(generator))).tolist() for shift in shifts]


def _autocorrelated(generator: np.random.Generator) -> NDArray[np.float64]:
    """(call,) noise of variance WITHIN**2, an autoregression of order 1."""
    shocks = generator.normal(0, WITHIN * np.sqrt(1 - CORRELATION**2), CALLS)
    noise = np.empty(CALLS)
    noise[0] = generator.normal(0, WITHIN)
    for index in range(1, CALLS):
        noise[index] = CORRELATION * noise[index - 1] + shocks[index]
    return noise


if __name__ == "__main__":
    main()
