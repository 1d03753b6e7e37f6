"""What quantizers meet on data: values beyond the range, ranges that rare values stretch, channels that become zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.dequantize import Floats
from edgeopt.graph.pieces import Pieces
from edgeopt.graph.qdq import Layer, Pair, channel_axis

# Bins of the histogram of |value| over the range's larger end: shares of the range are told to 0.1 %.
_BINS = 1000
# The share of values that "nearly all" stands for: what is left are outliers. 1 in 10,000 is what percentile
# calibration commonly gives up (99.99 %, arXiv 2004.09602).
NEARLY_ALL = 0.9999
# A channel whose largest weight is a millionth of the median is dead: float32 has 24 bits, so nothing of it is left in
# a sum with the others.
_DEAD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatistics:
    """One activation quantizer on the data, met by the float tensor.

    Attributes:
        tensor: The tensor.
        low: Smallest real value that the integers stand for; with a scale per channel, the smallest of them.
        high: Largest.
        seen_low: Smallest value on the data.
        seen_high: Largest.
        clipped_share: Share of values beyond the range by more than half a step, 0 to 1.
        reach: Share of the range's larger end within which 99.99 % of the magnitudes lie; 1 where they fill it.
        channels: Channels; 0 where the tensor has no such axis.
        zeroed_channels: Channels that have values and become zero altogether in integers.
        dead_channels: Channels that are zero on all of the data in float.
    """

    tensor: str
    low: float
    high: float
    seen_low: float
    seen_high: float
    clipped_share: float
    reach: float
    channels: int
    zeroed_channels: int
    dead_channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightStatistics:
    """One quantized weight.

    Attributes:
        dtype: Type of its integers.
        bits: Bits that they use.
        is_per_channel: Whether output channels, or blocks, have scales of their own.
        channels: Output channels.
        largest_over_median: Largest magnitude of the widest channel over that of the median one; of those not dead.
        largest_over_smallest: The same over that of the narrowest one.
        clipped_share: Share of values beyond the integers' range by more than half a step, 0 to 1.
        zeroed_channels: Channels that have weights and become zero altogether in integers.
        dead_channels: Channels without weights in float already.
        is_bias_clipped: Whether a bias needs more than int32 holds.
    """

    dtype: str
    bits: int
    is_per_channel: bool
    channels: int
    largest_over_median: float
    largest_over_smallest: float
    clipped_share: float
    zeroed_channels: int
    dead_channels: int
    is_bias_clipped: bool


def weight_statistics(parts: Pieces, layer: Layer) -> WeightStatistics | None:
    """The layer's weight; None where it has none in integers. Where its float form is not known, what it stands for."""
    weight = layer.weight
    if weight is None:
        return None
    place = next(index for index, held in layer.weights.items() if held is weight)
    values = parts.floats[layer.name].constants.get(place, weight.values)
    axis = channel_axis(parts.candidate.model.graph.node[layer.index], values.ndim)
    axis = axis if weight.axis is None or weight.block else weight.axis
    others = tuple(index for index in range(values.ndim) if index != axis)
    largest = np.abs(values).max(axis=others)
    alive = largest > _DEAD * np.median(largest) if largest.any() else np.zeros(largest.shape, dtype=bool)
    has_integers = np.abs(weight.centred).max(axis=others) > 0
    kept = largest[alive] if alive.any() else np.ones(1)
    return WeightStatistics(
        dtype=weight.dtype,
        bits=weight.bits,
        is_per_channel=weight.axis is not None,
        channels=len(largest),
        largest_over_median=float(kept.max() / np.median(kept)),
        largest_over_smallest=float(kept.max() / kept.min()),
        clipped_share=float((np.abs(values - weight.values) > 0.5001 * weight.steps)[_at_end(weight.integers)].sum())
        / values.size,
        zeroed_channels=int((alive & ~has_integers).sum()),
        dead_channels=int((~alive).sum()),
        is_bias_clipped=layer.bias is not None
        and bool((np.abs(layer.bias.integers.astype(np.int64)) >= 2**31 - 1).any()),
    )


