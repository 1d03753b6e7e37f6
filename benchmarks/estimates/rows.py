"""The published latencies that the estimates are fitted on, sorted into groups, and what is left out of them.

Left out: rows marked suspect in ../shared (the MLPerf set of the Raspberry Pi 3 among them), GPUs and accelerators,
older ncnn results (other versions, other clocks), TensorFlow Lite 1.x, networks whose layers are not known, and
microcontrollers with an accelerator.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeopt.predict.features import feature_vector
from edgeopt.predict.kernels import Kernel
from estimates import nasbench
from estimates.fit import Rows
from estimates.ncnn_table import ncnn_networks
from estimates.networks import kernels_of

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "latency"
_LEAST_MODELS = {"ncnn": 5, "tflite": 5, "armnn": 5, "micro": 3}
_NCNN_THREADS = frozenset({"1", "2", "4", "6", "8"})
_NOT_CPU = ("gpu", "accel")
# Stacks for microcontrollers by a word of their runtime's name.
_STACKS = (
    (r"X-CUBE-AI v(\d+)", "x-cube-ai-{0}"),
    (r"Plumerai.*(2023)", "plumerai-2023"),
    (r"Plumerai", "plumerai"),
    (r"Bosch", "hale"),
    (r"microTVM", "microtvm"),
    (r"ONNC", "onnc"),
    (r"(?i)tensorflow ?lite", "tflite-micro"),
)
_CORTEX_M = re.compile(r"M4|M7|M33|NUCLEO|Nucleo|nRF|DISCO|CY8|U585|NUMAKER")
_WITH_ACCELERATOR = ("xG24", "U3C5")


class Key(NamedTuple):
    """What a group of rows shares."""

    target: str
    runtime: str
    dtype: str
    threads: int


class Class(NamedTuple):
    """What groups share that are pooled: an engine, a dtype, and whether one thread or several run."""

    engine: str
    dtype: str
    is_single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One published latency."""

    key: Key
    engine: str
    model: str
    seconds: float
    joules: float | None = None


def family_of(model: str) -> str:
    """Family of a network: siblings of one paper and width or depth differ too little to check each other."""
    for family in ("mobilenet-v1", "mobilenet-v2", "efficientnet-lite"):
        if model.startswith(family):
            return family
    return model


def readings() -> list[Reading]:
    """All usable rows."""
    return [*_cpu_readings(), *_micro_readings()]


def groups() -> dict[Class, dict[Key, Rows]]:
    """Rows per class and key; of several readings of one network the median counts."""
    found: dict[tuple[Class, Key], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings():
        pool = Class(reading.engine, reading.key.dtype, reading.key.threads == 1)
        found[pool, reading.key][reading.model].append(reading.seconds)
    classes: dict[Class, dict[Key, Rows]] = defaultdict(dict)
    for (pool, key), models in found.items():
        if len(models) < _LEAST_MODELS[pool.engine]:
            continue
        names = tuple(models)
        classes[pool][key] = Rows(
            models=names,
            families=np.array([family_of(name) for name in names]),
            amounts=np.array([_amounts(name, pool.engine) for name in names]),
            seconds=np.array([np.median(models[name]) for name in names]),
        )
    return classes


def cells() -> Rows:
    """NAS-Bench-201 on a Raspberry Pi 4: TensorFlow Lite float32, version and threads not recorded."""
    with (DATA / "nasbench201_raspi4.csv").open(encoding="utf-8") as file:
        found = [(row["arch_str"], float(row["raspi4_ms"]) / 1e3) for row in csv.DictReader(file)]
    kept = [(text, seconds) for text, seconds in found if nasbench.is_connected(nasbench.edges_of(text))]
    edges = [nasbench.edges_of(text) for text, _ in kept]
    return Rows(
        models=tuple(text for text, _ in kept),
        families=np.array([f"{nasbench.windows_in(one)} 3x3 convolutions" for one in edges]),
        amounts=np.array([feature_vector(nasbench.network_of(one).kernels) for one in edges]),
        seconds=np.array([seconds for _, seconds in kept]),
    )


def _cpu_readings() -> Iterator[Reading]:
    with (DATA / "latency.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            target = row["target_id"]
            if row["quality"] != "ok" or not row["latency_ms"] or any(word in target for word in _NOT_CPU):
                continue
            named = _runtime_of(row)
            if named is None or _kernels(row["model"], named[0]) is None:
                continue
            engine, runtime = named
            threads = int(float(row["threads"])) if row["threads"] else 0  # 0: not recorded
            key = Key(target, runtime, _dtype(row["dtype"]), threads)
            yield Reading(key=key, engine=engine, model=row["model"], seconds=float(row["latency_ms"]) / 1e3)


def _runtime_of(row: dict[str, str]) -> tuple[str, str] | None:
    """(engine, runtime) of a row, None for one that is not used."""
    if row["csv"] == "ncnn_benchmark.csv" and row["runtime"] == "ncnn cpu" and row["threads"] in _NCNN_THREADS:
        return "ncnn", "ncnn"
    if row["csv"] != "mlperf_inference_singlestream.csv":
        return None
    if found := re.match(r"TFLite v(2[\d.]*|master)", row["runtime"]):
        return "tflite", f"litert-{found[1]}"
    if found := re.match(r"ArmNN v([\d.]+) \(Neon\)", row["runtime"]):
        return "armnn", f"armnn-{found[1]}"
    return None


def _micro_readings() -> Iterator[Reading]:
    with (DATA / "mlperf_tiny.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            device = row["device"]
            stack = _stack_of(row["runtime"])
            is_cortex = _CORTEX_M.search(row["cpu"] + device) is not None
            is_known = _kernels(row["model"], "micro") is not None
            if not row["latency_ms"] or not is_cortex or stack is None or not is_known:
                continue
            if any(word in device for word in _WITH_ACCELERATOR):
                continue
            board = device.upper().removesuffix("-Q").removesuffix("-P")
            if stack in ("microtvm", "onnc"):
                stack = f"{stack}-native" if "native" in row["target_id"].lower() else f"{stack}-cmsis-nn"
            yield Reading(
                key=Key(board, stack, _dtype(row["dtype"]), 1),
                engine="micro",
                model=row["model"],
                seconds=float(row["latency_ms"]) / 1e3,
                joules=float(row["energy_uJ_per_inf"]) / 1e6 if row["energy_uJ_per_inf"] else None,
            )


def _stack_of(runtime: str) -> str | None:
    found = ((re.search(pattern, runtime), name) for pattern, name in _STACKS)
    return next((name.format(*match.groups()) for match, name in found if match), None)


def _dtype(text: str) -> str:
    return {"fp32": "float32", "fp16": "float16"}.get(text, text)


@cache
def _amounts(model: str, engine: str) -> NDArray[np.float64]:
    kernels = _kernels(model, engine)
    assert kernels is not None
    return feature_vector(kernels)


@cache
def _kernels(model: str, engine: str) -> list[Kernel] | None:
    return _ncnn().get(model) if engine == "ncnn" else kernels_of(model)


@cache
def _ncnn() -> dict[str, list[Kernel]]:
    return ncnn_networks(DATA / "ncnn_model_layers.csv")
