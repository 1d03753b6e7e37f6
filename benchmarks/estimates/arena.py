"""How near edgeopt's arena is to the one that TFLite Micro's own interpreter records, on whole models.

    python benchmarks/estimates/arena.py [FOLDER] [--write]

takes the TFLite files of MLPerf Tiny in ../shared/data, and every ONNX file in FOLDER (as
benchmarks/models_for_quantization.py writes them) and among the trained models that are here, in float32 and in int8
from input to output. It needs the package tflite-micro. No more than 5 % may lie between the two.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import EDGEOPT, RESULTS, SHARED, cases
from record import write_result

from edgeopt.graph.tflite.arena import plan_arena
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.units import format_bytes

MOST = 0.05
RECORD = """
import sys
from tflite_micro.python.tflite_micro.runtime import Interpreter
content = open(sys.argv[1], "rb").read()
Interpreter.from_bytes(content, arena_size=64_000_000).print_allocations()
"""
HEADER = ("model", "recorded", "edgeopt, 64 bits, with the recorder", "difference", "on a microcontroller", "peak at")


def main() -> None:
    """Compare on every model that is here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="of ONNX files")
    parser.add_argument("--write", action="store_true", help="write docs/results/arena.md")
    options = parser.parse_args()
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in models(options.folder, Path(scratch)):
            recorded = recorded_bytes(path)
            model = read_tflite(path)
            here, board = plan_arena(model, word_bytes=8, is_recorded=True), plan_arena(model)
            if recorded is None:
                rows.append((name, "refused", "", "", format_bytes(board.needed_bytes), ""))
                continue
            difference = here.used_bytes / recorded - 1
            worst = max(worst, abs(difference))
            peak = f"{board.peak.operator}, {format_bytes(board.peak.live_bytes)}" if board.peak else ""
            figures = (f"{recorded} B", f"{here.used_bytes} B", f"{difference:+.2%}", format_bytes(board.needed_bytes))
            rows.append((name, *figures, peak))
            print(*rows[-1], sep=" | ")
    about = (
        f"`print_allocations()` of tflite-micro beside edgeopt's planner. At the most {worst:.2%} lie between them; "
        f"the bar is {MOST:.0%}. The interpreter here has pointers of 64 bits and a recorder in its arena; a "
        "microcontroller has neither, so its arena is smaller (that column is estimated)."
    )
    if options.write:
        write_result(RESULTS / "arena.md", title="TFLite Micro's arena", about=about, header=HEADER, rows=rows)
    if worst > MOST:
        sys.exit(f"{worst:.1%} lie between the arenas, more than {MOST:.0%}")


def models(folder: Path | None, scratch: Path) -> Iterator[tuple[str, Path]]:
    """(name, TFLite file) of each model."""
    for path in sorted((SHARED / "mlperf_tiny").glob("*.tflite")):
        yield f"MLPerf Tiny {path.stem}", path
    sources = {case.name: case.model for case in cases()}
    sources |= {path.stem: path for path in sorted(folder.glob("*.onnx"))} if folder else {}
    for name, source in sources.items():
        quantized, whole, small = (scratch / f"{name}{end}" for end in (".int8.onnx", ".tflite", ".int8.tflite"))
        if edgeopt("convert", source, "-o", whole):
            yield f"{name} float32", whole
        made = edgeopt("quantize", source, "--target", "rpi4", "--no-measure", "--samples", "16", "-o", quantized)
        if made and edgeopt("convert", quantized, "-o", small, "--io", "int8"):
            yield f"{name} int8", small


def edgeopt(*arguments: str | Path) -> bool:
    """Run a command of edgeopt; say so where it refuses."""
    done = subprocess.run([EDGEOPT, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{arguments[0]} {Path(arguments[1]).name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return done.returncode == 0


def recorded_bytes(path: Path) -> int | None:
    """Bytes of the arena as the interpreter records it; None where it refuses the model."""
    done = subprocess.run([sys.executable, "-c", RECORD, str(path)], capture_output=True, text=True, check=False)
    found = re.search(r"Arena allocation total (\d+) bytes", done.stderr)
    return int(found[1]) if found else None


if __name__ == "__main__":
    main()
