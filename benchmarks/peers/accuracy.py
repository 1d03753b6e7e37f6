"""Accuracy, flips and signal to noise of every tool on the same calibration samples, over several draws of these."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgeopt.judge.compare import AccuracyComparison, compare_predictions
from edgeopt.judge.intervals import mcnemar_drop_p
from edgeopt.judge.predictions import Predictions, signal_to_noise_db
from peers.bars import Bar, best_rival, drop_bar, flips_bar, sqnr_bar
from peers.cases import Case
from peers.tools import Tool
from peers.workshop import Workshop

HEADER = ("model", "tool", "top-1", "drop", "flips per draw", "SQNR", "s", "MB", "p against", "bar")


@dataclass(slots=True)
class Outcome:
    """What one tool gave, a list entry per draw; `error` ends it."""

    tool: str
    sqnr_db: list[float] = field(default_factory=list)
    compared: list[AccuracyComparison] = field(default_factory=list)
    predictions: list[Predictions] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    error: str = ""


def rows(
    case: Case, ours: Tool, rivals: Sequence[Tool], workshop: Workshop, *, draws: int
) -> Iterator[tuple[str, ...]]:
    """The table's rows of one case, our own first."""
    outcomes = [Outcome(tool.name) for tool in (ours, *rivals)]
    for draw in range(min(draws, case.most_draws)):
        split = case.split(draw)
        job = workshop.job(case, split.calibration)
        base = workshop.predictions(case.artifact(), split.judged)
        if isinstance(base, str):
            yield _row(case, Outcome("the float model", error=base), "", "")
            return
        for tool, outcome in zip((ours, *rivals), outcomes, strict=True):
            made = workshop.make(tool, job)
            said = workshop.judged(made, split.judged)
            if isinstance(said, str):
                outcome.error = outcome.error or said
                continue
            outcome.seconds.append(made.seconds)
            outcome.peak_bytes = max(outcome.peak_bytes, made.peak_bytes)
            outcome.sqnr_db.append(signal_to_noise_db(base.scores, said.scores))
            outcome.predictions.append(said)
            if case.is_trained:
                outcome.compared.append(compare_predictions(base, said))
    mine, *others = outcomes
    usable = [outcome for outcome in others if not outcome.error]
    bars = "" if mine.error or not usable else "; ".join(map(str, held_bars(mine, usable)))
    yield _row(case, mine, "", bars)
    for other in others:
        yield _row(case, other, _p_text(mine, other), "")


def held_bars(mine: Outcome, rivals: Sequence[Outcome]) -> list[Bar]:
    """Each bar against the rival that is best at it."""
    bars = [sqnr_bar(mine.sqnr_db, {rival.tool: rival.sqnr_db for rival in rivals})]
    if not mine.compared:
        return bars
    flips = {rival.tool: flips_of(rival) for rival in rivals}
    drops = {rival.tool: [compared.difference or 0.0 for compared in rival.compared] for rival in rivals}
    best = best_rival(drops, is_larger_better=True)
    against = next(rival for rival in rivals if rival.tool == best)
    return [flips_bar(flips_of(mine), flips), drop_bar(p_values(mine, against), best), *bars]


def flips_of(outcome: Outcome) -> list[float]:
    """Flips of each draw."""
    return [float(compared.flips or 0) for compared in outcome.compared]


def p_values(mine: Outcome, rival: Outcome) -> list[float]:
    """Per draw, one-sided mid-p that edgeopt hits no fewer of the same samples than the rival."""
    found = []
    for before, after in zip(rival.predictions, mine.predictions, strict=True):
        compared = compare_predictions(before, after)
        found.append(mcnemar_drop_p(compared.losses or 0, compared.gains or 0))
    return found


def _p_text(mine: Outcome, rival: Outcome) -> str:
    if mine.error or rival.error or not mine.compared:
        return ""
    return ", ".join(f"{p:.2f}" for p in p_values(mine, rival))


def _row(case: Case, outcome: Outcome, p: str, bars: str) -> tuple[str, ...]:
    if outcome.error:
        return (case.name, outcome.tool, *[""] * (len(HEADER) - 3), f"failed: {outcome.error}")
    accuracy = [compared.candidate or 0.0 for compared in outcome.compared]
    drops = [100 * (compared.difference or 0.0) for compared in outcome.compared]
    return (
        case.name,
        outcome.tool,
        f"{statistics.fmean(accuracy):.2%}" if accuracy else "",
        f"{statistics.fmean(drops):+.2f} pt" if drops else "",
        ", ".join(f"{flips:.0f}" for flips in flips_of(outcome)),
        decibels_text(outcome.sqnr_db),
        f"{statistics.median(outcome.seconds):.2f}",
        f"{outcome.peak_bytes / 1e6:.0f}",
        p,
        bars,
    )


def decibels_text(values: Sequence[float]) -> str:
    """Mean, and least and most of several draws."""
    mean = f"{statistics.fmean(values):.2f} dB"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f} to {max(values):.1f})"
