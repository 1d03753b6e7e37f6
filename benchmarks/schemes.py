"""Size, speed and noise of each scheme of `quantize`, beside what ONNX Runtime's own tools make of the same model."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from places import RESULTS
from record import write_result

from edgeopt.core.dataset import Dataset, split_dataset
from edgeopt.runners import runner_named
from edgeopt.steps.quantize.step import Quantize
from edgeopt.units import format_bytes
from edgeopt.workflow.bench import bench
from edgeopt.workflow.inputs import data_for, model_artifact

Maker = Callable[[Path, Path, Dataset], None]
_CALIBRATION_SAMPLES = 100
_BATCH = 8


def ours(**options: Any) -> Maker:
    """What edgeopt makes under these options."""

    def make(source: Path, output: Path, data: Dataset) -> None:
        Quantize(**options).apply(source, output, data)

    return make


def dynamic_tool(*, per_channel: bool, is_restricted: bool) -> Maker:
    """What `quantize_dynamic` makes; restricted, of matrix products alone."""

    def make(source: Path, output: Path, _data: Dataset) -> None:
        from onnxruntime.quantization import quantize_dynamic

        operators = ["MatMul", "Gemm", "Gather"] if is_restricted else None
        quantize_dynamic(source, output, op_types_to_quantize=operators, per_channel=per_channel)

    return make


def int4_tool(source: Path, output: Path, _data: Dataset) -> None:
    """What MatMulNBitsQuantizer makes of products, at the accuracy level that edgeopt takes."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    tool = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=False, accuracy_level=4)
    tool.process()
    onnx.save(tool.model.model, output)


def half_tool(source: Path, output: Path, _data: Dataset) -> None:
    """What the converter of onnxruntime.transformers makes."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), output)


MAKERS: dict[tuple[str, str], Maker] = {
    ("ONNX Runtime", "dynamic, as it comes"): dynamic_tool(per_channel=False, is_restricted=False),
    ("ONNX Runtime", "dynamic, products and embeddings, per channel"): dynamic_tool(
        per_channel=True, is_restricted=True
    ),
    ("edgeopt", "int8-dynamic"): ours(scheme="int8-dynamic"),
    ("ONNX Runtime", "MatMulNBits, blocks of 32"): int4_tool,
    ("edgeopt", "int4-weights, nearest"): ours(scheme="int4-weights", rounding="nearest"),
    ("edgeopt", "int4-weights"): ours(scheme="int4-weights"),
    ("ONNX Runtime", "float16"): half_tool,
    ("edgeopt", "fp16"): ours(scheme="fp16"),
    ("edgeopt", "int8"): ours(scheme="int8"),
}


def main() -> None:
    """Make all, time all by turns, and set them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="ONNX models, each with an .npz of its name beside it")
    parser.add_argument("--write", action="store_true", help="write docs/results/schemes.md")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the tools talk on the root logger
    rows = [row for model in options.models for row in rows_of(model)]
    if options.write:
        write_result(
            RESULTS / "schemes.md",
            title="Schemes of `quantize` beside ONNX Runtime's own tools",
            about="Speed over fp32 on ONNX Runtime, batch 1, one thread, timed by turns in fresh processes. Noise is "
            "10 log10(sum of squares of the float output / sum of squares of the difference), on samples that did not "
            f"calibrate; {_CALIBRATION_SAMPLES} others did, where a scheme takes any. The networks are those of "
            "`benchmarks/models_for_quantization.py`, with weights drawn at random.",
            header=("model", "by", "scheme", "size", "speed over fp32", "95 % interval", "signal to noise"),
            rows=rows,
        )


def rows_of(model: Path) -> list[tuple[str, ...]]:
    """A line per maker."""
    artifact = model_artifact(model)
    parts = split_dataset(data_for(artifact, model.with_suffix(".npz")), samples=_CALIBRATION_SAMPLES, seed=0)
    expected = answers(model, parts.judged)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.onnx") for number in range(len(MAKERS))]
        for path, make in zip(paths, MAKERS.values(), strict=True):
            make(model, path, parts.calibration)
        compared = bench(*paths, against=model).comparisons
        rows = [(model.stem, "", "float", format_bytes(artifact.size_bytes), "1.00x", "", "")]
        for (by, scheme), path, comparison in zip(MAKERS, paths, compared, strict=True):
            low, high = comparison.ci95
            noise = f"{sqnr_db(expected, answers(path, parts.judged)):.1f} dB"
            size = format_bytes(model_artifact(path).size_bytes)
            rows.append((model.stem, by, scheme, size, f"{comparison.ratio:.2f}x", f"{low:.2f} to {high:.2f}", noise))
            print(*rows[-1], flush=True)
    return rows


def answers(model: Path, data: Dataset) -> np.ndarray[Any, Any]:
    """(sample, ...) float64: the first output."""
    with runner_named("onnxruntime").open(model) as session:
        batches = [next(iter(session.infer(feeds).values())) for feeds in data.batches(_BATCH)]
    return np.concatenate(batches).astype(np.float64)


def sqnr_db(expected: np.ndarray[Any, Any], given: np.ndarray[Any, Any]) -> float:
    """Signal to quantization noise in dB."""
    return float(10 * np.log10(np.square(expected).sum() / np.square(expected - given).sum()))


if __name__ == "__main__":
    main()
