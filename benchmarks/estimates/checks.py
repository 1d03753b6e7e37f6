"""Checks of the estimates that stand apart: NAS-Bench-201, a network of which the fit has no row, and speed."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import kendalltau

from edgeopt.predict.estimate import estimate, estimate_of
from edgeopt.predict.rates import all_rates
from estimates import nasbench
from estimates.fit import Rows
from estimates.holdout import LEVEL, Residual, held_out
from estimates.ncnn_table import ncnn_networks
from estimates.rows import DATA, Class, Key, cells

# Published as GFLOP/s in ../shared/data/latency/hardware_facts.csv, from rows that the fit does not have.
_RESNET50_GFLOPS = {
    ("rpi4", 4): 29.5,
    ("rpi4", 1): 14.5,
    ("rpi5", 4): 168.0,
    ("rpi5", 1): 86.7,
    ("jetson-nano", 4): 37.9,
    ("orin-nano", 6): 199.0,
    ("rpi-zero2w", 4): 9.9,
}
_MOST_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the table: a figure, beside its bar where it has one."""

    what: str
    rows: int
    error: float
    other: str
    bar: str
    is_met: bool | None

    def cells(self) -> list[str]:
        """The row as it is written."""
        verdict = {True: "met", False: "missed", None: ""}[self.is_met]
        return [
            self.what,
            str(self.rows),
            f"{self.error:.1%}" if self.error >= 0 else "",
            self.other,
            self.bar,
            verdict,
        ]


def median_error(found: Sequence[Residual]) -> float:
    """Median of |predicted / published - 1|."""
    return error_at(found, 0.5)


def error_at(found: Sequence[Residual], level: float) -> float:
    """|predicted / published - 1| that a share `level` of the networks keeps."""
    return float(np.quantile([abs(np.exp(one.log_ratio) - 1) for one in found], level))


def cell_lines() -> list[Line]:
    """NAS-Bench-201: cells with as many 3x3 convolutions are a family."""
    rows = cells()
    key = Key("rpi4", "litert-nas", "float32", 0)
    found = held_out(Class("tflite", "float32", False), {key: rows}, [key])[key]
    by_model = {one.model: one.log_ratio for one in found}
    ratios = np.array([by_model[model] for model in rows.models])
    tau = float(kendalltau(rows.seconds * np.exp(ratios), rows.seconds).statistic)
    error = median_error(found)
    twins, twins_tau = _twins(rows)
    return [
        Line(
            what="NAS-Bench-201 on rpi4, cells with as many 3x3 convolutions held out",
            rows=len(found),
            error=error,
            other=f"90 % of them within {error_at(found, LEVEL):.0%}",
            bar="<= 8%",
            is_met=error <= 0.08,
        ),
        Line(
            what="the same, Kendall's tau with the measured order",
            rows=len(found),
            error=-1,
            other=f"tau {tau:.3f}; {twins} cells told by the median of those that compute the same: {twins_tau:.3f}",
            bar=">= 0.9",
            is_met=tau >= 0.9,
        ),
    ]


def _twins(rows: Rows) -> tuple[int, float]:
    """(cells, Kendall's tau): each told by the others that compute the same, of cells without dead operators."""
    found: dict[str, list[float]] = defaultdict(list)
    for text, seconds in zip(rows.models, rows.seconds, strict=True):
        edges = nasbench.edges_of(text)
        if not nasbench.has_dead_operators(edges):
            found[nasbench.computation_of(edges)].append(float(seconds))
    pairs = [
        (statistics.median([*times[:place], *times[place + 1 :]]), times[place])
        for times in found.values()
        if len(times) > 1
        for place in range(len(times))
    ]
    told, measured = zip(*pairs, strict=True)
    return len(pairs), float(kendalltau(told, measured).statistic)


def speed_lines() -> list[Line]:
    """Time that an estimate of MobileNetV2 takes from its file, with libraries loaded; nothing without torch."""
    if find_spec("torch") is None:
        return []
    from models.export import export_onnx
    from models.mobilenet_v2 import build, example_inputs

    with TemporaryDirectory() as folder:
        path = Path(folder, "mobilenet_v2.onnx")
        export_onnx(build().eval(), example_inputs(), path)
        took = []
        for _ in range(5):
            begin = time.perf_counter()
            guess = estimate(path, "rpi4")
            took.append(time.perf_counter() - begin)
    slowest = max(took[1:])
    return [
        Line(
            what="an estimate of MobileNetV2 from its ONNX file, the slowest of 4 after the first",
            rows=1,
            error=-1,
            other=f"{slowest * 1e3:.0f} ms, {len(guess.kernels)} kernels; the first, which loads libraries, "
            f"{took[0] * 1e3:.0f} ms",
            bar="< 300 ms",
            is_met=slowest < _MOST_SECONDS,
        )
    ]


def resnet50_line() -> Line:
    """ResNet-50 under ncnn, none of whose rows the data hold."""
    kernels = ncnn_networks(DATA / "ncnn_model_layers.csv")["resnet50"]
    work = 2e-9 * sum(kernel.macs for kernel in kernels)
    errors, inside = [], 0
    for rates in all_rates():
        rate = _RESNET50_GFLOPS.get((rates.target, rates.threads))
        if rates.runtime == "ncnn" and rates.dtype != "int8" and rate:
            guess = estimate_of(kernels, rates)
            errors.append(abs(guess.median / (work / rate) - 1))
            inside += guess.interval90[0] <= work / rate <= guess.interval90[1]
    return Line(
        what="ResNet-50 under ncnn, shipped rates, of whose rows the fit has none",
        rows=len(errors),
        error=statistics.median(errors),
        other=f"worst {max(errors):.0%}; {inside} of {len(errors)} inside the interval",
        bar="",
        is_met=None,
    )
