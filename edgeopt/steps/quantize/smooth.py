"""SmoothQuant: outliers of normalized activations moved into the weights that read them, the function unchanged.

Xiao et al. 2022, arXiv 2211.10438. A few channels behind a layer norm of a transformer are far larger than the others,
so one scale for the tensor leaves the others few integers. Each channel is divided by s_c in the norm's own scale and
bias, which costs nothing, and the rows of the weights behind are multiplied by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeopt.steps.quantize.channel_flow import channel_groups
from edgeopt.steps.quantize.channel_groups import Group, rescale
from edgeopt.steps.quantize.channel_noise import ChannelStatistics
from edgeopt.steps.quantize.equalize import balanced, matters, scaled_group

if TYPE_CHECKING:
    import onnx_ir as ir


def smoothing_tensors(graph: ir.Graph) -> dict[str, int]:
    """Tensors whose statistics per channel `smooth` wants: name -> axis of channels."""
    return {name: axis for group in _groups(graph) for name, axis in group.tensors().items()}


def smooth(graph: ir.Graph, channels: Mapping[str, ChannelStatistics], *, alpha: float = 0.5) -> list[str]:
    """Move outliers from normalized activations into weights, in place; names of the places that changed.

    s_c = max|x_c|^alpha / max|W_c|^(1 - alpha), eq. 4 of the paper, W_c over all weights that read the tensor.

    Args:
        graph: The folded graph.
        channels: Statistics of `smoothing_tensors`. A norm whose output has none stays as it is.
        alpha: How much of the range moves into the weights, from 0 to 1.
    """
    changed = []
    for group in _groups(graph):
        if any(name not in channels for name in group.tensors()):
            continue
        factors = balanced(scaled_group(group, channels), alpha)
        if matters(factors):
            rescale(group, factors)
            changed.append(group.name)
    return changed


def _groups(graph: ir.Graph) -> list[Group]:
    return [group for group in channel_groups(graph) if group.is_normalized and not group.bounds]
