"""What each rounding of weights leaves of the output, activations float: dB of signal over the noise of weights alone.

    python benchmarks/weight_rounding.py [--write] [ONNX=NPZ ...]

measures the trained networks of the shared data, and any others given as a model with its samples. Moments come from
150 samples of the first half, the error from up to 200 samples of the second; mean and standard error over draws.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray
from places import RESULTS, Case, cases
from record import write_result

from edgeopt.core.dataset import Dataset
from edgeopt.graph.fold import folded
from edgeopt.graph.load import load_onnx
from edgeopt.steps.quantize.affine import weight_scale
from edgeopt.steps.quantize.observation.layer import from_layer_matrix, layer_matrix, layer_scale
from edgeopt.steps.quantize.observation.moments import Moments, second_moments
from edgeopt.steps.quantize.placement.place import channel_axis, constant, node_name, place
from edgeopt.steps.quantize.rounding.adaround import round_adaround
from edgeopt.steps.quantize.rounding.bias import bias_shift
from edgeopt.steps.quantize.rounding.gptq import round_gptq
from edgeopt.steps.quantize.rounding.scales import Integers, round_nearest, weight_scale_mse
from edgeopt.workflow.inputs import data_for, model_artifact

SAMPLES, JUDGED, BATCH = 150, 200, 25
BITS = {127: 8, 64: 7, 7: 4}  # by the largest integer

Round = Callable[[Any, Any, int, Moments], Integers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to make integers of weights.

    Attributes:
        rounding: Of weights, given their scale and limit, and the moments of their columns.
        is_clipped: Whether scales are those of least squared error, not the largest magnitude.
        is_corrected: Whether the mean error is taken from the bias, and rounding minds only what is left.
    """

    rounding: Round
    is_clipped: bool = False
    is_corrected: bool = True


def nearest(matrix: Any, scale: Any, limit: int, _: Moments) -> Integers:
    """The nearest integers."""
    return round_nearest(matrix, scale, limit)


METHODS = {
    "nearest": Method(rounding=nearest, is_corrected=False),
    "least squares scale, nearest": Method(rounding=nearest, is_clipped=True, is_corrected=False),
    "nearest, bias": Method(rounding=nearest),
    "least squares scale, nearest, bias": Method(rounding=nearest, is_clipped=True),
    "GPTQ": Method(rounding=round_gptq, is_corrected=False),
    "GPTQ falling order, bias": Method(rounding=partial(round_gptq, orders=["falling"])),
    "GPTQ given order, bias": Method(rounding=partial(round_gptq, orders=["given"])),
    "GPTQ, bias": Method(rounding=round_gptq),
    "GPTQ damping 0.001, bias": Method(rounding=partial(round_gptq, damping=0.001)),
    "GPTQ damping 0.1, bias": Method(rounding=partial(round_gptq, damping=0.1)),
    "least squares scale, GPTQ, bias": Method(rounding=round_gptq, is_clipped=True),
    "AdaRound, 300 steps, bias": Method(rounding=partial(round_adaround, iterations=300)),
}


class Network:
    """A folded model, its samples, and what it answers to those that are judged."""

    def __init__(self, case: Case) -> None:
        self.name = case.name
        self.model = folded(load_onnx(case.model), where=str(case.model))
        graph = ir.serde.deserialize_model(self.model).graph
        self.nodes = [
            node
            for node in place(graph).nodes
            if node.op_type in ("Conv", "Gemm", "MatMul") and constant(node.inputs[1])
        ]
        self.data = data_for(model_artifact(case.model), case.data)
        half = len(self.data) // 2
        self.judged = self.data.rows(np.arange(half, min(len(self.data), half + JUDGED)))
        self.answers = self.outputs(self.model)

    def moments(self, seed: int) -> dict[str, Moments]:
        """Moments on samples drawn from the first half."""
        half = len(self.data) // 2
        drawn = np.random.default_rng(seed).choice(half, min(SAMPLES, half), replace=False)
        calibration: Dataset = self.data.rows(np.sort(drawn))
        return second_moments(self.model, self.nodes, calibration, seed=seed)

    def outputs(self, model: onnx.ModelProto) -> NDArray[np.float64]:
        """(sample, number) float64 answers of `model` to the judged samples."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        batches = [
            np.concatenate([output.reshape(len(output), -1) for output in session.run(None, feeds)], axis=1)
            for feeds in self.judged.batches(BATCH)
        ]
        return np.concatenate(batches).astype(np.float64)

    def rounded(self, method: Method, limit: int, moments: dict[str, Moments]) -> tuple[onnx.ModelProto, float]:
        """The model with rounded weights, and how long rounding took in s."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        readers = {node.name or node.output[0]: node for node in model.graph.node}
        start = time.perf_counter()
        for node in self.nodes:
            weight, bias = rounded_layer(node, method, limit, moments[node_name(node)])
            reader = readers[node_name(node)]
            reader.input[1] = constant_of(model.graph, f"{node_name(node)} weight", weight)
            if bias is not None and node.op_type != "MatMul":
                reader.input[:] = [*reader.input[:2], constant_of(model.graph, f"{node_name(node)} bias", bias)]
        return model, time.perf_counter() - start


