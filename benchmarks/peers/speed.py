"""Speed of every tool's model over the float one, and of ours over the best rival's: one thread, by turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeopt.judge.latency import LatencyComparison
from edgeopt.workflow.bench import bench
from edgeopt.workflow.inputs import model_artifact
from peers.bars import float_bar, speed_bar
from peers.cases import Case
from peers.tools import Edgeopt, Tool
from peers.workshop import Made, Workshop

HEADER = ("model", "tool", "over fp32", "edgeopt over it", "bytes", "bar")


def rows(
    case: Case, ours: Edgeopt, rivals: Sequence[Tool], workshop: Workshop, *, processes: int
) -> Iterator[tuple[str, ...]]:
    """The table's rows of one case: ours, ours with `--prefer latency`, the rivals."""
    job = workshop.job(case, case.split(0).calibration)
    careful = Edgeopt(options=(*ours.options, "--prefer", "latency"), name="edgeopt --prefer latency")
    usable = {}
    for made in [workshop.make(tool, job) for tool in (ours, careful, *rivals)]:
        said = workshop.judged(made, case.dataset().rows(np.arange(2)))
        if isinstance(said, str):
            yield (case.name, made.tool, "", "", "", f"failed: {said}")
        else:
            usable[made.tool] = made
    if not usable:
        return
    over_float = dict(_timed(list(usable.values()), case.model, processes))
    over_rivals = {}
    if mine := usable.get(ours.name):
        nearest = _fastest([rival.name for rival in rivals if rival.name in usable], over_float)
        over_rivals = {name: _compared(mine, usable[name], processes) for name in nearest}
    bars = {}
    if over_rivals:
        best = min(over_rivals, key=lambda rival: over_rivals[rival].ratio)
        bars[ours.name] = str(speed_bar(over_rivals[best].ratio, best))
    if careful.name in usable:
        bars[careful.name] = _careful_bar(case, usable[careful.name], over_float[careful.name])
    for name, made in usable.items():
        yield (
            case.name,
            name,
            _ratio_text(over_float[name]),
            _ratio_text(over_rivals[name]) if name in over_rivals else "",
            f"{Path(made.path).stat().st_size:,}",
            bars.get(name, ""),
        )


def _careful_bar(case: Case, made: Made, compared: LatencyComparison) -> str:
    is_float = model_artifact(Path(made.path)).sha256 == case.artifact().sha256
    return str(float_bar(compared.ratio, compared.ci95, is_float=is_float))


def _compared(mine: Made, rival: Made, processes: int) -> LatencyComparison:
    """Ours over a rival's model, these two alone by turns."""
    return bench(mine.path, against=rival.path, processes=processes).comparisons[0]


def _timed(made: Sequence[Made], base: Path, processes: int) -> Iterator[tuple[str, LatencyComparison]]:
    """Each tool's model over `base`, all in the same processes."""
    result = bench(*(entry.path for entry in made), against=base, processes=processes)
    return zip((entry.tool for entry in made), result.comparisons, strict=True)


def _fastest(rivals: Sequence[str], over_float: dict[str, LatencyComparison]) -> list[str]:
    """The fastest rival, and those too near to it to be told apart; these are worth a comparison of their own."""
    most = max((over_float[name].ratio for name in rivals), default=0.0)
    return [name for name in rivals if over_float[name].ratio >= 0.97 * most]


def _ratio_text(compared: LatencyComparison) -> str:
    return f"{compared.ratio:.2f}x ({compared.ci95[0]:.2f} to {compared.ci95[1]:.2f})"
