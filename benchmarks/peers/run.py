"""edgeopt beside its rivals: same models, same calibration samples, same runtime, one process tree.

    python benchmarks/peers/run.py {accuracy,planted,speed,cost,all} --nets FOLDER [--keep FOLDER] [--only NAME …]

FOLDER of `--nets` holds what models_for_quantization.py writes; networks that it lacks are exported, which needs torch.
`--keep` keeps the rivals' models and all predictions, so that a rerun runs edgeopt alone.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import RESULTS
from record import write_result

from peers import accuracy, cost, planted_failure, speed
from peers.cases import Case, cases_in, present
from peers.tools import RIVALS, Edgeopt, Tool
from peers.workshop import Workshop

SPEED_CASES = ("digits_resnet8", "mobilenet_v2_050_32", "resnet18_224", "mobilenet_v2_100_224", "transformer_4x256_128")
# Ranges change no kernel, so one way to take them stands for all of ONNX Runtime's.
SPEED_RIVALS = ("onnxruntime MinMax U8S8", "onnxruntime MinMax S8S8", "nncf")
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One table.

    Attributes:
        title: Of its page.
        about: Of its page.
        header: Of its table.
        cases: Names of those that it is about; None for all.
        rows: Rows of one case.
    """

    title: str
    about: str
    header: Sequence[str]
    cases: Sequence[str] | None
    rows: Callable[[Case, argparse.Namespace, Workshop], Iterable[Row]]


def main() -> int:
    """Run the parts asked for; 1 where a bar is missed."""
    options = _options()
    options.nets = options.nets.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        workshop = Workshop(folder.resolve())
        names = list(PARTS) if options.part == "all" else [options.part]
        return max(_run(name, options, workshop) for name in names)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--nets", type=Path, required=True, help="folder of the exported networks")
    parser.add_argument("--keep", type=Path, help="folder for rivals' models and predictions, kept between runs")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these networks")
    parser.add_argument("--tools", nargs="+", metavar="WORD", help="only rivals whose name holds one of these words")
    parser.add_argument("--draws", type=int, default=3, help="of calibration samples, and plants (default: 3)")
    parser.add_argument("--processes", type=int, default=16, help="to time in (default: 16)")
    parser.add_argument("--repeats", type=int, default=5, help="of a command whose cost is measured (default: 5)")
    parser.add_argument("--options", default="", help="more options for edgeopt, in one string")
    parser.add_argument("--write", action="store_true", help="write docs/results/peers-PART.md")
    options = parser.parse_args()
    if options.write and (options.only or options.tools or options.options):
        parser.error("--write is for whole tables: leave out --only, --tools and --options")
    unknown = set(options.only or ()) - cases_in(options.nets).keys()
    if unknown:
        parser.error(f"--only: no network `{min(unknown)}`; there are {', '.join(cases_in(options.nets))}")
    return options


def _run(name: str, options: argparse.Namespace, workshop: Workshop) -> int:
    """Print a part's rows as they come, and write its page; 1 where a bar is missed."""
    part = PARTS[name]
    everything = cases_in(options.nets)
    wanted = [case for case in part.cases or everything if case in (options.only or everything)]
    rows: list[Row] = []
    print(*part.header, sep=" | ", flush=True)
    for case in present([everything[case] for case in wanted], options.nets):
        for row in part.rows(case, options, workshop):
            rows.append(row)
            print(*row, sep=" | ", flush=True)
    if options.write:
        write_result(RESULTS / f"peers-{name}.md", title=part.title, about=part.about, header=part.header, rows=rows)
    return int(any("MISSED" in row[-1] for row in rows))


def _ours(options: argparse.Namespace) -> Edgeopt:
    return Edgeopt(options=tuple(shlex.split(options.options)))


def _rivals(options: argparse.Namespace) -> list[Tool]:
    return [tool for tool in RIVALS if not options.tools or any(word in tool.name for word in options.tools)]


def _accuracy(case: Case, options: argparse.Namespace, workshop: Workshop) -> Iterator[Row]:
    return accuracy.rows(case, _ours(options), _rivals(options), workshop, draws=options.draws)


def _planted(case: Case, options: argparse.Namespace, workshop: Workshop) -> Iterator[Row]:
    return planted_failure.rows(case, _ours(options), _rivals(options), workshop, plants=options.draws)


def _speed(case: Case, options: argparse.Namespace, workshop: Workshop) -> Iterator[Row]:
    rivals = [tool for tool in _rivals(options) if tool.name in SPEED_RIVALS]
    return speed.rows(case, _ours(options), rivals, workshop, processes=options.processes)


def _cost(case: Case, options: argparse.Namespace, workshop: Workshop) -> Iterator[Row]:
    if case.name in cost.BUDGETS:
        yield from cost.budget_rows(case, _ours(options), _rivals(options), workshop, repeats=options.repeats)
    if case.name in cost.GROWTH:
        yield from cost.growth_rows(case, _ours(options), workshop, repeats=options.repeats)


_TOOLS = (
    "ONNX Runtime: `quant_pre_process` without symbolic shapes, then `quantize_static` in QDQ form; NNCF: its default "
    "preset, told where the model is a transformer."
)
PARTS = {
    "accuracy": Part(
        title="edgeopt beside its rivals: accuracy",
        about=(
            "All tools calibrate on the same samples, all files are judged on the rest with ONNX Runtime, one thread. "
            "Figures are means over draws of these samples (in brackets the least and the most). `p against`: per "
            "draw, one-sided mid-p of McNemar's test that edgeopt hits no fewer samples than this rival. Networks "
            "without top-1 were never trained: signal to noise is all that can be told of them. " + _TOOLS
        ),
        header=accuracy.HEADER,
        cases=None,
        rows=_accuracy,
    ),
    "planted": Part(
        title="edgeopt beside its rivals: a planted failure",
        about=(
            "kws_dscnn with channels between depthwise and pointwise convolutions spread by factors of up to `spread` "
            "either way, the function unchanged (benchmarks/planted.py); per-tensor weights for every tool. Means over "
            "several plants, in brackets the least and the most; the bar holds for the least. " + _TOOLS
        ),
        header=planted_failure.HEADER,
        cases=("kws_dscnn",),
        rows=_planted,
    ),
    "speed": Part(
        title="edgeopt beside its rivals: speed",
        about=(
            "One thread, batch 1, by turns in fresh processes, 95 % intervals in brackets. `edgeopt over it` is "
            "measured for the fastest rival and those within 3 % of it. " + _TOOLS
        ),
        header=speed.HEADER,
        cases=SPEED_CASES,
        rows=_speed,
    ),
    "cost": Part(
        title="edgeopt beside its rivals: cost of the command",
        about=(
            "Wall seconds, least processor seconds and peak resident memory of the whole command, interpreter and all; "
            "edgeopt with `--no-measure`. " + _TOOLS
        ),
        header=cost.HEADER,
        cases=tuple(dict.fromkeys((*cost.BUDGETS, *cost.GROWTH))),
        rows=_cost,
    ),
}


if __name__ == "__main__":
    sys.exit(main())
