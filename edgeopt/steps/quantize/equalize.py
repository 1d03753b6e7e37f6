"""Cross-layer equalization: channels of neighbouring layers brought to one range, the function unchanged.

Nagel et al. 2019, arXiv 1906.04721, section 4.1; Meller et al. 2019, arXiv 1902.01917. A layer whose output channels
differ much in range wastes the integers of its weights (one scale for all) or of its activations. Dividing channel c by
s_c where it is written and multiplying by s_c where it is read changes neither the function nor its cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.channel_flow import channel_groups
from edgeopt.steps.quantize.channel_groups import Group, rescale

if TYPE_CHECKING:
    import onnx_ir as ir

_SWEEPS = 40
_TOLERANCE = 0.01  # factors this close to 1 change nothing that 8 bits could show
_LARGEST_FACTOR = 1e4
# A channel may move behind a clamp only where calibration data leave it this far below the bound, before and after:
# data that nobody has seen goes somewhat further.
_CLAMP_MARGIN = 0.8

Doubles = NDArray[np.float64]


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


def equalization_tensors(graph: ir.Graph) -> dict[str, int]:
    """Tensors whose statistics per channel `equalize` wants: name -> axis of channels."""
    return {name: axis for group in _groups(graph) for name, axis in group.tensors().items()}


def equalize(graph: ir.Graph, channels: Mapping[str, ChannelStatistics] | None, *, per_channel: bool) -> list[str]:
    """Equalize channels between layers, in place; names of the chains that changed.

    Args:
        graph: The folded graph.
        channels: Statistics of `equalization_tensors`. Without them, channels behind a clamp (ReLU6) stay as they are.
        per_channel: Whether weights get one scale per output channel. Then the range of a row costs nothing, and what
            is balanced is the activations between two layers against the columns of the second: that needs `channels`.
    """
    groups = _groups(graph)
    if per_channel:
        return [group.name for group in groups if channels and balance(group, channels)]
    return _sweep(groups, channels or {})


def _groups(graph: ir.Graph) -> list[Group]:
    return [group for group in channel_groups(graph) if not group.is_normalized]


def _sweep(groups: list[Group], channels: Mapping[str, ChannelStatistics]) -> list[str]:
    """Equalize the ranges of weights, chain by chain, until none changes."""
    total = [np.ones(group.channels) for group in groups]
    for _ in range(_SWEEPS):
        is_settled = True
        for index, group in enumerate(groups):
            wanted = np.sqrt(_ratio(_ranges(group.rows), _ranges(group.columns)))
            factors = _allowed(group, total[index] * _centred(wanted), channels) / total[index]
            if _apply(group, factors):
                total[index] = total[index] * factors
                is_settled = False
        if is_settled:
            break
    return [group.name for group, factors in zip(groups, total, strict=True) if _matters(factors)]


def balance(group: Group, channels: Mapping[str, ChannelStatistics], *, alpha: float = 0.5) -> bool:
    """Balance, in place, the activations of one group against the weights that read them; whether it changed.

    s_c = max|x_c|^alpha / max|W_c|^(1 - alpha) (Xiao et al. 2022, arXiv 2211.10438, eq. 4). Where depthwise
    convolutions alone read the channels, theirs are rows with scales of their own, and alpha is 1.

    Args:
        group: What to change.
        channels: Statistics of the group's tensors; nothing happens where one is missing.
        alpha: How much of the range moves into the weights, from 0 to 1.
    """
    if any(name not in channels for name in group.tensors()):
        return False
    activations = _activation_ranges(group, channels)
    weights = [slot for slot in group.columns if slot.groups != group.channels]
    wanted = _ratio(activations**alpha, _ranges(weights) ** (1 - alpha)) if weights else activations
    return _apply(group, _allowed(group, _centred(wanted), channels))


def _activation_ranges(group: Group, channels: Mapping[str, ChannelStatistics]) -> Doubles:
    """(channel,) largest magnitude in the tensors that weights read, each tensor's own largest being 1."""
    found = np.zeros(group.channels)
    for name in dict.fromkeys(group.read):
        repeats = group.values[name].repeats
        magnitude = np.maximum(np.abs(channels[name].low), np.abs(channels[name].high)).astype(np.float64)
        magnitude = magnitude.reshape(group.channels, repeats).max(axis=1)
        found = np.maximum(found, magnitude / max(magnitude.max(), np.finfo(np.float64).tiny))
    return found


def _ranges(slots: list[Any]) -> Doubles:
    """(channel,) largest magnitude over weights, each weight's own largest being 1: each has a scale of its own."""
    found = []
    for slot in slots:
        magnitude = slot.magnitudes(slot.array).astype(np.float64)
        found.append(magnitude / max(magnitude.max(), np.finfo(np.float64).tiny))
    return np.asarray(np.max(found, axis=0))


def _ratio(first: Doubles, second: Doubles) -> Doubles:
    """The quotient, and 0 (no wish) for a channel that is dead in either."""
    is_dead = (first <= 0) | (second <= 0)
    return np.where(is_dead, 0.0, first / np.where(is_dead, 1.0, second))


def _centred(wanted: Doubles) -> Doubles:
    """Factors with geometric mean 1; 1 for channels without a wish."""
    has_wish = wanted > 0
    if not has_wish.any():
        return np.ones_like(wanted)
    logs = np.log(wanted[has_wish])
    factors = np.ones_like(wanted)
    factors[has_wish] = np.exp(logs - logs.mean())
    return np.clip(factors, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)


def _allowed(group: Group, factors: Doubles, channels: Mapping[str, ChannelStatistics]) -> Doubles:
    """`factors`, total since calibration, held back where a clamp would do something else on calibration data."""
    for bound in group.bounds:
        if bound.low in (0.0, -np.inf) and bound.high == np.inf:
            continue
        found = channels.get(bound.value)
        if found is None:
            return np.ones_like(factors)
        reach = np.zeros(group.channels)
        repeats = group.values[bound.value].repeats
        for extreme, limit in ((found.low, bound.low), (found.high, bound.high)):
            if limit != 0 and np.isfinite(limit):
                share = np.maximum(extreme / limit, 0).astype(np.float64)
                reach = np.maximum(reach, share.reshape(group.channels, repeats).max(axis=1))
        factors = np.where(reach > _CLAMP_MARGIN, 1.0, np.maximum(factors, reach / _CLAMP_MARGIN))
        if bound.high == 0:
            factors = np.ones_like(factors)
    return factors


def _matters(factors: Doubles) -> bool:
    return bool(np.abs(np.log(factors)).max() > _TOLERANCE)


def _apply(group: Group, factors: Doubles) -> bool:
    if not _matters(factors):
        return False
    rescale(group, factors)
    return True
