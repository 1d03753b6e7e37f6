"""ONNX Runtime's own static quantization beside ours: same model, samples and runtime, timed by turns.

It quantizes with `quant_pre_process` and `quantize_static` (QDQ, per channel) in U8S8, which it recommends for x86, and
in S8S8, its default. It is part of onnxruntime, so it needs no environment of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from places import EDGEOPT, RESULTS, Case, cases
from process import run_process
from record import write_result

from edgeopt.core.dataset import Split, split_dataset
from edgeopt.judge.compare import compare_predictions
from edgeopt.workflow.bench import bench
from edgeopt.workflow.evaluate import predictions_of
from edgeopt.workflow.inputs import data_for, model_artifact

_RIVAL = """
import sys, numpy, onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
source, samples, output, activations = sys.argv[1:]
class Reader(CalibrationDataReader):
    def __init__(self):
        arrays = dict(numpy.load(samples))
        count = len(next(iter(arrays.values())))
        self.rows = iter([{name: rows[i : i + 1] for name, rows in arrays.items()} for i in range(count)])
    def get_next(self):
        return next(self.rows, None)
quant_pre_process(source, output + ".prepared", skip_symbolic_shape=True)
quantize_static(output + ".prepared", output, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=getattr(QuantType, activations), weight_type=QuantType.QInt8)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """An int8 model and what making it cost."""

    name: str
    path: Path
    seconds: float
    peak_bytes: int


def main() -> None:
    """Compare on every case that is here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/results/peers-onnxruntime.md")
    options = parser.parse_args()
    rows = [row for case in cases() for row in _rows(case)]
    if options.write:
        write_result(
            RESULTS / "peers-onnxruntime.md",
            title="edgeopt beside ONNX Runtime's own quantization",
            about=(
                "200 calibration samples, the rest judged; one thread, batch 1, by turns in fresh processes. "
                "`over U8S8` is the speed over ONNX Runtime's U8S8 file; seconds and peak memory are of whole commands."
            ),
            header=("model", "tool", "top-1", "drop", "flips", "SQNR", "over fp32", "over U8S8", "bytes", "s", "MB"),
            rows=rows,
        )


def _rows(case: Case) -> list[tuple[str, ...]]:
    artifact = model_artifact(case.model)
    split = split_dataset(data_for(artifact, case.data), samples=200, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        made = _quantized(case, split, Path(folder))
        over_fp32 = bench(*(model.path for model in made), against=case.model, processes=16).comparisons
        over_rival = bench(*(model.path for model in made), against=made[1].path, processes=16).comparisons
        base = predictions_of(artifact, split.judged)
        rows = []
        for model, first, second in zip(made, over_fp32, over_rival, strict=True):
            compared = compare_predictions(base, predictions_of(model_artifact(model.path), split.judged))
            rows.append(
                (
                    case.name,
                    model.name,
                    f"{compared.candidate:.2%}",
                    f"{100 * compared.difference:+.2f} pt",
                    f"{compared.flips}",
                    f"{compared.sqnr_db:.1f} dB",
                    f"{first.ratio:.2f}x",
                    f"{second.ratio:.2f}x ({second.ci95[0]:.2f} to {second.ci95[1]:.2f})",
                    f"{model.path.stat().st_size:,}",
                    f"{model.seconds:.2f}",
                    f"{model.peak_bytes / 1e6:.0f}",
                )
            )
            print(*rows[-1], sep="  ", flush=True)
    return rows


def _quantized(case: Case, split: Split, folder: Path) -> list[Made]:
    samples = folder / "calibration.npz"
    np.savez(samples, **split.calibration.inputs)
    made = []
    for name, activations in (("edgeopt", ""), ("onnxruntime U8S8", "QUInt8"), ("onnxruntime S8S8", "QInt8")):
        path = folder / f"{name.replace(' ', '-')}.onnx"
        if activations:
            command = [sys.executable, "-c", _RIVAL, str(case.model), str(samples), str(path), activations]
        else:
            command = [EDGEOPT, "quantize", str(case.model), "--data", str(case.data), "--no-measure", "-o", str(path)]
        cost = run_process(command)
        if cost.exit_code != 0:
            sys.exit(subprocess.run(command, check=False, capture_output=True, text=True).stderr)
        made.append(Made(name, path, cost.wall_seconds, cost.peak_bytes))
    return made


if __name__ == "__main__":
    main()
