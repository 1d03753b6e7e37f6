"""Sustained speed of one model: `bench --soak` for real, its windows summed up in twentieths of the time."""

from __future__ import annotations

import argparse
import statistics
from itertools import pairwise

from places import DIGITS, IC, RESULTS
from record import write_result

from edgeopt.measure.windows import Window
from edgeopt.units import format_bytes, format_seconds
from edgeopt.workflow.bench import bench

_PARTS = 20


def main() -> None:
    """Soak and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak", default="5min", help="how long (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/results/soak.md")
    options = parser.parse_args()
    model = (IC if IC.model.exists() else DIGITS).model
    result = bench(model, soak=options.soak)
    run = result.rows[0].soak
    if run is None:
        raise SystemExit("nothing was soaked")
    soak, growth = run.soak, run.growth
    about = [
        f"`edgeopt bench {model.name} --soak {options.soak}`: {len(run.windows)} windows, one thread. The machine was "
        "a virtual one, shared with other work, which the figures include; they show that the measurement works, not "
        "what the chip can do.",
        f"Verdict: **{soak.verdict}**; {soak.text}. First third {format_seconds(soak.early)}, last third "
        f"{format_seconds(soak.late)}, early over late {soak.ratio:.4f} (95 %: {soak.ci95[0]:.4f} "
        f"to {soak.ci95[1]:.4f}).",
        f"Memory: **{growth.verdict}**; {growth.text}." if growth else "Memory: the system does not tell it.",
        "Warnings: " + ("; ".join(result.warnings) or "none") + ".",
    ]
    cuts = [part * len(run.windows) // _PARTS for part in range(_PARTS + 1)]
    begins = [run.windows[cut - 1].end if cut else 0.0 for cut in cuts[:-1]]
    rows = [_row(run.windows[low:high], begin) for (low, high), begin in zip(pairwise(cuts), begins, strict=True)]
    print("\n".join(about), *(" | ".join(row) for row in rows), sep="\n")
    if options.write:
        header = ("until", "median per call", "preemptions a second", "clock", "temperature", "resident memory")
        write_result(
            RESULTS / "soak.md",
            title="Sustained speed with `bench --soak`",
            about="\n\n".join(about),
            header=header,
            rows=rows,
        )


def _row(windows: tuple[Window, ...], begin: float) -> tuple[str, ...]:
    """The cells of some windows that follow each other, the first of which began at `begin` seconds."""
    last = windows[-1]
    median = statistics.median(statistics.median(window.samples) for window in windows)
    lost = [window.preemptions for window in windows if window.preemptions is not None]
    return (
        f"{last.end:.0f} s",
        format_seconds(median),
        f"{sum(lost) / (last.end - begin):.1f}" if lost else "not told",
        f"{last.clock_hz / 1e9:.2f} GHz" if last.clock_hz else "not told",
        f"{last.celsius:.0f} °C" if last.celsius is not None else "not told",
        format_bytes(last.resident_bytes) if last.resident_bytes is not None else "not told",
    )


if __name__ == "__main__":
    main()