def rounded_layer(node: ir.Node, method: Method, limit: int, moments: Moments) -> tuple[Any, Any]:
    """The weight that rounding leaves of a node's, and the bias that makes its mean error good, or None."""
    matrix = layer_matrix(node)
    scale_of = weight_scale_mse if method.is_clipped else weight_scale
    scale = layer_scale(node, scale_of(from_layer_matrix(node, matrix), axis=channel_axis(node), limit=limit))
    integers = method.rounding(matrix, scale, limit, moments.centred() if method.is_corrected else moments)
    weight = from_layer_matrix(node, integers * scale)
    if not method.is_corrected:
        return weight, None
    given = node.inputs[2] if len(node.inputs) > 2 else None
    before = given.const_value.numpy().reshape(-1) if given is not None and given.const_value is not None else 0
    return weight, before - bias_shift(matrix, integers, scale, moments)


def constant_of(graph: onnx.GraphProto, name: str, values: Any) -> str:
    """The name of a new float32 constant."""
    graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
    return name


def measured(network: Network, limits: list[int], draws: int) -> list[tuple[str, ...]]:
    """One row per width of weights and method."""
    figures: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for seed in range(draws):
        moments = network.moments(seed)
        for limit in limits:
            for name, method in METHODS.items():
                model, seconds = network.rounded(method, limit, moments)
                noise = np.square(network.outputs(model) - network.answers).sum()
                decibels = 10 * np.log10(np.square(network.answers).sum() / noise)
                figures.setdefault((limit, name), []).append((float(decibels), seconds))
    rows = []
    for (limit, name), found in figures.items():
        decibels, seconds = np.array(found).T
        error = decibels.std(ddof=1) / len(decibels) ** 0.5
        row = (
            network.name,
            str(BITS[limit]),
            name,
            f"{decibels.mean():.1f} ± {error:.1f}",
            f"{np.median(seconds):.2f}",
        )
        print(*row, sep=" | ", flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Measure every network with every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("others", nargs="*", metavar="ONNX=NPZ", help="more networks, each with its samples")
    parser.add_argument("--draws", type=int, default=5, help="draws of the samples that moments come from (default: 5)")
    parser.add_argument("--limits", type=int, nargs="+", choices=BITS, default=list(BITS), help="largest integers")
    parser.add_argument("--write", action="store_true", help="write docs/results/weight-rounding.md")
    options = parser.parse_args()
    pairs = [tuple(map(Path, pair.split("=", 1))) for pair in options.others]
    networks = [*cases(), *(Case(model.stem, model, data) for model, data in pairs)]
    rows = []
    for case in networks:
        rows.extend(measured(Network(case), options.limits, options.draws))
        if options.write:  # after every network, as the deep ones take minutes
            write(rows, options.draws)


def write(rows: list[tuple[str, ...]], draws: int) -> None:
    """Write docs/results/weight-rounding.md."""
    write_result(
        RESULTS / "weight-rounding.md",
        title="Roundings of weights",
        about=(
            "Output signal over the noise that integer weights make, activations float, on samples that no moment "
            f"saw: mean and standard error over {draws} draws of {SAMPLES} samples for the moments. One "
            "scale per output channel. Seconds: rounding of all layers, without the moments, OpenBLAS on one "
            "thread, beside other work on the machine."
        ),
        header=("network", "bits", "weights", "output SQNR, dB", "seconds"),
        rows=rows,
    )


if __name__ == "__main__":
    main()
