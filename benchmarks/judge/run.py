"""Do the verdicts hold their level, cover as often as they say, and find what is planted? Simulated, seeds fixed.

Latency: 10 processes x 20 blocks x 10 calls of a base, a candidate and the base's twin per look; a process shifts each
by 2 %, a call by 10 % on top; both looks and the pooled verdict, by the code that `bench` and `gate` run.
Accuracy: rules through `edgeopt.judge.gate.judge`, with predictions on both sides. Coverage: two-sided 95 % intervals.
Power: the numbers that `gate --plan` names, judged.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import RESULTS
from record import write_result

from judge import accuracy, coverage, latency, power
from judge.table import HEADER, Row

Draws = Callable[[int], int]
PARTS: dict[str, Callable[[Draws], list[Row]]] = {
    "latency": lambda draws: latency.rows(equal=draws(1000), slower=draws(500)),
    "accuracy": lambda draws: accuracy.rows(draws=draws(2000)),
    "coverage": lambda draws: coverage.rows(draws=draws(2000), drawn=draws(1000)),
    "power": lambda draws: power.rows(draws=draws(100_000), slow=draws(4000)),
}


def main() -> None:
    """Simulate, print, and write a page per part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--scale", type=float, default=1.0, help="draws as a multiple of the usual")
    parser.add_argument("--write", action="store_true", help="write docs/results/judge-PART.md")
    options = parser.parse_args()
    for name in options.part or PARTS:
        begun = time.monotonic()
        found = PARTS[name](lambda usual: max(10, round(usual * options.scale)))
        for row in found:
            print(" | ".join(row), flush=True)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if options.write:
            write_part(name, found)


def write_part(name: str, rows: list[Row]) -> None:
    """Write docs/results/judge-PART.md."""
    about = " ".join((__doc__ or "").split("\n\n", 1)[1].split())
    title = f"The verdicts, simulated: {name}"
    write_result(RESULTS / f"judge-{name}.md", title=title, about=about, header=HEADER, rows=rows)


if __name__ == "__main__":
    main()
