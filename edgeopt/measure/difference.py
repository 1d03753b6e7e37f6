"""How far apart two models are on the same inputs, output by output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.measure.signal import signal_to_noise_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one output of a model differs by from that of another over some samples.

    Attributes:
        largest: The largest absolute difference of two values; infinite where shapes differ, or only one is finite.
        mean: The mean absolute difference.
        relative: `largest` as a part of the largest magnitude of the reference; infinite where that is 0 and the
            difference is not.
        root_mean_square: Of the difference.
        magnitude: The largest magnitude of the reference.
        sqnr_db: 10 log10(sum of squares / sum of squared differences) in dB, within ±120.
    """

    largest: float
    mean: float
    root_mean_square: float
    magnitude: float
    relative: float
    sqnr_db: float

    def as_json(self) -> dict[str, Any]:
        """The figures under their JSON keys; without a unit of their own they are in that of the output."""
        return {
            "largest": {"value": self.largest, "unit": "1"},
            "mean": {"value": self.mean, "unit": "1"},
            "relative": {"value": self.relative, "unit": "1"},
            "sqnr": {"value": self.sqnr_db, "unit": "dB"},
        }


class Differences:
    """Differences gathered batch by batch."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def add(self, reference: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> None:
        """Take in one batch: every output of `reference`, and those of the same names of `given`."""
        for name, wanted in reference.items():
            self._tallies.setdefault(name, _Tally()).add(wanted, given[name])

    def by_output(self) -> dict[str, Difference]:
        """The difference over all batches taken in, by the name of the output."""
        return {name: tally.difference() for name, tally in self._tallies.items()}


@dataclass(slots=True)
class _Tally:
    largest: float = 0.0
    total: float = 0.0
    count: int = 0
    magnitude: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, wanted: NDArray[Any], given: NDArray[Any]) -> None:
        is_alike = wanted.shape == given.shape
        kept = np.isfinite(wanted) if is_alike else None
        if kept is None or not np.array_equal(kept, np.isfinite(given)) or not _same_beyond(wanted, given, ~kept):
            self.largest = self.total = self.noise = math.inf
            return
        exact, other = wanted[kept].astype(np.float64), given[kept].astype(np.float64)
        gap = np.abs(exact - other)
        self.largest = max(self.largest, float(gap.max(initial=0.0)))
        self.magnitude = max(self.magnitude, float(np.abs(exact).max(initial=0.0)))
        self.total += float(gap.sum())
        self.count += gap.size
        self.signal += float(exact @ exact)
        self.noise += float(gap @ gap)

    def difference(self) -> Difference:
        is_equal = self.largest == 0
        return Difference(
            largest=self.largest,
            mean=self.total / self.count if self.count else self.largest,
            root_mean_square=math.sqrt(self.noise / self.count) if self.count else self.largest,
            magnitude=self.magnitude,
            relative=0.0 if is_equal else self.largest / self.magnitude if self.magnitude else math.inf,
            sqnr_db=signal_to_noise_db(self.signal, self.noise),
        )


def _same_beyond(wanted: NDArray[Any], given: NDArray[Any], strange: NDArray[np.bool_]) -> bool:
    """Whether NaN and infinities stand for the same in both."""
    return np.array_equal(wanted[strange], given[strange], equal_nan=True)
