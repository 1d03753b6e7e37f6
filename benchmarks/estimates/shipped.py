"""Which groups of rows ship as rates, under which target's name, in which order, and what is said with them."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from estimates.rows import DATA, Key, readings

# A wider interval than this says nothing: the group is refused as one without data.
WIDEST = math.log(3.0)
_MLPERF = "MLPerf Inference by Krai, SingleStream: github.com/mlcommons/inference_results_v0.5 to v3.0"
_TINY = "MLPerf Tiny: github.com/mlcommons/tiny_results_v0.5 to v1.3"
_NCNN = "ncnn's own benchmark: github.com/Tencent/ncnn, benchmark/README.md"
_CORES = "the number of threads is not in the logs: all cores are inferred from the benchmark's default"
# The clock that MLPerf's system descriptions and ncnn's headings give, GHz.
_CLOCKS = {"litert-2.4.1": 1.5, "litert-2.5.0": 1.5, "litert-2.7.1": 1.8, "armnn-21.02": 1.5, "armnn-21.11": 1.8}
_CLOCKS |= {"armnn-19.08": 1.5, "armnn-22.11": 1.8, "ncnn": 1.8}
_ORDER = ("litert", "tflite-micro", "ncnn", "x-cube-ai", "armnn", "plumerai", "hale", "microtvm", "onnc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board with data, and the target that stands for it.

    Attributes:
        target: Name of the profile.
        factor: What its times are multiplied by for the target.
        notes: What that assumes.
    """

    target: str
    factor: float = 1.0
    notes: tuple[str, ...] = ()


BOARDS = {
    "rpi4": Board(target="rpi4"),
    "rpi5": Board(target="rpi5"),
    "rpi3bplus": Board(
        target="rpi3",
        factor=1.4 / 1.2,
        notes=("measured on a 3 Model B+ at 1.4 GHz; times are those of 1.2 GHz by the ratio of the clocks",),
    ),
    "rpi_zero2w": Board(target="rpi-zero2w"),
    "jetson_nano": Board(target="jetson-nano"),
    "orin_nano": Board(target="orin-nano"),
    "NUCLEO-L4R5ZI": Board(target="stm32l4r5"),
    "NUCLEO-H7A3ZI": Board(target="stm32h7", notes=("measured on an STM32H7A3 at 280 MHz",)),
    "NUCLEO-U575ZI": Board(target="stm32u5"),
    "NRF5340 DK": Board(target="nrf5340"),
}


def order_of(key: Key) -> tuple[str, int, list[float], int]:
    """Where a group stands in the file: by target, preferred runtime, newest version, most threads."""
    engine = next(place for place, name in enumerate(_ORDER) if key.runtime.startswith(name))
    version = [-float(part) for part in key.runtime.rpartition("-")[2].split(".") if part.isdigit()]
    return BOARDS[key.target].target, engine, version, -key.threads


def source_of(key: Key) -> str:
    if key.runtime == "ncnn":
        return _NCNN
    return _MLPERF if key.runtime.startswith(("litert", "armnn")) else _TINY


def notes_of(key: Key) -> tuple[str, ...]:
    notes = list(BOARDS[key.target].notes)
    if key.target == "rpi4" and key.runtime in _CLOCKS:
        notes.append(f"measured at {_CLOCKS[key.runtime]} GHz")
    if key.runtime.startswith(("litert", "armnn")):
        notes.append(_CORES)
    return tuple(notes)


def watts_of(key: Key) -> tuple[float, str] | None:
    """(median watts while it runs, what was metered); None where nothing was."""
    if key.target == "rpi4":
        found = _wall_watts().get((key.runtime, key.dtype))
        return (round(found, 2), "AC power of the whole board at the wall, MLPerf Inference") if found else None
    joules = [one for one in readings() if one.key == key and one.joules]
    if not joules:
        return None
    watts = statistics.median(one.joules / one.seconds for one in joules if one.joules)
    return round(watts, 4), "power of the microcontroller, supply as submitted, MLPerf Tiny"


@cache
def _wall_watts() -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (DATA / "power.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["target_id"] != "rpi4":
                continue
            name, version = row["runtime"].split()[:2]
            runtime = f"{'litert' if name == 'TFLite' else 'armnn'}-{version.removeprefix('v')}"
            dtype = "float32" if row["dtype"] == "fp32" else row["dtype"]
            found[runtime, dtype].append(float(row["avg_wall_watts"]))
    return {key: statistics.median(values) for key, values in found.items()}
