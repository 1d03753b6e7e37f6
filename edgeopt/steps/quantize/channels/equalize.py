"""Cross-layer equalization: channels of neighbouring layers brought to like ranges, the function unchanged.

Nagel et al. 2019, arXiv 1906.04721, section 4.1; Meller et al. 2019, arXiv 1902.01917. A layer whose output channels
differ much in range wastes the integers of its weights (one scale for all) and of its activations. Dividing channel c
by s_c where it is written and multiplying by s_c where it is read changes neither the function nor its cost.

Those papers balance the ranges of weights alone. With statistics of activations at hand, the factors are chosen, chain
by chain until none changes, to lower the noise that quantization is expected to add (`channel_noise`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.channels.flow import channel_groups
from edgeopt.steps.quantize.channels.groups import Group, Slot
from edgeopt.steps.quantize.channels.noise import ChannelStatistics, Network, Scaled, spread_of

if TYPE_CHECKING:
    import onnx_ir as ir

_SWEEPS = 40
_TOLERANCE = 0.01  # factors this close to 1 change nothing that 8 bits could show
_GAIN = 0.05  # a chain is changed for at least this share less noise; finer differences are beyond the estimate
_LARGEST_FACTOR = 1e4
_BALANCES = (0.0, 0.25, 0.5, 0.75, 1.0)
# A channel may move behind a clamp only where calibration data leave it this far below the bound, before and after:
# data that nobody has seen goes further.
_CLAMP_MARGIN = 0.5

_TINY = float(np.finfo(np.float64).tiny)

Doubles = NDArray[np.float64]


def equalization_tensors(graph: ir.Graph) -> dict[str, int]:
    """Tensors whose statistics per channel `equalize` wants: name -> axis of channels."""
    wanted: dict[str, int] = {}
    for group in _groups(graph):
        wanted |= group.tensors()
        for slot in group.rows:
            data: Any = slot.node.inputs[0]
            if data.const_value is None:
                wanted.setdefault(str(data.name), group.values[str(slot.node.outputs[0].name)].axis)
    return wanted


def equalize(graph: ir.Graph, channels: Mapping[str, ChannelStatistics] | None, *, per_channel: bool) -> list[str]:
    """Equalize channels between layers, in place; names of the chains that changed.

    Args:
        graph: The folded graph.
        channels: Statistics of `equalization_tensors`. Without them the ranges of weights alone are balanced, and
            channels behind a clamp (ReLU6) stay as they are.
        per_channel: Whether weights get one scale per output channel. Then their ranges cost nothing where channels
            are written, and there is nothing to balance without `channels`.
    """
    groups = _groups(graph)
    if channels is None:
        scaled = [Scaled(group=group, read={}) for group in groups]
        return [] if per_channel else _balance_weights(scaled)
    scaled = [scaled_group(group, channels) for group in groups if _is_known(group, channels)]
    return _lower_noise(Network(groups=scaled, inputs=channels, per_channel=per_channel), channels)


def scaled_group(group: Group, channels: Mapping[str, ChannelStatistics]) -> Scaled:
    """A group with the statistics of what its weights read."""
    names = dict.fromkeys([*group.read, *group.added])
    return Scaled(group=group, read={name: spread_of(channels[name], group.values[name].repeats) for name in names})


def balanced(scaled: Scaled, alpha: float) -> Doubles:
    """Factors that balance the activations of a group against the weights that read them.

    s_c = max|x_c|^alpha / max|W_c|^(1 - alpha) (Xiao et al. 2022, arXiv 2211.10438, eq. 4), geometric mean 1.
    """
    activations = np.max([spread.magnitude for spread in scaled.read.values()], axis=0)
    weights = np.max([slot.magnitudes(slot.array) for slot in scaled.group.columns], axis=0)
    return _balance(activations, weights.astype(np.float64), alpha)


def ranges_of(slots: list[Slot]) -> Doubles:
    """(channel,) largest magnitude over weights, each weight's own largest being 1: each has a scale of its own."""
    return _largest([slot.magnitudes(slot.array).astype(np.float64) for slot in slots])


def matters(factors: Doubles) -> bool:
    """Whether a factor is far enough from 1 to show in 8 bits."""
    return bool(np.abs(np.log(factors)).max() > _TOLERANCE)


