"""A/A: how often `bench --against` of a file with itself cries wolf, and how wide its intervals are.

Each repeat is the whole measurement that the command makes, fresh processes, second look and all. Bars: none of 200
says slower, at most 1 in 100 says faster, and the half-width of the interval is at most 5 % in 90 of 100.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from places import DIGITS, RESULTS, cases
from record import write_result

from edgeopt.workflow.bench import bench


def main() -> None:
    """Repeat the comparison and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100, help="comparisons in all (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/results/noise.md")
    options = parser.parse_args()
    models = [case.model for case in cases()] or [DIGITS.model]
    comparisons = []
    for repeat in range(options.repeats):
        model = models[repeat % len(models)]
        comparison = bench(model, against=model, seed=repeat).comparisons[0]
        comparisons.append(comparison)
        low, high = comparison.ci95
        print(
            f"{repeat + 1:4d} {model.name:24s} {comparison.ratio:.4f} [{low:.4f}, {high:.4f}] {comparison.verdict}",
            flush=True,
        )
    rows = _summary(comparisons)
    for name, value, bar in rows:
        print(f"{name}: {value} (bar: {bar})")
    if options.write:
        write_result(
            RESULTS / "noise.md",
            title="A/A noise of `bench --against`",
            about="A file compared with itself, " + ", ".join(model.name for model in models) + " by turns.",
            header=("figure", "measured", "bar"),
            rows=rows,
        )
    sys.exit(0)


def _summary(comparisons: list) -> list[tuple[str, str, str]]:
    count = len(comparisons)
    verdicts = [comparison.verdict for comparison in comparisons]
    slower, faster, undecided = (verdicts.count(verdict) for verdict in ("slower", "faster", "undecided"))
    half_widths = [(comparison.ci95[1] - comparison.ci95[0]) / 2 for comparison in comparisons]
    narrow = sum(width <= 0.05 for width in half_widths)
    excluding = sum(not comparison.ci95[0] <= 1 <= comparison.ci95[1] for comparison in comparisons)
    furthest = max(abs(comparison.ratio - 1) for comparison in comparisons)
    return [
        ("says slower", f"{slower} of {count}", "none of 200"),
        ("says faster", f"{faster} of {count}", "at most 1 of 100"),
        ("half-width of the interval at most 5 %", f"{narrow} of {count}", "at least 90 of 100"),
        ("says undecided", f"{undecided} of {count}", "none"),
        ("interval excludes 1", f"{excluding} of {count}", "none; 5 of 100 is nominal"),
        ("median half-width", f"{statistics.median(half_widths):.2%}", "none"),
        ("furthest ratio from 1", f"{furthest:.2%}", "none"),
    ]


if __name__ == "__main__":
    main()
