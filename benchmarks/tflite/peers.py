"""edgeopt's conversion to TFLite beside onnx2tf's and litert-torch's: same models, same runtime, one run.

    python benchmarks/tflite/peers.py --nets FOLDER [--only NAME …] [--repeats N] [--write]

FOLDER holds what models_for_quantization.py writes. A tool that is not installed is left out, with the reason.
Each row: what the whole command costs (edgeopt's includes its proof), how large the file is, how far its answers are
from those of ONNX Runtime on random inputs, and how fast LiteRT runs it beside ONNX Runtime with the original.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from places import IC, KWS, RESULTS
from process import run_process
from record import write_result

from tflite.converters import CONVERTERS, Converter, Network

HEADER = (
    "model",
    "tool",
    "median s",
    "best s",
    "peak MB",
    "file KB",
    "operators",
    "largest difference",
    "LiteRT over ONNX Runtime fp32",
    "bar",
)
# Most seconds and bytes of the whole command.
BUDGETS = {"resnet8": (1.0, 200e6), "ic_resnet8": (1.0, 200e6), "mobilenet_v2_100_224": (3.0, None)}
TOLERANCE = 1e-4  # of the largest magnitude of an output


def networks(nets: Path) -> list[Network]:
    """The networks to convert."""
    return [
        Network(name="kws_dscnn", model=KWS.model),
        Network(name="ic_resnet8", model=IC.model),
        Network(name="resnet8", model=nets / "resnet8.onnx", module="resnet8", options={"channels": 1}),
        Network(name="ds_cnn", model=nets / "ds_cnn.onnx", module="ds_cnn"),
        Network(name="mobilenet_v1_025_96", model=nets / "mobilenet_v1_025_96.onnx", module="mobilenet_v1"),
        Network(name="mobilenet_v2_100_224", model=nets / "mobilenet_v2_100_224.onnx", module="mobilenet_v2"),
        Network(name="resnet18_224", model=nets / "resnet18_224.onnx", module="resnet18"),
        Network(name="autoencoder", model=nets / "autoencoder.onnx", module="autoencoder"),
        Network(name="vit_32", model=nets / "vit_32.onnx", module="vit"),
    ]


def rows(network: Network, folder: Path, *, repeats: int) -> Iterator[tuple[str, ...]]:
    """The table's rows of one network: edgeopt's, then the rivals'."""
    for tool in CONVERTERS:
        missing = tool.missing(network)
        if missing:
            yield (network.name, tool.name, *[""] * 7, f"left out: {missing}")
            continue
        yield _row(tool, network, folder, repeats=repeats if tool.name == "edgeopt" else min(repeats, 3))


def _row(tool: Converter, network: Network, folder: Path, *, repeats: int) -> tuple[str, ...]:
    told = folder / "told.txt"
    costs = [run_process(tool.command(network, folder), errors=told) for _ in range(repeats + 1)]
    made = tool.made(network, folder)
    if costs[-1].exit_code != 0 or not made.exists():
        lines = told.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        return (network.name, tool.name, *[""] * 7, f"failed: {lines[-1][:200]}")
    seconds = [cost.wall_seconds for cost in costs[1:]]  # the first run warms the disk's cache
    peak = max(cost.peak_bytes for cost in costs)
    difference = largest_difference(network.model, made) if tool.takes_onnx else "other weights"
    return (
        network.name,
        tool.name,
        f"{statistics.median(seconds):.2f}",
        f"{min(seconds):.2f}",
        f"{peak / 1e6:.0f}",
        f"{made.stat().st_size / 1e3:.0f}",
        str(operators_in(made)),
        difference if isinstance(difference, str) else f"{difference:.1e}",
        _speed(made, network.model),
        _bar(network, statistics.median(seconds), peak, difference) if tool.name == "edgeopt" else "",
    )


