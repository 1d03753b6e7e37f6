"""The planted failure (benchmarks/planted.py) with per-tensor weights for every tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from planted import plant

from edgeopt.judge.predictions import count_flips, signal_to_noise_db
from peers.accuracy import decibels_text
from peers.bars import planted_bar
from peers.cases import Case
from peers.tools import Tool
from peers.workshop import Workshop

HEADER = ("model", "spread", "tool", "SQNR", "flips per plant", "bar")
SPREADS = (1, 4, 16)


def rows(
    case: Case, ours: Tool, rivals: Sequence[Tool], workshop: Workshop, *, plants: int
) -> Iterator[tuple[str, ...]]:
    """The table's rows: unplanted first, then each spread, over several plants; SQNR is against the planted model."""
    for spread in SPREADS:
        seeds = range(plants if spread > 1 else 1)
        models = [_planted(case, spread, seed, workshop.folder) for seed in seeds]
        for tool in (ours, *rivals):
            found = [_judged(tool, model, workshop) for model in models]
            errors = [one for one in found if isinstance(one, str)]
            if errors:
                yield (case.name, str(spread), tool.name, "", "", f"failed: {errors[0]}")
                continue
            decibels = [one[0] for one in found]
            # The mean would forgive one plant that is not repaired.
            bar = str(planted_bar(min(decibels))) if tool is ours and spread > 1 else ""
            flips = ", ".join(str(one[1]) for one in found)
            yield (case.name, str(spread), tool.name, decibels_text(decibels), flips, bar)


def _planted(case: Case, spread: int, seed: int, folder: Path) -> Case:
    import onnx

    path = folder / f"{case.name}-spread-{spread}-{seed}.onnx"
    onnx.save(plant(onnx.load(case.model), spread, seed), path)
    return replace(case, model=path)


def _judged(tool: Tool, case: Case, workshop: Workshop) -> tuple[float, int] | str:
    """Signal to noise in dB and flips, or the error."""
    split = case.split(0)
    base = workshop.predictions(case.artifact(), split.judged)
    if isinstance(base, str):
        return f"the float model: {base}"
    job = workshop.job(case, split.calibration, is_per_channel=False)
    said = workshop.judged(workshop.make(tool, job), split.judged)
    return said if isinstance(said, str) else (signal_to_noise_db(base.scores, said.scores), count_flips(base, said))
