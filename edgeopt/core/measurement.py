"""A figure that never loses its unit, its origin or its raw samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edgeopt.errors import InputError


class Origin(StrEnum):
    """Where a figure comes from; the four are never mixed up."""

    DEVICE = "device"
    HOST = "host"
    EMULATED = "emulated"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Raw samples of one metric of one artifact on one target.

    Attributes:
        metric: `latency`, `load`, `memory`, `size`, `accuracy`, `soak`, ...
        artifact: SHA-256 of the artifact that was measured.
        target: Name of the target it was measured on or for.
        unit: `s`, `B`, `1` (a share or a plain number), `J`, `dB`.
        origin: Where the samples come from.
        samples: Raw values in `unit`, a tuple per process in the order measured (of a soak, per window); a metric
            that is computed once has one process with one value.
        details: What else identifies the figure: `threads`, `runtime`, `batch`, `n`, `ci95`, a predictions file.
    """

    metric: str
    artifact: str
    target: str
    unit: str
    origin: Origin
    samples: tuple[tuple[float, ...], ...]
    details: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The measurement as the JSON record holds it."""
        return {
            "metric": self.metric,
            "artifact": self.artifact,
            "target": self.target,
            "unit": self.unit,
            "origin": self.origin.value,
            "samples": [list(process) for process in self.samples],
            **({"details": self.details} if self.details else {}),
        }


def single_value(
    metric: str, value: float, *, artifact: str, unit: str, origin: Origin, target: str = "host", **details: Any
) -> Measurement:
    """The measurement of a metric that is computed once."""
    return Measurement(
        metric=metric,
        artifact=artifact,
        target=target,
        unit=unit,
        origin=origin,
        samples=((float(value),),),
        details=details,
    )


def measurement_from_json(record: dict[str, Any]) -> Measurement:
    """The measurement that `Measurement.as_json` wrote.

    Raises:
        InputError: A key is missing or holds something else, or a sample is no finite number.
    """
    try:
        return Measurement(
            metric=str(record["metric"]),
            artifact=str(record["artifact"]),
            target=str(record["target"]),
            unit=str(record["unit"]),
            origin=Origin(record["origin"]),
            samples=tuple(tuple(_sample(value) for value in process) for process in record["samples"]),
            details=dict(record.get("details", {})),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"a measurement of the run cannot be read: {error!r}", hint="write the run with `--json` again"
        ) from error


def _sample(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"`{value}` is not a finite number")
    return float(value)