def _bar(network: Network, seconds: float, peak: float, difference: float | str) -> str:
    held = [("difference", isinstance(difference, float) and difference <= TOLERANCE, f"<= {TOLERANCE:.0e}")]
    most_seconds, most_bytes = BUDGETS.get(network.name, (None, None))
    if most_seconds is not None:
        held.append((f"{seconds:.2f} s", seconds <= most_seconds, f"<= {most_seconds:.0f} s"))
    if most_bytes is not None:
        held.append((f"{peak / 1e6:.0f} MB", peak <= most_bytes, f"<= {most_bytes / 1e6:.0f} MB"))
    return "; ".join(f"{what} {limit}: {'reached' if is_held else 'MISSED'}" for what, is_held, limit in held)


def largest_difference(model: Path, made: Path) -> float | str:
    """Largest difference of any output, relative to the largest magnitude of the original's; or what went wrong.

    Rivals rename and relay inputs and outputs: they are matched by shape, with channels last where that fits alone.
    """
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    session = onnxruntime.InferenceSession(str(model))
    generator = np.random.default_rng(0)
    feeds = {value.name: _random(generator, value) for value in session.get_inputs()}
    expected = session.run(None, feeds)
    try:
        interpreter = Interpreter(model_content=made.read_bytes())
        interpreter.allocate_tensors()
        for detail, value in zip(interpreter.get_input_details(), feeds.values(), strict=True):
            interpreter.set_tensor(detail["index"], _laid(value, tuple(detail["shape"])).astype(detail["dtype"]))
        interpreter.invoke()
        given = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    except (RuntimeError, ValueError) as error:
        return str(error).splitlines()[0][:80]
    return max(
        float(np.abs(_laid(got, value.shape, is_back=True) - value).max() / np.abs(value).max())
        for got, value in zip(given, expected, strict=True)
    )


def _random(generator: np.random.Generator, value: Any) -> np.ndarray:
    shape = [length if isinstance(length, int) else 1 for length in value.shape]
    if value.type == "tensor(int64)":
        return generator.integers(0, 2, shape)
    return generator.standard_normal(shape).astype(np.float32)


def _laid(value: np.ndarray, shape: tuple[int, ...], *, is_back: bool = False) -> np.ndarray:
    if value.shape == shape or value.ndim < 3:
        return value.reshape(shape)
    order = (0, value.ndim - 1, *range(1, value.ndim - 1)) if is_back else (0, *range(2, value.ndim), 1)
    return value.transpose(order).reshape(shape)


def operators_in(made: Path) -> int:
    """Operations in a .tflite file."""
    from ai_edge_litert import schema_py_generated as schema

    return int(schema.Model.GetRootAs(made.read_bytes()).Subgraphs(0).OperatorsLength())


def _speed(made: Path, model: Path) -> str:
    from edgeopt.errors import EdgeoptError
    from edgeopt.workflow.bench import bench

    try:
        compared = bench(made, against=model, processes=6).comparisons[0]
    except EdgeoptError as error:
        return f"failed: {error.message[:60]}"
    return f"{compared.ratio:.2f}x ({compared.ci95[0]:.2f} to {compared.ci95[1]:.2f})"


def main() -> int:
    """Print the rows as they come, and write the page; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=Path, required=True)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/results/peers-convert.md")
    options = parser.parse_args()
    found: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for network in networks(options.nets.resolve()):
            if options.only and network.name not in options.only:
                continue
            for row in rows(network, Path(temporary), repeats=options.repeats):
                found.append(row)
                print(*row, sep=" | ", flush=True)
    if options.write:
        about = (
            "What a conversion to TFLite costs and gives: the whole command with its start-up, edgeopt's with its "
            "proof by both sets of kernels, which the others have not. The largest difference is relative to the "
            "largest magnitude of ONNX Runtime's output, on random inputs. litert-torch starts from the "
            "torch module, with weights of its own. Speed: one thread, by turns in the same processes."
        )
        write_result(
            RESULTS / "peers-convert.md",
            title="Conversion to TFLite, beside other tools",
            about=about,
            header=HEADER,
            rows=found,
        )
    return int(any("MISSED" in row[-1] for row in found))


if __name__ == "__main__":
    sys.exit(main())
