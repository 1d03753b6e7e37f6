"""The range of a tensor of activations, from what was seen of it: all values, or less where finer steps gain more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from edgeopt.steps.quantize.observation.histogram import Histogram
from edgeopt.steps.quantize.observation.observations import TensorStatistics
from edgeopt.steps.quantize.ranges.clipping import clipped
from edgeopt.steps.quantize.ranges.divergence import Divergence
from edgeopt.steps.quantize.ranges.squared_error import SquaredError
from edgeopt.steps.quantize.types import Int8Types

Estimator = Literal["minmax", "percentile", "entropy", "mse"]

# Share of the values that `percentile` keeps, in percent: of 99.9, 99.99, 99.999 and 99.9999 the one that loses least
# over the networks of Wu et al. 2020 (arXiv 2004.09602, table 5).
PERCENTILE = 99.99


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest value that a tensor's integers span."""

    low: float
    high: float


def tensor_range(
    statistics: TensorStatistics, method: Estimator, types: Int8Types, *, percentile: float = PERCENTILE
) -> Range:
    """The range of one tensor; it lies within its extremes.

    - `minmax` holds all values.
    - `percentile` holds `percentile` percent of them.
    - `entropy` loses least information in the sense of Kullback and Leibler (see `Divergence`).
    - `mse` has the least expected squared error, of rounding and clipping together (see `SquaredError`).

    An end that lies on the far side of zero, as the lower one of a Relu's output does, is never moved: zero is always
    represented, so nothing would be gained.

    Args:
        statistics: What was seen of the tensor; its histogram is needed by all but `minmax`.
        method: How the range is taken.
        types: Integer type of activations.
        percentile: For `percentile`, in (0, 100].

    Raises:
        ValueError: `method` needs a histogram and there is none, or `percentile` is out of its range.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}, not in (0, 100]")
    if method == "minmax":
        return _whole(statistics)
    if statistics.histogram is None:
        raise ValueError(f"{method} needs a histogram")
    if statistics.low >= statistics.high:
        return _whole(statistics)
    methods: dict[str, Callable[[Histogram, Int8Types], Range]] = {
        "percentile": partial(_percentile_range, percentile=percentile),
        "entropy": _entropy_range,
        "mse": _mse_range,
    }
    return methods[method](statistics.histogram, types)


def _whole(statistics: TensorStatistics) -> Range:
    """All that was seen; nothing but zero where nothing was."""
    return Range(statistics.low, statistics.high) if statistics.low <= statistics.high else Range(0.0, 0.0)


def _percentile_range(histogram: Histogram, types: Int8Types, *, percentile: float) -> Range:  # noqa: ARG001  one shape
    """Cut the rest of the values off, half at each end, or all at the only end that lies off zero."""
    rest = 1 - percentile / 100
    low, high = histogram.low, histogram.high
    if low < 0 < high:
        return Range(_quantile(histogram, rest / 2), _quantile(histogram, 1 - rest / 2))
    return Range(low, _quantile(histogram, 1 - rest)) if low >= 0 else Range(_quantile(histogram, rest), high)


def _quantile(histogram: Histogram, share: float) -> float:
    """The value that `share` of all values lie below, values being even within a bin."""
    if share <= 0 or share >= 1:
        return histogram.low if share <= 0 else histogram.high
    below = np.concatenate([[0], np.cumsum(histogram.counts)])
    wanted = share * below[-1]
    position = int(np.searchsorted(below, wanted)) - 1
    inside = (wanted - below[position]) / (below[position + 1] - below[position])
    value = histogram.edges[position] + inside * histogram.width
    return float(np.clip(value, histogram.low, histogram.high))


def _entropy_range(histogram: Histogram, types: Int8Types) -> Range:
    divergence = Divergence.of(histogram, types)
    return _within(histogram, *clipped(divergence, histogram.low, histogram.high))


def _mse_range(histogram: Histogram, types: Int8Types) -> Range:
    error = SquaredError.of(histogram, types)
    return _within(histogram, *clipped(error, histogram.low, histogram.high))


def _within(histogram: Histogram, low: float, high: float) -> Range:
    """Without the zero that a range was widened to where all values lie on one side of it."""
    return Range(max(low, histogram.low), min(high, histogram.high))
