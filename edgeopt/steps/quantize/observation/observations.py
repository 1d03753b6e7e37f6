"""What was seen of a model's tensors while it ran over samples; two of them merge into what one run would have seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.observation.histogram import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorStatistics:
    """One tensor over all samples.

    Attributes:
        low: Smallest value; infinity where the tensor never held one.
        high: Largest value; minus infinity where the tensor never held one.
        histogram: Counts of its values; None where they were not asked for.
    """

    low: float
    high: float
    histogram: Histogram | None = None

    def merged(self, other: TensorStatistics) -> TensorStatistics:
        """The statistics over the samples of both; a histogram only where both have one."""
        mine, theirs = self.histogram, other.histogram
        histogram = None if mine is None or theirs is None else mine.merged(theirs)
        return TensorStatistics(low=min(self.low, other.low), high=max(self.high, other.high), histogram=histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatistics:
    """One tensor over all samples, channel by channel.

    Attributes:
        low: (channel,) float32, smallest value.
        high: (channel,) float32, largest value.
        total: (channel,) float64, the sum of the values' means over each row, and `rows` of them: sums merge, means
            do not.
        rows: How many rows (entries along the tensor's first axis) `total` sums over.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    total: NDArray[np.float64]
    rows: int

    @property
    def mean(self) -> NDArray[np.float32]:
        """(channel,) float32, the mean over all values of a channel."""
        return (self.total / max(self.rows, 1)).astype(np.float32)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChannelStatistics):
            return NotImplemented
        pairs = ((self.low, other.low), (self.high, other.high), (self.mean, other.mean))
        return self.rows == other.rows and all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def merged(self, other: ChannelStatistics) -> ChannelStatistics:
        """The statistics over the samples of both."""
        return ChannelStatistics(
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
            total=self.total + other.total,
            rows=self.rows + other.rows,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What one pass over the samples saw.

    Attributes:
        tensors: Statistics by the tensor's name.
        channels: Statistics per channel by the tensor's name.
        samples: Number of samples.
    """

    tensors: dict[str, TensorStatistics]
    channels: dict[str, ChannelStatistics] = field(default_factory=dict)
    samples: int

    def merged(self, other: Observations) -> Observations:
        """The observations of the samples of both, for tensors that both observed."""
        tensors = {
            name: seen.merged(other.tensors[name]) for name, seen in self.tensors.items() if name in other.tensors
        }
        channels = {
            name: seen.merged(other.channels[name]) for name, seen in self.channels.items() if name in other.channels
        }
        return Observations(tensors=tensors, channels=channels, samples=self.samples + other.samples)
