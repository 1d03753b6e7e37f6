"""How far an output of a converted model is from that of its source, and how far it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeopt.measure.signal import signal_to_noise_db

Array = NDArray[Any]
Numbers = Literal["float32", "float16", "integer", "dynamic"]

# Both models compute in float32, but in another order: the last bits differ by about the square root of the number of
# terms, in units of 2**-24 of the largest value.
FLOAT32_TOLERANCE = 1e-4
# The one rounds what lies between its layers to float16, the other does not: 16 units of 2**-11, as many as 256 layers
# add up to where they are independent.
FLOAT16_TOLERANCE = 2.0**-7
# What one int8 inference whose ranges are found anew differs by from another: each rounds to a 255th of a range.
DYNAMIC_SQNR_DB = 20.0


@dataclass(slots=True)
class Difference:
    """What adds up over samples of one output.

    Attributes:
        largest: Largest magnitude of the source's output.
        gap: Largest absolute difference.
        absolute: Sum of absolute differences.
        signal: Sum of squares of the source's output.
        noise: Sum of squares of the difference.
        count: Numbers compared.
        same: Rows of two axes in which the largest number lies in the same place.
        rows: Such rows.
        fault: What besides numbers is different; empty where nothing is.
    """

    largest: float = 0.0
    gap: float = 0.0
    absolute: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    count: int = 0
    same: int = 0
    rows: int = 0
    fault: str = field(default="")

    def add(self, wanted: Array, got: Array) -> None:
        """Compare one batch."""
        if wanted.shape != got.shape:
            self.fault = f"has shape {list(got.shape)}, not {list(wanted.shape)}"
            return
        is_finite = np.isfinite(wanted) if wanted.dtype.kind == "f" else np.ones(wanted.shape, bool)
        if wanted.dtype.kind == "f" and not np.array_equal(wanted[~is_finite], got[~is_finite], equal_nan=True):
            self.fault = "is NaN or infinite elsewhere"
            return
        if got.dtype.kind == "f" and not np.isfinite(got[is_finite]).all():
            self.fault = "is NaN or infinite"
            return
        self._add_numbers(wanted[is_finite].astype(np.float64), got[is_finite].astype(np.float64))
        if wanted.ndim == 2 and wanted.shape[1] > 1:
            self.rows += len(wanted)
            self.same += int(np.sum(wanted.argmax(axis=1) == got.argmax(axis=1)))

    def _add_numbers(self, wanted: Array, got: Array) -> None:
        gaps = np.abs(wanted - got)
        self.largest = max(self.largest, float(np.abs(wanted).max(initial=0.0)))
        self.gap = max(self.gap, float(gaps.max(initial=0.0)))
        self.absolute += float(gaps.sum())
        self.signal += float(np.square(wanted).sum())
        self.noise += float(np.square(gaps).sum())
        self.count += wanted.size

    @property
    def relative(self) -> float:
        """Largest difference as a share of the largest magnitude; where that is 0, the difference itself."""
        return self.gap / self.largest if self.largest else self.gap

    @property
    def root_mean_square(self) -> float:
        """Of the difference."""
        return float(np.sqrt(self.noise / self.count)) if self.count else 0.0

    @property
    def sqnr_db(self) -> float:
        """Signal to noise in dB; 120 is exact to float32."""
        return signal_to_noise_db(self.signal, self.noise)

    def as_json(self) -> dict[str, Any]:
        """The figures under their JSON keys, in units of the output."""
        return {
            "max_difference": self.gap,
            "mean_difference": self.absolute / self.count if self.count else 0.0,
            "relative": self.relative,
            "sqnr_db": self.sqnr_db,
            "top1_agreement": self.same / self.rows if self.rows else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How far an output may be from that of the source.

    Attributes:
        numbers: What the source computes with.
        step: Of the integers that the output is rounded to, in its own unit; 0 where it is not.
        unrest: Root mean square of what the source's own output changes by where its inputs move within a quantization
            step; 0 where that was not measured.
    """

    numbers: Numbers
    step: float = 0.0
    unrest: float = 0.0

    def excess(self, found: Difference) -> str:
        """How the difference breaks the bound; empty where it does not."""
        if found.fault:
            return found.fault
        if self.numbers == "integer":
            allowed = max(self.step, self.unrest, FLOAT32_TOLERANCE * found.largest)
            if found.root_mean_square <= allowed:
                return ""
            return f"differs by {found.root_mean_square:.3g} (root mean square), where {allowed:.3g} is rounding"
        if self.numbers == "dynamic":
            is_close = found.sqnr_db >= DYNAMIC_SQNR_DB or found.relative <= FLOAT32_TOLERANCE
            return "" if is_close else f"has {found.sqnr_db:.1f} dB, where {DYNAMIC_SQNR_DB:.0f} dB are due"
        tolerance = FLOAT16_TOLERANCE if self.numbers == "float16" else FLOAT32_TOLERANCE
        if found.relative <= tolerance:
            return ""
        return f"differs by {found.relative:.3g} of its largest value, where {tolerance:.2g} is rounding"

    def as_json(self) -> dict[str, Any]:
        """The bound under its JSON keys."""
        return {"numbers": self.numbers, "step": self.step or None, "unrest": self.unrest or None}
