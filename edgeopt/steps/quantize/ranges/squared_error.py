"""Expected squared error of an affine quantizer over a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.types import Int8Types

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SquaredError:
    """E[(x - Q(x))²] for a range, x being spread evenly within each bin of a histogram.

    Q rounds to the nearest of the levels l = (q - zero point) * scale that `activation_parameters` gives for the range,
    and clips to the outermost. Between the boundaries of a level's cell, the error is the integral of (x - l)² =
    M2 - 2 l M1 + l² M0, with the moments Mk = integral of x^k, so that one candidate costs as much as it has levels.
    Clipping is the error of the two outermost cells. The trade of one against the other is that of Sakr et al. 2022
    (OCTAV, arXiv 2206.06501), here exact and for both ends of an asymmetric range.

    Attributes:
        edges: (bin + 1,) edges of bins, in widths of a bin; the outer ones are the extremes.
        density: (bin,) share of the values per width.
        moments: (3, bin + 1) M0, M1 and M2 up to each edge.
        unit: Width of a bin.
        integers: Smallest and largest integer.
    """

    edges: Doubles
    density: Doubles
    moments: Doubles
    unit: float
    integers: tuple[int, int]

    @classmethod
    def of(cls, histogram: Histogram, types: Int8Types) -> SquaredError:
        """The error over the values of `histogram`, at least one, not all the same."""
        unit = histogram.width
        edges = np.arange(histogram.first, histogram.first + len(histogram.counts) + 1, dtype=np.float64)
        edges[0], edges[-1] = histogram.low / unit, histogram.high / unit
        share = histogram.counts / histogram.count
        widths = np.diff(edges)
        density = np.divide(share, widths, out=np.zeros_like(share), where=widths > 0)
        a, b = edges[:-1], edges[1:]
        steps = np.stack([share, share * (a + b) / 2, share * (a * a + a * b + b * b) / 3])
        moments = np.concatenate([np.zeros((3, 1)), np.cumsum(steps, axis=1)], axis=1)
        return cls(edges=edges, density=density, moments=moments, unit=unit, integers=types.activation_range)

    def __call__(self, low: Doubles, high: Doubles) -> Doubles:
        """(candidate,) errors of the ranges from `low`, at most 0, to `high`, at least 0; in squares of values."""
        qmin, qmax = self.integers
        low, high = low / self.unit, high / self.unit
        scale = ((high - low) / (qmax - qmin)).astype(np.float32).astype(np.float64)
        zero = np.clip(np.rint(qmin - low / scale), qmin, qmax)
        levels = (np.arange(qmin, qmax + 1) - zero[:, None]) * scale[:, None]
        mass = self._between((levels[:, 1:] + levels[:, :-1]) / 2)
        errors = mass[2] - 2 * levels * mass[1] + levels**2 * mass[0]
        return np.asarray(errors.sum(axis=1)) * self.unit**2

    def _between(self, boundaries: Doubles) -> Doubles:
        """(3, candidate, level) moments of each level's cell, given the (candidate, level - 1) boundaries."""
        x = np.clip(boundaries, self.edges[0], self.edges[-1])
        # The last bin has no width where it begins with the largest value: what lies beyond is asked for by itself.
        is_beyond = boundaries > self.edges[-1]
        position = np.clip((x - np.floor(self.edges[0])).astype(np.intp), 0, len(self.density) - 1)
        a, density = self.edges[position], self.density[position]
        dx = x - a
        parts = (dx, dx * (x + a) / 2, dx * (x * x + x * a + a * a) / 3)
        nothing = np.zeros((len(x), 1))
        cells = []
        for moment, part in zip(self.moments, parts, strict=True):
            below = np.where(is_beyond, moment[-1], moment[position] + density * part)
            cells.append(np.diff(np.concatenate([nothing, below, nothing + moment[-1]], axis=1), axis=1))
        return np.stack(cells)
