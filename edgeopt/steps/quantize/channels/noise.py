"""How much noise quantization adds behind a group of tensors, as a function of the factors of its channels.

The model is additive and linear: a step D adds D^2 / 12 to every value that it rounds, and weights pass noise on. With
x_c divided by f_c where it is written and multiplied by it where it is read, in units of what readers give,

    activations  (range of x / f)^2                           * sum_c f_c^2 g_c
    writers      (max_c r_c / f_c)^2                          * sum_c f_c^2 i_c e_c      one scale per weight only
    readers      sum_o I_o (max_c |W_oc| f_c)^2               * sum_c m_c / f_c^2

where g_c = sum_o I_o |W_oc|^2 is what the readers make of noise in channel c, I_o the importance of their output o
(the g of the group that it lies in, 1 outside of all), i_c the importance of channel c, r_c the range of the weights
that write it, e_c the mean energy of what they read, and m_c the mean square of channel c. In log f each term is a
maximum of exponentials times a sum of exponentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.channels.groups import Group, Slot, rescale

Doubles = NDArray[np.float64]

# Rounding errors of activations differ from place to place, so that sums over places and pools average them out; those
# of weights are the same everywhere. Of 1, 4 and 16, 4 served best on kws_dscnn, digits_resnet8 and ic_resnet8.
_WEIGHTS_COUNT = 4.0
_ACTIVATION_STEPS = 255
_WEIGHT_STEPS = 2 * 127
_TINY = float(np.finfo(np.float64).tiny)
_FAR = 1e100


class ChannelStatistics(Protocol):
    """What calibration saw of one tensor, per channel."""

    @property
    def low(self) -> NDArray[np.float32]:
        """(channel,) smallest value."""

    @property
    def high(self) -> NDArray[np.float32]:
        """(channel,) largest value."""

    @property
    def mean(self) -> NDArray[np.float32]:
        """(channel,) mean value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Statistics of one tensor, (channel,) float64 each."""

    low: Doubles
    high: Doubles
    mean: Doubles

    @property
    def magnitude(self) -> Doubles:
        """The largest absolute value."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def energy(self) -> Doubles:
        """The mean square, for a standard deviation of a sixth of the range."""
        return np.square(self.mean) + np.square((self.high - self.low) / 6.0)

    def over(self, factors: Doubles) -> Spread:
        """Those of the tensor divided by factors."""
        return Spread(low=self.low / factors, high=self.high / factors, mean=self.mean / factors)


def spread_of(statistics: ChannelStatistics, repeats: int) -> Spread:
    """Statistics per channel of a tensor that holds `repeats` neighbouring places for each."""
    low, high, mean = (
        np.asarray(values, dtype=np.float64).reshape(-1, repeats)
        for values in (statistics.low, statistics.high, statistics.mean)
    )
    return Spread(low=low.min(axis=1), high=high.max(axis=1), mean=mean.mean(axis=1))