def _at_end(integers: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (integers == integers.max()) | (integers == integers.min())
    return found


class PairCounts:
    """Counts of one pair, fed batch by batch; memory does not grow with the samples."""

    def __init__(self, pair: Pair, *, is_picture: bool) -> None:
        """Start at nothing.

        Args:
            pair: The pair.
            is_picture: Whether a convolution reads or writes the tensor, so that axis 1 holds the channels.
        """
        self.pair = pair
        self.is_picture = is_picture
        low, high = pair.grid.represented
        self.peak = float(max(np.abs(low).max(), np.abs(high).max()))
        self.histogram = np.zeros(_BINS + 1, dtype=np.int64)
        self.beyond = 0
        self.low: NDArray[Any] = np.array(np.inf)
        self.high: NDArray[Any] = np.array(-np.inf)
        self.axis: int | None = None

    def add(self, values: Floats) -> None:
        """Take in one batch of the float tensor."""
        self.axis = _channel_axis(values, is_picture=self.is_picture)
        low, high, step = self._along(values)
        self.beyond += int(((values < low - step / 2) | (values > high + step / 2)).sum())
        places = np.minimum(np.abs(values).ravel() * (_BINS / self.peak), _BINS).astype(np.int32)
        self.histogram += np.bincount(places, minlength=_BINS + 1)
        others = tuple(index for index in range(values.ndim) if index != self.axis)
        self.low = np.minimum(self.low, values.min(axis=others))
        self.high = np.maximum(self.high, values.max(axis=others))

    def _along(self, values: Floats) -> tuple[Any, Any, Any]:
        """Ends of the range and step, shaped to compare with `values`."""
        low, high = self.pair.grid.represented
        axis = self.pair.grid.axis
        if axis is None:
            return low, high, self.pair.grid.scale
        shape = [-1 if index == axis % values.ndim else 1 for index in range(values.ndim)]
        return low.reshape(shape), high.reshape(shape), self.pair.grid.scale.reshape(shape)

    def statistics(self) -> PairStatistics:
        """What was counted; at least one batch must have been."""
        low, high = self.pair.grid.represented
        total = int(self.histogram.sum())
        within = int(np.searchsorted(np.cumsum(self.histogram), NEARLY_ALL * total))
        is_scaled_alike = self.pair.grid.axis is None or self.low.ndim > 0
        scale = self.pair.grid.scale if is_scaled_alike else self.pair.grid.scale.max()
        is_dead = (self.low == 0) & (self.high == 0)
        top, bottom = np.minimum(self.high, high), np.maximum(self.low, low)
        is_zero = (np.rint(top / scale) == 0) & (np.rint(bottom / scale) == 0)
        has_channels = self.axis is not None
        return PairStatistics(
            tensor=self.pair.tensor,
            low=float(low.min()),
            high=float(high.max()),
            seen_low=float(self.low.min()),
            seen_high=float(self.high.max()),
            clipped_share=self.beyond / total,
            reach=min(1.0, (within + 1) / _BINS),
            channels=int(self.low.size) if has_channels else 0,
            zeroed_channels=int((is_zero & ~is_dead).sum()) if has_channels else 0,
            dead_channels=int(is_dead.sum()) if has_channels else 0,
        )


def pair_counts(parts: Pieces, keys: Iterable[str]) -> dict[str, PairCounts]:
    """Counters for pairs, by key."""
    around: dict[str, set[str]] = {}
    for layer in parts.candidate.layers:
        for key in (*layer.reads, *layer.writes):
            around.setdefault(key, set()).add(layer.operator)
    return {
        key: PairCounts(parts.candidate.pairs[key], is_picture=any("Conv" in name for name in around.get(key, ())))
        for key in keys
    }


def keys_of(layers: Sequence[Layer]) -> list[str]:
    """Keys of all pairs that layers read or write, each once."""
    return list(dict.fromkeys(key for layer in layers for key in (*layer.reads, *layer.writes)))


def _channel_axis(values: Floats, *, is_picture: bool) -> int | None:
    """1 for what convolutions read and write and for pictures, else the last; None for a tensor of one axis."""
    if values.ndim < 2:
        return None
    return 1 if is_picture or values.ndim >= 4 else values.ndim - 1
