"""Speed of every tool's model over the float one, and of ours over the best rival's: one thread, by turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

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
    made = [workshop.make(tool, job) for tool in (ours, careful, *rivals)]
    for failed in made:
        if failed.error:
            yield (case.name, failed.tool, "", "", "", f"failed: {failed.error}")
    usable = [entry for entry in made if not entry.error]
    over_float = dict(_timed(usable, case.model, processes))
    others = [entry for entry in usable if not entry.tool.startswith(ours.name)]
    over_rivals = {}
    if ours.name in over_float:
        mine = next(entry for entry in usable if entry.tool == ours.name)
        over_rivals = {
            entry.tool: bench(mine.path, against=entry.path, processes=processes).comparisons[0]
            for entry in _fastest(others, over_float)
        }
    best = min(over_rivals, key=lambda name: over_rivals[name].ratio, default="")
    for entry in usable:
        compared, against = over_float[entry.tool], over_rivals.get(entry.tool)
        bar = ""
        if entry.tool == ours.name and best:
            bar = str(speed_bar(over_rivals[best].ratio, best))
        if entry.tool == careful.name:
            is_float = model_artifact(Path(entry.path)).sha256 == case.artifact().sha256
            bar = str(float_bar(compared.ratio, compared.ci95, is_float=is_float))
        yield (
            case.name,
            entry.tool,
            _ratio_text(compared),
            _ratio_text(against) if against else "",
            f"{Path(entry.path).stat().st_size:,}",
            bar,
        )


def _timed(made: Sequence[Made], base: Path, processes: int) -> Iterator[tuple[str, LatencyComparison]]:
    """Each tool's model over `base`, all in the same processes."""
    result = bench(*(entry.path for entry in made), against=base, processes=processes)
    return zip((entry.tool for entry in made), result.comparisons, strict=True)


def _fastest(rivals: Sequence[Made], over_float: dict[str, LatencyComparison]) -> list[Made]:
    """The fastest rival, and those too near to it to be told apart; these are worth a comparison of their own."""
    if not rivals:
        return []
    most = max(over_float[entry.tool].ratio for entry in rivals)
    return [entry for entry in rivals if over_float[entry.tool].ratio >= 0.97 * most]


def _ratio_text(compared: LatencyComparison) -> str:
    return f"{compared.ratio:.2f}x ({compared.ci95[0]:.2f} to {compared.ci95[1]:.2f})"
