"""What does each way to take a range gain, tensor by tensor, on samples that it has not seen; and what does it cost?

    python benchmarks/ranges.py [FOLDER] [--write]

FOLDER holds NAME.onnx with NAME.npz, as models_for_quantization.py writes them; the trained networks come first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import onnx_ir as ir
from places import RESULTS, Case, cases
from record import write_result

from edgeopt.core.dataset import Dataset, split_dataset
from edgeopt.core.target import host_target
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observe import observe
from edgeopt.steps.quantize.placement.place import place
from edgeopt.steps.quantize.ranges.squared_error import SquaredError
from edgeopt.steps.quantize.ranges.tensor import Estimator, Range, tensor_range
from edgeopt.steps.quantize.types import int8_types
from edgeopt.workflow.inputs import data_for, model_artifact

SAMPLES = 100
METHODS = get_args(Estimator)


def main() -> None:
    """Measure every network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="more networks")
    parser.add_argument("--write", action="store_true", help="write docs/results/ranges.md")
    options = parser.parse_args()
    rows = []
    for case in networks(options.folder):
        rows.append(measured(case))
        print(*rows[-1], sep=" | ", flush=True)
    if options.write:
        write_result(
            RESULTS / "ranges.md",
            title="Ranges of activations: what each method gains and costs",
            about=f"""Ranges are taken from {SAMPLES} samples, and their error is computed on the histograms of at most
{SAMPLES} others. Gain: signal to quantization noise of a tensor over that with `minmax`, in dB, the median over all
quantized tensors and the worst of them. It says what a single tensor loses, not what the network's output does.
mobilenet_v1_025_96 was calibrated on one sample whose activations are about three times those of any other:
`minmax` and `mse` keep them, the other two cut them off, and no such sample is among those held back.
Costs are CPU time: one pass that takes extremes alone, one that counts all values too, and the estimate of all
ranges.""",
            header=(
                "network",
                "tensors",
                "values",
                "extremes",
                "histograms",
                *(f"`{method}` gain, worst; cost" for method in METHODS[1:]),
            ),
            rows=rows,
        )


def networks(folder: Path | None) -> Iterator[Case]:
    """The trained networks that are here, then those of a folder."""
    yield from cases()
    for path in sorted(folder.glob("*.onnx")) if folder else ():
        data = path.with_suffix(".npz")
        if data.exists():
            yield Case(path.stem, path, data)


def measured(case: Case) -> tuple[str, ...]:
    """The row of one network."""
    artifact = model_artifact(case.model)
    split = split_dataset(data_for(artifact, case.data), samples=SAMPLES, seed=0)
    others = split.judged.rows(np.arange(min(SAMPLES, len(split.judged))))
    model = folded(load_onnx(case.model), where=case.name)
    types = int8_types(host_target())
    placement = place(ir.serde.deserialize_model(model).graph, thin_channels=types.thin_channels)
    names = sorted({placement.root(name) for name in placement.tensors})
    extremes = cpu_seconds(model, names, split.calibration, histograms=False)
    start = time.process_time()
    seen = observe(model, names, split.calibration, histograms=True).tensors
    counting = time.process_time() - start
    held_back = observe(model, names, others, histograms=True).tensors
    errors = {name: SquaredError.of(found.histogram, types) for name, found in held_back.items() if found.histogram}
    columns, whole = [], {name: tensor_range(found, "minmax", types) for name, found in seen.items()}
    for method in METHODS[1:]:
        start = time.process_time()
        ranges = {name: tensor_range(found, method, types) for name, found in seen.items()}
        cost = time.process_time() - start
        gains = [10 * np.log10(error(errors[name], whole[name]) / error(errors[name], ranges[name])) for name in names]
        columns.append(f"{np.median(gains):+.2f} dB, {min(gains):+.2f} dB; {cost:.2f} s")
    values = sum(found.histogram.count for found in seen.values() if isinstance(found.histogram, Histogram))
    return case.name, str(len(names)), f"{values / 1e6:.0f} M", f"{extremes:.2f} s", f"{counting:.2f} s", *columns


def cpu_seconds(model: object, names: list[str], data: Dataset, *, histograms: bool) -> float:
    """CPU time of one pass."""
    start = time.process_time()
    observe(model, names, data, histograms=histograms)
    return time.process_time() - start


def error(expected: SquaredError, found: Range) -> float:
    """Expected squared error of one tensor under a range."""
    return float(expected(np.array([min(found.low, 0.0)]), np.array([max(found.high, 0.0)]))[0])


if __name__ == "__main__":
    main()
