"""Does a convolution over few input channels pay in int8? Measures each model with and without it in int8."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from places import RESULTS, cases
from record import write_result

from edgeopt.core.dataset import split_dataset
from edgeopt.core.target import host_target
from edgeopt.steps.quantize import int8 as static
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.quantize.types import int8_types
from edgeopt.workflow.bench import bench
from edgeopt.workflow.inputs import data_for, model_artifact


def main() -> None:
    """Compare the two placements on every model that is here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/results/thin-convolutions.md")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            artifact = model_artifact(case.model)
            data = split_dataset(data_for(artifact, case.data), samples=200, seed=0).calibration
            made = {channels: Path(folder, f"{case.name}.{channels}.onnx") for channels in (0, 3)}
            for channels, path in made.items():
                types = replace(int8_types(host_target()), thin_channels=channels)
                static.int8_types = lambda _, types=types: types
                Quantize().apply(case.model, path, data)
            result = bench(made[0], made[3], against=case.model)
            for name, comparison in zip(("all in int8", "thin convolution float"), result.comparisons, strict=True):
                low, high = comparison.ci95
                rows.append(
                    (case.name, name, f"{comparison.ratio:.2f}x", f"{low:.2f} to {high:.2f}", comparison.verdict)
                )
                print(*rows[-1], flush=True)
    if options.write:
        write_result(
            RESULTS / "thin-convolutions.md",
            title="Convolutions over few input channels: int8 or float",
            about="Speed over fp32 on ONNX Runtime, one thread, timed by turns in fresh processes.",
            header=("model", "placement", "speed over fp32", "95 % interval", "verdict"),
            rows=rows,
        )


if __name__ == "__main__":
    main()