def _groups(graph: ir.Graph) -> list[Group]:
    return [group for group in channel_groups(graph) if not group.is_normalized]


def _is_known(group: Group, channels: Mapping[str, ChannelStatistics]) -> bool:
    read: list[Any] = [slot.node.inputs[0] for slot in group.rows]
    return all(name in channels for name in (*group.tensors(), *(str(value.name) for value in read)))


def _balance_weights(groups: list[Scaled]) -> list[str]:
    """Bring what writes and what reads each channel to one range, chain by chain, until none changes."""
    for _ in range(_SWEEPS):
        is_settled = True
        for scaled in groups:
            wanted = _balance(ranges_of(scaled.group.rows), ranges_of(scaled.group.columns), 0.5)
            factors = _allowed(scaled, wanted, {})
            if matters(factors):
                scaled.rescale(factors)
                is_settled = False
        if is_settled:
            break
    return _changed(groups)


def _lower_noise(network: Network, channels: Mapping[str, ChannelStatistics]) -> list[str]:
    """Take for each chain the factors with the least noise, until none gains.

    With scales per channel once is enough: what a neighbour's factors do to a weight, its scales undo. Else all start
    from activations of one range, whatever the model came with: the search goes down from there to the same end.
    """
    if not network.per_channel:
        for scaled in network.groups:
            factors = _allowed(scaled, balanced(scaled, 1.0), channels)
            if matters(factors):
                scaled.rescale(factors)
    for _ in range(1 if network.per_channel else _SWEEPS):
        is_settled = True
        for scaled in network.groups:
            noise = network.noise_behind(scaled)
            least, best = noise.at(np.ones(scaled.group.channels)) * (1 - _GAIN), None
            for wanted in _candidates(scaled, per_channel=network.per_channel):
                factors = _allowed(scaled, wanted, channels)
                found = noise.at(factors)
                if found < least:
                    least, best = found, factors
            if best is not None and matters(best):
                scaled.rescale(best)
                is_settled = False
        if is_settled:
            break
    return _changed(network.groups)


def _candidates(scaled: Scaled, *, per_channel: bool) -> Iterator[Doubles]:
    """Factors to choose from: ranges of activations, writers or both, balanced against those of readers."""
    activations = _largest([spread.magnitude for spread in scaled.read.values()])
    reading = ranges_of(scaled.group.columns)
    sources = [activations]
    if not per_channel:
        writing = ranges_of(scaled.group.rows)
        sources += [writing, np.maximum(writing, activations), np.sqrt(writing * activations)]
    for source in sources:
        for alpha in _BALANCES:
            yield _balance(source, reading, alpha)


def _changed(groups: list[Scaled]) -> list[str]:
    return [scaled.group.name for scaled in groups if matters(scaled.total)]


def _largest(found: list[Doubles]) -> Doubles:
    """(channel,) the largest over tensors, each scaled to a largest of 1."""
    return np.asarray(np.max([values / max(float(values.max()), _TINY) for values in found], axis=0))


def _balance(first: Doubles, second: Doubles, alpha: float) -> Doubles:
    """first^alpha / second^(1 - alpha), geometric mean 1; 1 for channels that are dead in either."""
    is_alive = (first > 0) & (second > 0)
    factors = np.ones_like(first)
    if is_alive.any():
        logs = alpha * np.log(first[is_alive]) - (1 - alpha) * np.log(second[is_alive])
        factors[is_alive] = np.exp(logs - logs.mean())
    return np.clip(factors, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)


def _allowed(scaled: Scaled, factors: Doubles, channels: Mapping[str, ChannelStatistics]) -> Doubles:
    """`factors`, held back where a clamp would do something else on calibration data, or the total grows too large."""
    total = np.clip(scaled.total * factors, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    for bound in scaled.group.bounds:
        limits = [limit for limit in (bound.low, bound.high) if limit != 0 and np.isfinite(limit)]
        if not limits:
            continue
        if bound.value not in channels or bound.high == 0:
            return np.ones_like(factors)
        spread = spread_of(channels[bound.value], scaled.group.values[bound.value].repeats)
        reach = np.max([(spread.high if limit > 0 else spread.low) / limit for limit in limits], axis=0)
        total = np.where(reach > _CLAMP_MARGIN, 1.0, np.maximum(total, reach / _CLAMP_MARGIN))
    return np.asarray(total / scaled.total)
