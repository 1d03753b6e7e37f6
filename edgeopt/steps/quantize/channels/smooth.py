"""SmoothQuant: outliers of normalized activations moved into the weights that read them, the function unchanged.

Xiao et al. 2022, arXiv 2211.10438. A few channels behind a layer norm of a transformer are far larger than the others,
so one scale for the tensor leaves the others few integers. Each channel is divided by s_c in the norm's own scale and
bias, which costs nothing, and the rows of the weights behind are multiplied by it.

Where the norm's output is added to something too (a post-norm transformer such as BERT), its own scale must stay. There
the division can be a Mul of its own in front of the weights, if asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.channels.equalize import balanced, matters, scaled_group
from edgeopt.steps.quantize.channels.flow import NORMALIZATIONS, channel_groups
from edgeopt.steps.quantize.channels.groups import Group, Layout, free_name, rescale
from edgeopt.steps.quantize.channels.layouts import PASSING, columns_of, rank_of
from edgeopt.steps.quantize.channels.noise import ChannelStatistics

if TYPE_CHECKING:
    import onnx_ir as ir


def smoothing_tensors(graph: ir.Graph, *, branches: bool = False) -> dict[str, int]:
    """Tensors whose statistics per channel `smooth` wants: name -> axis of channels."""
    groups = _groups(graph)
    if branches:
        groups += _branches(graph, groups)
    return {name: axis for group in groups for name, axis in group.tensors().items()}


def smooth(
    graph: ir.Graph, channels: Mapping[str, ChannelStatistics], *, alpha: float = 0.5, branches: bool = False
) -> list[str]:
    """Move outliers from normalized activations into weights, in place; names of the places that changed.

    s_c = max|x_c|^alpha / max|W_c|^(1 - alpha), eq. 4 of the paper, W_c over all weights that read the tensor.

    Args:
        graph: The folded graph.
        channels: Statistics of `smoothing_tensors`. A norm whose output has none stays as it is.
        alpha: How much of the range moves into the weights, from 0 to 1.
        branches: Whether to insert a Mul where the output of a norm goes elsewhere too. It is one more operator.
    """
    groups = _groups(graph)
    found = [(group, False) for group in groups]
    if branches:
        found += [(group, True) for group in _branches(graph, groups)]
    changed = []
    for group, is_branch in found:
        if any(name not in channels for name in group.tensors()):
            continue
        factors = balanced(scaled_group(group, channels), alpha)
        if not matters(factors):
            continue
        if is_branch:
            _insert_division(graph, group, factors)
        rescale(group, factors)
        changed.append(group.name)
    return changed


def _groups(graph: ir.Graph) -> list[Group]:
    return [group for group in channel_groups(graph) if group.is_normalized and not group.bounds]


def _branches(graph: ir.Graph, groups: list[Group]) -> list[Group]:
    """Weights that read the output of a norm which something else reads too."""
    folded = {name for group in groups for name in group.values}
    return [group for group in _read_norms(graph) if group.read[0] not in folded]


def _read_norms(graph: ir.Graph) -> Iterator[Group]:
    for node in graph:
        output = node.outputs[0]
        length = output.shape[-1] if output.shape is not None and rank_of(output) else None
        if node.op_type not in NORMALIZATIONS or not isinstance(length, int):
            continue
        for value in (output, *_rows_of(output, length)):
            group = _reading(graph, value, length)
            if group.columns:
                yield group


def _rows_of(output: ir.Value, length: int) -> list[ir.Value]:
    """The same values as (row, channel), as a Gemm reads them."""
    readers = [use.node for use in output.uses() if use.idx == 0 and use.node.op_type == "Reshape"]
    layout = Layout(axis=rank_of(output) - 1)
    found = [node.outputs[0] for node in readers if PASSING["Reshape"](node, layout) is not None]
    return [value for value in found if rank_of(value) and value.shape is not None and value.shape[-1] == length]


def _reading(graph: ir.Graph, value: ir.Value, length: int) -> Group:
    """The weights that read the channels of one value."""
    layout = Layout(axis=rank_of(value) - 1)
    group = Group(channels=length, values={str(value.name): layout}, is_normalized=True)
    for use in value.uses():
        if use.idx != 0 or use.node.op_type not in ("MatMul", "Gemm") or use.node.graph is not graph:
            continue
        slot = columns_of(use.node, layout, length, rank_of(value))
        if slot is not None:
            group.columns.append(slot)
            group.read.append(str(value.name))
    return group


def _insert_division(graph: ir.Graph, group: Group, factors: NDArray[np.float64]) -> None:
    """Let the weights of a group read the norm's output divided by `factors`."""
    import onnx_ir as ir

    source = group.columns[0].node.inputs[0]
    assert source is not None
    producer = source.producer()
    assert producer is not None
    inverse = ir.tensor((1.0 / factors).astype(np.float32), name=free_name(graph, f"{source.name}_inverse"))
    constant = ir.Value(name=inverse.name, const_value=inverse, shape=ir.Shape(factors.shape))
    constant.type = ir.TensorType(ir.DataType.FLOAT)
    graph.register_initializer(constant)
    node = ir.node("Mul", [source, constant], name=free_name(graph, f"{source.name}_smooth"))
    node.outputs[0].name = free_name(graph, f"{source.name}_smooth")
    node.outputs[0].type, node.outputs[0].shape = source.type, source.shape
    graph.insert_after(producer, node)
    for slot in group.columns:
        slot.node.replace_input_with(0, node.outputs[0])
