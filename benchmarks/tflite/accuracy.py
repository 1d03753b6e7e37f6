"""Accuracy and size of int8 on LiteRT beside int8 on ONNX Runtime and float32, from one calibration.

    python benchmarks/tflite/accuracy.py NETS [--only ic_resnet8,kws_dscnn] [--write]

NETS is the folder that models_for_quantization.py writes. Each net is quantized for an ARM board, converted as
`convert` does, and judged on samples that it was not calibrated on. Reference kernels are slow, so they get the first
samples alone (`--reference-samples`); ONNX Runtime is compared with on the same ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.cases import Case, cases_in
from places import ROOT, SHARED
from record import write_result

from edgeopt.core.dataset import Dataset, no_samples, split_dataset
from edgeopt.steps.quantize.step import Quantize
from edgeopt.steps.tflite.step import Tflite

TARGET = "rpi4"
BEHIND_INTEGERS, BEHIND_FLOAT = 0.3, 0.6  # points that int8 on LiteRT may lose
OFFICIAL = {
    "ad_autoencoder": "ad_autoencoder_int8.tflite",
    "ic_resnet8": "ic_resnet8_int8.tflite",
    "kws_dscnn": "kws_dscnn_int8.tflite",
}
LARGEST = {"ic_resnet8": 105_000}  # bytes
NETS = (
    "ic_resnet8",
    "kws_dscnn",
    "digits_resnet8",
    "resnet20",
    "resnet56",
    "ad_autoencoder",
    "mobilenet_v1_025_96",
    "mobilenet_v2_050_32",
)
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One net on all runtimes.

    Attributes:
        name: The case's.
        labels: (sample,) of the judged samples; None where there are none.
        scores: Outputs (sample, ...) per runtime; those of the reference kernels for the first samples alone.
        size: Of the .tflite file with int8 inputs and outputs, in bytes.
        kinds: Operators that are left in float32 inside.
    """

    name: str
    labels: NDArray[Any] | None
    scores: dict[str, Scores]
    size: int
    kinds: int

    def accuracy(self, runtime: str, count: int | None = None) -> float:
        """Top-1 in percent of the first `count` samples."""
        assert self.labels is not None
        return 100 * float((self.scores[runtime][:count].argmax(1) == self.labels[:count]).mean())

    def sqnr(self, wanted: str, given: str) -> float:
        """Decibels of the outputs of one runtime over their difference to another's, on the samples of both."""
        count = min(len(self.scores[wanted]), len(self.scores[given]))
        first, second = (self.scores[each][:count].astype(np.float64) for each in (wanted, given))
        return 10 * float(np.log10(np.square(first).sum() / max(np.square(first - second).sum(), 1e-30)))


def judged(case: Case, reference_samples: int, folder: Path) -> Judged:
    """Quantize, convert and run one net."""
    split = split_dataset(case.dataset(), samples=case.samples, seed=0)
    integers, plain, bare = (folder / name for name in ("int8.onnx", "plain.tflite", "bare.tflite"))
    Quantize(target=TARGET).apply(case.model, integers, split.calibration)
    report = Tflite().apply(integers, plain, no_samples())
    Tflite(io="int8").apply(integers, bare, no_samples())
    edges = {"QUANTIZE": 1, "DEQUANTIZE": 1}
    inside = sum(report.details["operators"].get(kind, 0) - count for kind, count in edges.items())
    return Judged(
        name=case.name,
        labels=split.judged.labels if case.is_trained else None,
        scores={
            "float32": onnx_scores(case.model, split.judged),
            "int8": onnx_scores(integers, split.judged),
            "litert": tflite_scores(plain, split.judged, is_reference=False),
            "reference": tflite_scores(
                plain, split.judged.rows(np.arange(min(reference_samples, len(split.judged)))), is_reference=True
            ),
        },
        size=bare.stat().st_size,
        kinds=inside,
    )


def onnx_scores(path: Path, data: Dataset) -> Scores:
    """The first output of a model on ONNX Runtime, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return np.concatenate([session.run(None, feeds)[0] for feeds in data.batches(1)])


def tflite_scores(path: Path, data: Dataset, *, is_reference: bool) -> Scores:
    """The first output of a .tflite file, one thread."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_REF if is_reference else OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=kernels, num_threads=1)
    runner = interpreter.get_signature_runner()
    return np.concatenate([next(iter(runner(**feeds).values())) for feeds in data.batches(1)])