@dataclass(slots=True, kw_only=True)
class Scaled:
    """A group with what is known of its channels, as scaled so far.

    Attributes:
        group: Its tensors and weights.
        read: Statistics of each tensor that weights read.
        total: (channel,) product of all factors since calibration.
        importance: (channel,) what the readers make of noise in each channel.
    """

    group: Group
    read: dict[str, Spread]
    total: Doubles = field(init=False)
    importance: Doubles = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.ones(self.group.channels)
        self.importance = np.ones(self.group.channels)

    def rescale(self, factors: Doubles) -> None:
        """Divide the channels by `factors`, in the graph and here."""
        rescale(self.group, factors)
        self.total = self.total * factors
        self.importance = self.importance * np.square(factors)
        self.read = {name: spread.over(factors) for name, spread in self.read.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """A weight that reads: (group, output) importance, (group, input) energy, (group, output, input) magnitude."""

    importance: Doubles
    energy: Doubles
    magnitude: NDArray[np.float32]

    def noise(self, factors: Doubles, *, per_channel: bool) -> float:
        spread = factors.reshape(self.magnitude.shape[0], 1, -1)
        ranges = (self.magnitude * spread).max(axis=2)
        ranges = ranges if per_channel else np.full_like(ranges, ranges.max())
        energy = (self.energy / np.square(spread[:, 0])).sum(axis=1)
        return float(((self.importance * np.square(ranges)).sum(axis=1) * energy).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise behind one group as a function of factors on top of those that it has.

    Attributes:
        per_channel: Whether weights have one scale per output channel.
        activations: Of each tensor that is read, its statistics and g.
        writers: Of each weight that writes, its ranges and importance times energy.
        readers: The weights that read.
    """

    per_channel: bool
    activations: list[tuple[Spread, Doubles]]
    writers: list[tuple[Doubles, Doubles]]
    readers: list[_Reader]

    def at(self, factors: Doubles) -> float:
        """The noise, in units that are the same for all factors of this group."""
        squares = np.square(factors)
        rounded = 0.0
        for spread, gain in self.activations:
            scaled = spread.over(factors)
            width = max(float(scaled.high.max()), 0.0) - min(float(scaled.low.min()), 0.0)
            rounded += width**2 * float((squares * gain).sum())
        weights = sum(reader.noise(factors, per_channel=self.per_channel) for reader in self.readers)
        if not self.per_channel:
            weights += sum(float((ranges / factors).max() ** 2 * (squares * w).sum()) for ranges, w in self.writers)
        return rounded / _ACTIVATION_STEPS**2 + _WEIGHTS_COUNT * weights * (2 / _WEIGHT_STEPS) ** 2


@dataclass(slots=True, kw_only=True)
class Network:
    """All groups of a graph.

    Attributes:
        groups: Those with statistics, in the order of the graph.
        inputs: Statistics of what their writers read.
        per_channel: Whether weights have one scale per output channel.
    """

    groups: list[Scaled]
    inputs: Mapping[str, ChannelStatistics]
    per_channel: bool
    _of: dict[str, Scaled] = field(init=False)

    def __post_init__(self) -> None:
        self._of = {name: scaled for scaled in self.groups for name in scaled.group.values}
        for scaled in reversed(self.groups):
            total = np.sum([self._gain(slot) for slot in scaled.group.columns], axis=0)
            mean = float(total.mean())
            # Through hundreds of layers the product of gains leaves the range of numbers: begin again at 1.
            scaled.importance = total if 1 / _FAR < mean < _FAR else total / max(mean, _TINY)

    def noise_behind(self, scaled: Scaled) -> Noise:
        """The noise behind one group."""
        group = scaled.group
        gains = {name: np.zeros(group.channels) for name in scaled.read}
        readers = []
        for slot, name in zip(group.columns, group.read, strict=True):
            gains[name] += self._gain(slot)
            readers.append(self._reader(slot, scaled.read[name].energy))
        total = np.sum(list(gains.values()), axis=0)
        for name in group.added:
            gains[name] += total
        return Noise(
            per_channel=self.per_channel,
            activations=[(spread, gains[name]) for name, spread in scaled.read.items()],
            writers=[] if self.per_channel else [self._writer(slot, total) for slot in group.rows],
            readers=readers,
        )

    def _importance(self, slot: Slot) -> Doubles:
        """(group, output) importance of what a reader gives."""
        blocks = slot.blocks(slot.array)
        scaled = self._of.get(str(slot.node.outputs[0].name))
        return scaled.importance.reshape(blocks.shape[:2]) if scaled else np.ones(blocks.shape[:2])

    def _gain(self, slot: Slot) -> Doubles:
        """(channel,) g of one reader."""
        norms = np.square(slot.blocks(slot.array), dtype=np.float64).sum(axis=3)
        return np.asarray(np.einsum("go,goi->gi", self._importance(slot), norms).reshape(-1))

    def _reader(self, slot: Slot, energy: Doubles) -> _Reader:
        blocks = slot.blocks(slot.array)
        places = blocks.shape[3]
        return _Reader(
            importance=self._importance(slot),
            energy=(energy * places).reshape(blocks.shape[0], -1),
            magnitude=np.abs(blocks).max(axis=3),
        )

    def _writer(self, slot: Slot, importance: Doubles) -> tuple[Doubles, Doubles]:
        """Ranges of a writer, and importance times the energy of what each of its outputs reads."""
        ranges = slot.magnitudes(slot.array).astype(np.float64)
        energy = self._energy_of_input(slot).reshape(slot.input_groups, -1).sum(axis=1)
        places = slot.array.size // (len(ranges) * (self._energy_of_input(slot).size // slot.input_groups))
        return ranges, importance * np.repeat(energy * places, len(ranges) // slot.input_groups)

    def _energy_of_input(self, slot: Slot) -> Doubles:
        """(place along the channel axis,) mean square of what a writer reads."""
        data: Any = slot.node.inputs[0]
        scaled = self._of.get(str(data.name))
        if scaled is None:
            return spread_of(self.inputs[str(data.name)], 1).energy
        return np.repeat(scaled.read[str(data.name)].energy, scaled.group.values[str(data.name)].repeats)
