"""The planted failure (benchmarks/planted.py) with per-tensor weights for every tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from planted import plant

from edgeopt.judge.predictions import count_flips, signal_to_noise_db
from peers.bars import planted_bar
from peers.cases import Case
from peers.tools import Tool
from peers.workshop import Workshop

HEADER = ("model", "spread", "tool", "SQNR", "flips", "bar")
SPREADS = (1, 4, 16)


def rows(case: Case, ours: Tool, rivals: Sequence[Tool], workshop: Workshop) -> Iterator[tuple[str, ...]]:
    """The table's rows: unplanted first, then each spread. SQNR is against the float model as planted."""
    for spread in SPREADS:
        path = workshop.folder / f"{case.name}-spread-{spread}.onnx"
        plant(case.model, path, spread=spread)
        planted = replace(case, model=path)
        split = planted.split(0)
        base = workshop.predictions(planted.artifact(), split.judged)
        job = workshop.job(planted, split.calibration, is_per_channel=False)
        for tool in (ours, *rivals):
            said = workshop.judged(workshop.make(tool, job), split.judged)
            if isinstance(said, str):
                yield (case.name, str(spread), tool.name, "", "", f"failed: {said}")
                continue
            decibels = signal_to_noise_db(base.scores, said.scores)
            bar = str(planted_bar(decibels)) if tool is ours and spread > 1 else ""
            yield (case.name, str(spread), tool.name, f"{decibels:.2f} dB", str(count_flips(base, said)), bar)
