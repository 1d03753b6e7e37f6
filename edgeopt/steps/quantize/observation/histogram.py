"""Counts of values on a grid of powers of two: of constant size, and the same however the values are cut and ordered.

A bin is [i * width, (i + 1) * width) for an integer i, and width = 2**exponent. The exponent is the smallest for which
all values seen lie in at most `BINS` bins. When the range grows, bins are merged in pairs; since floor(x / 2**(k + 1))
= floor(floor(x / 2**k) / 2), the counts are those that the final grid would have given from the start.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Between BINS / 2 and BINS of them are used, 16 to 32 for each of 256 levels. As many int64 take 64 KiB, which fit in
# the second-level cache beside a chunk of values.
BINS = 8192
_CHUNK = 1 << 15
_MANTISSA_BITS = 24  # of float32: a finer grid than the spacing of its values tells nothing more
_LEAST_EXPONENT = -149  # the spacing of denormal float32
_FULL_SHIFT = 40  # an index is below 2**25: shifted by more it is 0 or -1

# Within these exponents scaling float32 by 2**-exponent is exact: the factor exists, and no product becomes denormal.
_EXACT_EXPONENTS = range(-126, 1)

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]


class Histogram:
    """How many finite values fell into each bin, with the exact extremes.

    Attributes:
        low: Smallest value; infinity while there is none.
        high: Largest value; minus infinity while there is none.
        exponent: The width of a bin is 2**exponent.
        first: Integer i of the first bin, which begins at i * width and holds `low`; the last bin holds `high`.
        counts: (bin,) int64, at most `BINS`.
    """

    __slots__ = ("counts", "exponent", "first", "high", "low")

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf
        self.exponent = _LEAST_EXPONENT
        self.first = 0
        self.counts: Counts = np.zeros(0, dtype=np.int64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._grid() == other._grid() and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # it changes as values are added

    def __repr__(self) -> str:
        return f"Histogram({self.count} values in [{self.low:.6g}, {self.high:.6g}], {len(self.counts)} bins)"

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    @property
    def width(self) -> float:
        """Width of a bin."""
        return math.ldexp(1.0, self.exponent)

    @property
    def edges(self) -> NDArray[np.float64]:
        """(bin + 1,) where bins begin, and the last one ends."""
        return np.ldexp(np.arange(self.first, self.first + len(self.counts) + 1, dtype=np.float64), self.exponent)

    def add(self, values: Floats, *, step: int = 1) -> None:
        """Count `values`, of any shape.

        Args:
            values: float32.
            step: Of so many neighbours the first one counts; the extremes are of all.

        Raises:
            ValueError: One of them is NaN or infinite; nothing is counted then.
        """
        flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()) + 0.0, float(flat.max()) + 0.0  # + 0.0 makes -0.0 plain zero
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("values hold NaN or infinity")
        self._widen(low, high)
        for start in range(0, flat.size, _CHUNK * step):
            counted = np.bincount(self._bins_of(flat[start : start + _CHUNK * step : step]))
            self.counts[: len(counted)] += counted

    def merged(self, other: Histogram) -> Histogram:
        """What one histogram of the values of both would be."""
        result = Histogram()
        result._take(self, BINS)
        result._take(other, BINS)
        return result

    def coarsened(self, bins: int) -> Histogram:
        """The same values on the finest grid on which they lie in at most `bins` bins, 2 to `BINS`."""
        result = Histogram()
        result._take(self, bins)
        return result

    def _take(self, other: Histogram, bins: int) -> None:
        """Count what another histogram counted, on a grid of at most `bins` bins, no finer than its own."""
        if other.low <= other.high:
            self._widen(other.low, other.high, bins)
            np.add.at(
                self.counts, _shifted(other._indices(), self.exponent - other.exponent) - self.first, other.counts
            )

    def _grid(self) -> tuple[float, float, int, int]:
        return self.low, self.high, self.exponent, self.first

    def _indices(self) -> Counts:
        return np.arange(self.first, self.first + len(self.counts), dtype=np.int64)

    def _bins_of(self, values: Floats) -> NDArray[np.intp]:
        """Position in `counts` of each value; all lie in the range."""
        is_exact = self.exponent in _EXACT_EXPONENTS
        scaled = values * np.float32(self._scale) if is_exact else values.astype(np.float64) * self._scale
        if self.low < 0:
            np.floor(scaled, out=scaled)
        indices = scaled.astype(np.intp)
        if self.first:
            indices -= self.first
        return indices

    @property
    def _scale(self) -> float:
        return math.ldexp(1.0, -self.exponent)

    def _widen(self, low: float, high: float, bins: int = BINS) -> None:
        """Bring the grid to one that holds [low, high] too, and what was counted with it."""
        low, high = min(low, self.low), max(high, self.high)
        if (low, high) == (self.low, self.high):
            return
        exponent = _exponent_for(low, high, bins)
        first, last = (math.floor(math.ldexp(value, -exponent)) for value in (low, high))
        counts = np.zeros(last - first + 1, dtype=np.int64)
        np.add.at(counts, _shifted(self._indices(), exponent - self.exponent) - first, self.counts)
        self.low, self.high, self.exponent, self.first, self.counts = low, high, exponent, first, counts


def _shifted(indices: Counts, by: int) -> Counts:
    """Indices on a grid that is coarser by 2**by."""
    return indices >> min(by, _FULL_SHIFT)


def _exponent_for(low: float, high: float, bins: int) -> int:
    """The smallest exponent of a grid on which [low, high] takes at most `bins`; it grows with the range alone."""
    finest = max(_LEAST_EXPONENT, math.frexp(max(-low, high))[1] - _MANTISSA_BITS)
    # One below what the span asks for, since it was rounded.
    exponent = max(finest, math.frexp(high - low)[1] - bins.bit_length() - 1) if low < high else finest
    while math.floor(math.ldexp(high, -exponent)) - math.floor(math.ldexp(low, -exponent)) >= bins:
        exponent += 1
    return exponent
