"""What the whole command costs: wall seconds and peak memory, beside the rivals' on the same samples."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from process import run_process

from edgeopt.core.dataset import Dataset
from edgeopt.steps.quantize.step import RangeOption
from peers.bars import cost_bar, growth_bar
from peers.cases import CIFAR, Case
from peers.tools import Edgeopt, Job, Tool
from peers.workshop import Workshop, error_line

HEADER = ("model", "samples", "command", "median s", "best s", "CPU s", "peak MB", "bar")
FEW, MANY = 200, 2000
# Budgets of the whole command with 200 samples: seconds and bytes.
BUDGETS = {
    "ic_resnet8": (1.0, 130e6),
    "digits_resnet8": (1.0, 130e6),
    "mobilenet_v2_050_32": (3.0, 220e6),
}
GROWTH = ("resnet20", "mobilenet_v2_050_32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of several runs of one command: wall seconds of each, the least processor seconds, the largest peak in bytes."""

    seconds: tuple[float, ...]
    cpu_seconds: float
    peak_bytes: int
    error: str = ""


def budget_rows(
    case: Case, ours: Edgeopt, rivals: Sequence[Tool], workshop: Workshop, *, repeats: int
) -> Iterator[tuple[str, ...]]:
    """200 samples: our defaults and each range estimator, then the rivals."""
    job = workshop.job(case, _enough(case, FEW))
    most_seconds, most_bytes = BUDGETS[case.name]
    ranges = [
        replace(ours, options=(*ours.options, "--range", name), name=f"edgeopt --range {name}")
        for name in get_args(RangeOption)
    ]
    for tool in (ours, *ranges, *rivals):
        cost = measure(tool, job, workshop, repeats=repeats if isinstance(tool, Edgeopt) else min(repeats, 2))
        bars = ""
        if isinstance(tool, Edgeopt) and not cost.error:
            held = cost_bar(
                statistics.median(cost.seconds), cost.peak_bytes, most_seconds=most_seconds, most_bytes=most_bytes
            )
            bars = "; ".join(map(str, held))
        yield _row(case, FEW, tool.name, cost, bars)


def growth_rows(case: Case, ours: Edgeopt, workshop: Workshop, *, repeats: int) -> Iterator[tuple[str, ...]]:
    """Peak memory at 200 and 2,000 samples, each in a file of its own, and drawn from one larger file."""
    few = measure(ours, workshop.job(case, _enough(case, FEW)), workshop, repeats=repeats)
    many = measure(ours, workshop.job(case, _enough(case, MANY)), workshop, repeats=repeats)
    yield from _pair(case, ours.name, few, many)
    if case.preprocess is CIFAR:
        costs = [_drawn(case, ours, count, workshop, repeats) for count in (FEW, MANY)]
        yield from _pair(case, f"{ours.name}, drawn from one file of uint8", *costs)


def measure(tool: Tool, job: Job, workshop: Workshop, *, repeats: int) -> Cost:
    """Run a tool's command several times; the first run, which warms the disk's cache, does not count in seconds."""
    if tool.missing:
        return Cost(seconds=(), cpu_seconds=0.0, peak_bytes=0, error=tool.missing)
    return _measured(tool.command(job, workshop.folder / "cost.onnx"), workshop, repeats)


def _measured(command: Sequence[str], workshop: Workshop, repeats: int) -> Cost:
    told = workshop.folder / "cost.txt"
    costs = []
    for _ in range(repeats + 1):
        cost = run_process(command, errors=told)
        if cost.exit_code != 0:
            line = error_line(told.read_text(encoding="utf-8", errors="replace"))
            return Cost(seconds=(), cpu_seconds=0.0, peak_bytes=0, error=line or f"exit code {cost.exit_code}")
        costs.append(cost)
    seconds = tuple(cost.wall_seconds for cost in costs[1:])
    return Cost(
        seconds=seconds,
        cpu_seconds=min(cost.cpu_seconds for cost in costs[1:]),
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


def _drawn(case: Case, ours: Edgeopt, count: int, workshop: Workshop, repeats: int) -> Cost:
    """The command as a user gives it: raw samples, preprocessed by options, `count` drawn."""
    job = Job(model=case.model, samples=case.data, count=count)
    recipe = case.preprocess
    mean, std = (",".join(map(str, values)) for values in (recipe.mean, recipe.std))
    options = ["--scale", str(recipe.scale), "--mean", mean, "--std", std, "--layout", "nhwc"]
    return _measured([*ours.command(job, workshop.folder / "cost.onnx"), *options], workshop, repeats)


def _enough(case: Case, count: int) -> Dataset:
    """`count` samples; those of a case that has fewer are repeated, which costs as much as others would."""
    data = case.dataset()
    return data.rows(np.resize(np.arange(len(data)), count))


def _pair(case: Case, name: str, few: Cost, many: Cost) -> Iterator[tuple[str, ...]]:
    bar = "" if few.error or many.error else str(growth_bar(few.peak_bytes, many.peak_bytes))
    yield _row(case, FEW, name, few, "")
    yield _row(case, MANY, name, many, bar)


def _row(case: Case, count: int, name: str, cost: Cost, bar: str) -> tuple[str, ...]:
    if cost.error:
        return (case.name, f"{count:,}", name, "", "", "", "", f"failed: {cost.error}")
    return (
        case.name,
        f"{count:,}",
        name,
        f"{statistics.median(cost.seconds):.2f}",
        f"{min(cost.seconds):.2f}",
        f"{cost.cpu_seconds:.2f}",
        f"{cost.peak_bytes / 1e6:.0f}",
        bar,
    )
