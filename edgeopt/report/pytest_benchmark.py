"""The JSON that pytest-benchmark writes, so that `pytest-benchmark compare` and its readers take ours."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt.core.files import write_text
from edgeopt.core.run import json_text
from edgeopt.errors import Unsupported
from edgeopt.report.estimates import measured_rows


def write_benchmark_json(record: dict[str, Any], path: Path, *, force: bool) -> None:
    """Write the runs of a `bench` record to `path`.

    Raises:
        InputError: `path` may not be written.
        Unsupported: Nothing was measured.
    """
    if not measured_rows(record):
        raise Unsupported("`--benchmark-json` holds samples, an estimate has none", hint="`--json` prints estimates")
    write_text(path, json_text(benchmark_document(record)), force=force)


def benchmark_document(record: dict[str, Any]) -> dict[str, Any]:
    """The document, with the keys of pytest-benchmark 5; times in seconds. Estimates have no samples to write."""
    environment = record["environment"]
    return {
        "machine_info": {
            "node": environment["machine"],
            "processor": environment["architecture"],
            "machine": environment["architecture"],
            "python_compiler": platform.python_compiler(),
            "python_implementation": platform.python_implementation(),
            "python_implementation_version": environment["python"],
            "python_version": environment["python"],
            "python_build": list(platform.python_build()),
            "release": environment["os"],
            "system": platform.system(),
            "cpu": {"brand_raw": environment["cpu"], "count": environment["cores"]},
        },
        "commit_info": {
            "id": "unknown",
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": "",
            "branch": "",
        },
        "benchmarks": [_benchmark(row) for row in measured_rows(record)],
        "datetime": environment["date"],
        "version": "5.0.0",
    }


def _benchmark(row: dict[str, Any]) -> dict[str, Any]:
    name = f"{Path(row['path']).name}[{row['target']}-{row['runtime']}-t{row['threads']}-b{row['batch']}]"
    return {
        "group": None,
        "name": name,
        "fullname": f"edgeopt::{name}",
        "params": None,
        "param": None,
        "extra_info": {"artifact": row["artifact"], "origin": row["origin"]},
        "options": {
            "disable_gc": True,
            "timer": "perf_counter",
            "min_rounds": 1,
            "max_time": 0,
            "min_time": 0,
            "warmup": True,
        },
        "stats": _statistics(row["latency"]["samples"]),
    }


def _statistics(samples: list[list[float]]) -> dict[str, Any]:
    """Statistics as pytest-benchmark defines them; outliers by 1.5 times the interquartile range (Tukey)."""
    data = np.array([value for process in samples for value in process])
    q1, median, q3 = (float(value) for value in np.quantile(data, (0.25, 0.5, 0.75)))
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    mean, deviation = float(data.mean()), float(data.std(ddof=1))
    iqr_outliers = int(np.sum((data < low) | (data > high)))
    deviation_outliers = int(np.sum(np.abs(data - mean) > deviation))
    return {
        "min": float(data.min()),
        "max": float(data.max()),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(data),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": iqr_outliers,
        "stddev_outliers": deviation_outliers,
        "outliers": f"{deviation_outliers};{iqr_outliers}",
        "ld15iqr": float(data[data >= low].min()),
        "hd15iqr": float(data[data <= high].max()),
        "ops": 1 / mean,
        "total": float(data.sum()),
        "data": data.tolist(),
        "iterations": 1,
    }
