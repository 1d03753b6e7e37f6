"""Do the verdicts hold their level, cover as often as they say, and find what is planted? Simulated, seeds fixed.

Latency: 10 processes x 20 blocks x 10 calls of a base, a candidate and the base's twin per look; a process shifts each
by 2 %, a call by 10 % on top; both looks and the pooled verdict, by the code that `bench` and `gate` run.
Accuracy: rules through `edgeopt.judge.gate.judge`, with predictions on both sides. Coverage: two-sided 95 % intervals.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import RESULTS
from record import write_result

from judge import accuracy, coverage, latency
from judge.table import HEADER


def main() -> None:
    """Simulate, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="draws as a multiple of the usual")
    parser.add_argument("--write", action="store_true", help="write docs/results/judge-simulations.md")
    options = parser.parse_args()

    def draws(usual: int) -> int:
        return max(10, round(usual * options.scale))

    found = []
    for part in (
        lambda: latency.rows(equal=draws(1000), slower=draws(500)),
        lambda: accuracy.rows(draws=draws(2000)),
        lambda: coverage.rows(draws=draws(2000), drawn=draws(1000)),
    ):
        begun = time.monotonic()
        rows = part()
        for row in rows:
            print(" | ".join(row), flush=True)
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        found += rows
    if options.write:
        write_result(
            RESULTS / "judge-simulations.md",
            title="The verdicts, simulated",
            about=" ".join((__doc__ or "").split("\n\n", 1)[1].split()),
            header=HEADER,
            rows=found,
        )


if __name__ == "__main__":
    main()
