"""Sustained speed of one model: `edgeopt bench --soak` for real, its windows summed up in twentieths of the time."""

from __future__ import annotations

import argparse
import json
import subprocess
from itertools import pairwise
from statistics import median
from typing import Any

from places import DIGITS, EDGEOPT, IC, RESULTS
from record import write_result

from edgeopt.report.soak import sparkline
from edgeopt.units import format_bytes, format_seconds

_PARTS = 20


def main() -> None:
    """Soak and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak", default="10min", help="how long (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/results/soak.md")
    options = parser.parse_args()
    model = (IC if IC.model.exists() else DIGITS).model
    command = [EDGEOPT, "bench", str(model), "--soak", options.soak, "--json", "--quiet", "--no-record"]
    record = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    row = record["runs"][0]
    about = _about(model.name, options.soak, row, record["warnings"])
    rows = _rows(row["soak"]["windows"])
    print("\n".join(about), *(" | ".join(cells) for cells in rows), sep="\n")
    if options.write:
        write_result(
            RESULTS / "soak.md",
            title="Sustained speed with `bench --soak`",
            about="\n\n".join(about),
            header=("until", "median per call", "preemptions a second", "clock", "temperature", "resident memory"),
            rows=rows,
        )


def _about(name: str, asked: str, row: dict[str, Any], warnings: list[str]) -> list[str]:
    """What was done, the verdicts with their figures, and the warnings."""
    soak, latency = row["soak"], row["latency"]
    low, high = soak["ci95"]
    growth = soak["memory_growth"]
    return [
        f"`edgeopt bench {name} --soak {asked} --json`, one thread: {len(soak['windows'])} windows in "
        f"{soak['seconds']:.0f} s. The machine was a virtual one and shared: other work ran on its cores all the time, "
        "and the figures include it. They show that the measurement works, not what the chip can do.",
        f"Speed: **{soak['verdict']}**; {soak['text']}.",
        f"First third {format_seconds(soak['early'])}, last third {format_seconds(soak['late'])}, early over late "
        f"{soak['ratio']:.3f} (95 %: {low:.3f} to {high:.3f}); the ordinary measurement just before took "
        f"{format_seconds(latency['p50'])} (p50). Over time: `{sparkline(soak['windows'])}`",
        f"Memory: **{growth['verdict']}**; {growth['text']}." if growth else "Memory: the system does not tell it.",
        "Warnings of the command:",
        "\n".join(f"- {text}" for text in warnings) or "- none",
    ]


def _rows(windows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    cuts = [part * len(windows) // _PARTS for part in range(_PARTS + 1)]
    begins = [windows[cut - 1]["end"] if cut else 0.0 for cut in cuts[:-1]]
    return [_row(windows[low:high], begin) for (low, high), begin in zip(pairwise(cuts), begins, strict=True)]


def _row(windows: list[dict[str, Any]], begin: float) -> tuple[str, ...]:
    """The cells of some windows that follow each other, the first of which began at `begin` seconds."""
    last = windows[-1]
    lost = [window["preemptions"] for window in windows if window["preemptions"] is not None]
    return (
        f"{last['end']:.0f} s",
        format_seconds(median(median(window["samples"]) for window in windows)),
        f"{sum(lost) / (last['end'] - begin):.0f}" if lost else "not told",
        f"{last['clock_hz'] / 1e9:.2f} GHz" if last["clock_hz"] else "not told",
        f"{last['celsius']:.0f} °C" if last["celsius"] is not None else "not told",
        format_bytes(last["resident_bytes"]) if last["resident_bytes"] is not None else "not told",
    )


if __name__ == "__main__":
    main()
