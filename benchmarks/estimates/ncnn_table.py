"""The networks of ncnn's benchmark as kernels, from the table of their layers in ../shared/data/latency."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

from edgeopt.predict.kernels import Kernel, Kind

_KINDS = {
    **dict.fromkeys(("Pooling",), Kind.POOL),
    **dict.fromkeys(("BinaryOp", "Eltwise", "ReLU", "BatchNorm", "Reduction"), Kind.ELEMENTWISE),
    **dict.fromkeys(
        ("Swish", "HardSwish", "HardSigmoid", "Sigmoid", "GELU", "Softmax", "LayerNorm", "LRN"), Kind.TRANSCENDENTAL
    ),
    **dict.fromkeys(("Concat", "Slice", "Permute", "ShuffleChannel", "Interp", "Padding", "Crop"), Kind.MOVE),
}
_FREE = frozenset({"Input", "Split", "Flatten", "Reshape", "MemoryData", "Noop", "PriorBox"})
_TWO_INPUTS = frozenset({"BinaryOp", "Eltwise"})
_SQUARES = (49, 25, 9)  # taps of the windows that its convolutions in groups have


def ncnn_networks(path: Path) -> dict[str, list[Kernel]]:
    """Kernels per network of `ncnn_model_layers.csv`; activations that follow a convolution are fused there already."""
    networks: dict[str, list[Kernel]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["op"] in _FREE or row["op"] == "op":
                continue
            networks[row["model"]] += _kernels(row)
    return networks


def _kernels(row: dict[str, str]) -> list[Kernel]:
    op, macs, weights = row["op"], int(row["macs"] or 0), int(row["params"] or 0)
    read, read_channels = _elements(row["in_whc"])
    written, _ = _elements(row["out_whc"])
    if op == "MultiHeadAttention":
        dense = weights * max(1, read // max(1, read_channels))
        return [
            _kernel(row, Kind.GEMM, macs=min(macs, dense), read=read, written=written, weights=weights),
            _kernel(row, Kind.ATTENTION, macs=max(0, macs - dense), read=read, written=written, weights=0),
        ]
    if op in ("InnerProduct", "Gemm"):
        return [_kernel(row, Kind.GEMM, macs=macs, read=read, written=written, weights=weights)]
    if op in ("Convolution", "ConvolutionDepthWise", "DeconvolutionDepthWise"):
        return [_convolution(row, op, {"macs": macs, "read": read, "written": written, "weights": weights})]
    kind = _KINDS[op]
    return [_kernel(row, kind, macs=0, read=read * (2 if op in _TWO_INPUTS else 1), written=written, weights=weights)]


def _convolution(row: dict[str, str], op: str, counts: dict[str, int]) -> Kernel:
    """The kernel of a convolution; its window is what its products, per output, are of its channels."""
    read, read_channels = _elements(row["in_whc"])
    written, channels = _elements(row["out_whc"])
    depth = max(1, counts["macs"] // max(1, written))
    stride = max(1, round(math.sqrt((read / read_channels) / max(1, written / channels)))) if read_channels else 1
    if op == "Convolution":
        window = max(1, depth // max(1, read_channels))
        kind = Kind.POINTWISE if window == 1 else Kind.WINDOW
    elif depth in _SQUARES and read_channels == channels:
        window, kind = depth, Kind.DEPTHWISE
    else:
        window = next((taps for taps in _SQUARES if depth % taps == 0 and not read_channels % (depth // taps)), 1)
        kind = Kind.GROUPED
    return _kernel(row, kind, **counts, window=window, stride=stride)


def _kernel(row: dict[str, str], kind: Kind, **counts: int) -> Kernel:
    return Kernel(name=row["layer"], kind=kind, **counts)


def _elements(text: str) -> tuple[int, int]:
    """(elements, channels) of a `224x224x3`; zeros where nothing is said."""
    if "x" not in text:
        return 0, 0
    lengths = [int(length) for length in text.split("x")]
    return math.prod(lengths), lengths[-1]
