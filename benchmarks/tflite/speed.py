"""How fast LiteRT runs int8 models of edgeopt: beside fp32 on ONNX Runtime, and beside the official files.

    python benchmarks/tflite/speed.py [--processes N] [--write]

One thread, by turns in the same processes. The official files are those of MLPerf Tiny.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import DIGITS, IC, KWS, RESULTS, SHARED, Case
from record import write_result

from edgeopt.workflow.bench import bench
from edgeopt.workflow.convert import convert
from edgeopt.workflow.quantize import quantize

HEADER = ("model", "beside", "times as fast (95 %)", "file KB", "that file KB", "bar")
TARGET = "rpi4"  # every operator in int8, symmetric: what LiteRT's kernels want on any CPU
LEAST_OVER_FLOAT = 2.8
LEAST_SHARE = 0.97
MOST_BYTES = {"ic_resnet8": 105e3}
TINY = SHARED / "mlperf_tiny"
OFFICIAL = {"ic_resnet8": TINY / "ic_resnet8_int8.tflite", "kws_dscnn": TINY / "kws_dscnn_int8.tflite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a model is timed beside, and how many times as fast it must be at least; None where that is no bar."""

    name: str
    path: Path
    least: float | None


def int8_file(case: Case, folder: Path) -> Path:
    """The int8 .tflite file of a case, with integers in and out, as the official ones have."""
    quantized, made = folder / f"{case.name}.int8.onnx", folder / f"{case.name}.int8.tflite"
    quantize(case.model, output=quantized, data=case.data, target=TARGET, measure=False, force=True)
    convert(quantized, output=made, io="int8", force=True)
    return made


def rows(case: Case, folder: Path, processes: int) -> list[tuple[str, ...]]:
    """The table's rows of one case."""
    made = int8_file(case, folder)
    is_resnet = "resnet8" in case.name
    others = [Beside(name="fp32 on ONNX Runtime", path=case.model, least=LEAST_OVER_FLOAT if is_resnet else None)]
    official = OFFICIAL.get(case.name)
    if official is not None and official.exists():
        others.append(Beside(name="the official file on LiteRT", path=official, least=LEAST_SHARE))
    return [_row(case, made, other, processes) for other in others]


def _row(case: Case, made: Path, other: Beside, processes: int) -> tuple[str, ...]:
    compared = bench(made, against=other.path, processes=processes).comparisons[0]
    size, most = made.stat().st_size, MOST_BYTES.get(case.name)
    bars = []
    if other.least is not None:
        bars.append((f"{compared.ratio:.2f}x >= {other.least}x", compared.ratio >= other.least))
    if most is not None:
        bars.append((f"{size / 1e3:.1f} <= {most / 1e3:.0f} KB", size <= most))
    return (
        case.name,
        other.name,
        f"{compared.ratio:.2f}x ({compared.ci95[0]:.2f} to {compared.ci95[1]:.2f})",
        f"{size / 1e3:.1f}",
        f"{other.path.stat().st_size / 1e3:.1f}",
        "; ".join(f"{text}: {'reached' if is_held else 'MISSED'}" for text, is_held in bars),
    )


def main() -> int:
    """Print the rows as they come, and write the page; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=16, help="to time in (default: 16)")
    parser.add_argument("--write", action="store_true", help="write docs/results/tflite-speed.md")
    options = parser.parse_args()
    found: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for case in (IC, KWS, DIGITS):
            if not case.is_here:
                print(f"{case.name}: left out, its files are not here", file=sys.stderr)
                continue
            for row in rows(case, Path(temporary), options.processes):
                found.append(row)
                print(*row, sep=" | ", flush=True)
    if options.write:
        write_result(
            RESULTS / "tflite-speed.md",
            title="int8 TFLite files on LiteRT",
            about=(
                f"Quantized by `edgeopt quantize --target {TARGET}`, converted by `edgeopt convert --io int8`. "
                "One thread, by turns in the same processes."
            ),
            header=HEADER,
            rows=found,
        )
    return int(any("MISSED" in row[-1] for row in found))


if __name__ == "__main__":
    sys.exit(main())