def row(found: Judged) -> list[str]:
    """What is told of one net; a bar that is not held is told as such."""
    count = len(found.scores["reference"])
    official = SHARED / "mlperf_tiny" / OFFICIAL[found.name] if found.name in OFFICIAL else None
    size = f"{found.size:,}" + (f" ({official.stat().st_size:,})" if official else "")
    if found.size > LARGEST.get(found.name, found.size):
        size += f", above {LARGEST[found.name]:,}"
    noise = f"{found.sqnr('int8', 'litert'):.1f} / {found.sqnr('int8', 'reference'):.1f} dB"
    noise += f", of float32 {found.sqnr('float32', 'litert'):.1f} ({found.sqnr('float32', 'int8'):.1f}) dB"
    if found.labels is None:
        return [found.name, str(len(found.scores["int8"])), "-", "-", "-", "-", noise, size, str(found.kinds)]
    accuracy = {name: found.accuracy(name) for name in ("float32", "int8", "litert")}
    behind = accuracy["int8"] - accuracy["litert"], accuracy["float32"] - accuracy["litert"]
    on_reference = found.accuracy("reference", count), found.accuracy("int8", count)
    missed = (
        behind[0] > BEHIND_INTEGERS or behind[1] > BEHIND_FLOAT or on_reference[1] - on_reference[0] > BEHIND_INTEGERS
    )
    return [
        found.name,
        str(len(found.labels)),
        f"{accuracy['float32']:.2f}",
        f"{accuracy['int8']:.2f}",
        f"{accuracy['litert']:.2f}",
        f"{on_reference[0]:.2f} ({on_reference[1]:.2f}, {count})" + (" MISSED" if missed else ""),
        noise,
        size,
        str(found.kinds),
    ]


def _cases(nets: Path) -> dict[str, Case]:
    """Those of the rivals' benchmark, and two that it has not."""
    cases = cases_in(nets)
    deep = replace(cases["resnet20"], name="resnet56", model=nets / "resnet56.onnx")
    anomalies = Case(
        name="ad_autoencoder",
        model=SHARED / "mlperf_tiny" / "ad_autoencoder.onnx",
        data=nets / "autoencoder.npz",
        is_trained=False,
    )
    return {**cases, "resnet56": deep, "ad_autoencoder": anomalies}


def main() -> None:
    """Measure the nets asked for, print a row each, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", type=Path, help="the folder that models_for_quantization.py writes")
    parser.add_argument("--only", default=",".join(NETS))
    parser.add_argument("--reference-samples", type=int, default=1500)
    parser.add_argument("--write", action="store_true", help="write docs/results/tflite-accuracy.md")
    options = parser.parse_args()
    cases, rows = _cases(options.nets), []
    for name in options.only.split(","):
        if cases[name].missing:
            print(f"{name}: left out, no file {', '.join(map(str, cases[name].missing))}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
            rows.append(row(judged(cases[name], options.reference_samples, Path(folder))))
        print(" | ".join(rows[-1]), flush=True)
    if options.write:
        write_result(
            ROOT / "docs" / "results" / "tflite-accuracy.md",
            title="int8 on LiteRT beside ONNX Runtime",
            about=ABOUT,
            header=HEADER,
            rows=rows,
        )


HEADER = (
    "net",
    "samples judged",
    "float32, %",
    "int8 on ONNX Runtime, %",
    "int8 on LiteRT, %",
    "on its reference kernels, % (ONNX Runtime on as many samples)",
    "LiteRT / reference to int8 on ONNX Runtime, and to float32 (that of ONNX Runtime)",
    "size, bytes (published int8 file)",
    "conversions to and from float inside",
)
ABOUT = (
    f"One calibration for `{TARGET}` serves both runtimes: the net is quantized with pairs by `edgeopt quantize` and "
    "converted to a .tflite file whose inside is int8. Accuracy is top-1 on samples that were not calibrated on; int8 "
    f"on LiteRT has to be within {BEHIND_INTEGERS} points of int8 on ONNX Runtime and within {BEHIND_FLOAT} points of "
    "float32. Nets without labels have random weights, but for `ad_autoencoder`, which is judged on made-up spectra. "
    "The size is that of the file with int8 inputs and outputs."
)


if __name__ == "__main__":
    main()
