"""How channels lie behind each operator that treats every channel by itself and is positively homogeneous."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.steps.quantize.channels.groups import Layout, Slot

if TYPE_CHECKING:
    import onnx_ir as ir


def columns_of(node: ir.Node, layout: Layout, channels: int, rank: int) -> Slot | None:
    """Where a weight reads channels; None where it reads something else."""
    weight = node.inputs[1]
    if not _is_own_weight(weight):
        return None
    shape = array_of(weight).shape
    if node.op_type == "Conv":
        groups = _integer(node, "group", 1)
        fits = layout == Layout(axis=1) and shape[1] * groups == channels
        return Slot(node=node, index=1, trailing=len(shape) - 2, groups=groups) if fits else None
    rank = 2 if node.op_type == "Gemm" else rank
    if len(shape) != 2 or not rank or layout.axis != rank - 1 or _integer(node, "transA", 0):
        return None
    is_transposed = bool(_integer(node, "transB", 0))
    fits = shape[1 if is_transposed else 0] == channels * layout.repeats
    return Slot(node=node, index=1, trailing=0 if is_transposed else 1, repeats=layout.repeats) if fits else None


def rows_of(node: ir.Node, rank: int) -> tuple[Slot | None, Layout | None]:
    """Where a weight writes channels, and how they lie in what the node gives."""
    weight = node.inputs[1]
    if not _is_own_weight(weight):
        return None, None
    shape = array_of(weight).shape
    if node.op_type == "Conv":
        return Slot(node=node, index=1, trailing=len(shape) - 1), Layout(axis=1)
    rank = 2 if node.op_type == "Gemm" else rank
    if len(shape) != 2 or rank < 2:
        return None, None
    trailing = 1 if _integer(node, "transB", 0) else 0
    return Slot(node=node, index=1, trailing=trailing), Layout(axis=rank - 1)


def _same(_: ir.Node, layout: Layout) -> Layout | None:
    return layout


def _clip(node: ir.Node, layout: Layout) -> Layout | None:
    low, high = clip_bounds(node)
    return layout if low <= 0.0 <= high else None


def clip_bounds(node: ir.Node) -> tuple[float, float]:
    """Bounds of a Clip; NaN for one that is computed."""
    bounds = [-np.inf, np.inf] if not {"min", "max"} & set(node.attributes) else [np.nan, np.nan]
    for index in (1, 2):
        value = node.inputs[index] if len(node.inputs) > index else None
        if value is not None:
            bounds[index - 1] = float(array_of(value).reshape(-1)[0]) if is_fixed(value) else np.nan
    return bounds[0], bounds[1]


def _spatial(_: ir.Node, layout: Layout) -> Layout | None:
    return layout if layout == Layout(axis=1) else None


def _pad(node: ir.Node, layout: Layout) -> Layout | None:
    """Zeros around other axes."""
    mode = node.attributes["mode"].as_string() if "mode" in node.attributes else "constant"
    inputs = [*node.inputs, None, None, None]
    if mode != "constant" or inputs[3] is not None or not is_fixed(inputs[1]):
        return None
    if inputs[2] is not None and (not is_fixed(inputs[2]) or np.any(array_of(inputs[2]) != 0)):
        return None
    pads = array_of(inputs[1]).reshape(2, -1)
    return layout if layout.axis < pads.shape[1] and not np.any(pads[:, layout.axis]) else None


def _reduce(node: ir.Node, layout: Layout) -> Layout | None:
    """Means over other axes."""
    rank = rank_of(node.inputs[0])
    axes = _axes(node)
    if not rank or not axes or layout.axis in {axis % rank for axis in axes}:
        return None
    removed = 0 if _integer(node, "keepdims", 1) else sum(axis % rank < layout.axis for axis in axes)
    return Layout(axis=layout.axis - removed, repeats=layout.repeats)


def _squeeze(node: ir.Node, layout: Layout) -> Layout | None:
    """Axes of length 1 dropped behind the channels."""
    rank = rank_of(node.inputs[0])
    axes = _axes(node)
    return layout if rank and axes and all(axis % rank > layout.axis for axis in axes) else None


def _axes(node: ir.Node) -> list[int]:
    """The axes of a Reduce or Squeeze, from its attribute or its input; none where they are computed."""
    if "axes" in node.attributes:
        return [int(axis) for axis in node.attributes["axes"].as_ints()]
    value = node.inputs[1] if len(node.inputs) > 1 else None
    return [int(axis) for axis in array_of(value).reshape(-1)] if is_fixed(value) else []


def _slice(node: ir.Node, layout: Layout) -> Layout | None:
    """Parts of other axes."""
    rank = rank_of(node.inputs[0])
    axes = node.inputs[3] if len(node.inputs) > 3 else None
    if not rank or axes is None or not is_fixed(axes):
        return None
    return layout if layout.axis not in {int(axis) % rank for axis in array_of(axes).reshape(-1)} else None


def _gather(node: ir.Node, layout: Layout) -> Layout | None:
    """Places of another axis, picked by constant indices."""
    rank, indices = rank_of(node.inputs[0]), node.inputs[1]
    if not rank or not is_fixed(indices):
        return None
    axis = _integer(node, "axis", 0) % rank
    moved = array_of(indices).ndim - 1 if axis < layout.axis else 0
    return Layout(axis=layout.axis + moved, repeats=layout.repeats) if axis != layout.axis else None


def _transpose(node: ir.Node, layout: Layout) -> Layout | None:
    if "perm" not in node.attributes:
        return None
    order = list(node.attributes["perm"].as_ints())
    return Layout(axis=order.index(layout.axis), repeats=layout.repeats)


def _flatten(node: ir.Node, layout: Layout) -> Layout | None:
    is_plain = layout == Layout(axis=1) and _integer(node, "axis", 1) == 1
    places = _places_behind(node.inputs[0], 1)
    return Layout(axis=1, repeats=places) if is_plain and places else None


def _reshape(node: ir.Node, layout: Layout) -> Layout | None:
    """(batch, channel, ...) to (batch, channel * places), or other axes before a last one of channels that stays."""
    places, target = _places_behind(node.inputs[0], 1), node.inputs[1]
    if is_fixed(target) and layout == Layout(axis=rank_of(node.inputs[0]) - 1):
        shape = array_of(target).reshape(-1)
        if len(shape) > 1 and int(shape[-1]) == _length(node.inputs[0], layout.axis) > 1:
            return Layout(axis=len(shape) - 1)
    if layout != Layout(axis=1) or not places or not is_fixed(target):
        return None
    lengths = [int(length) for length in array_of(target).reshape(-1)]
    width = _length(node.inputs[0], 1) * places
    keeps_batch = len(lengths) == 2 and (lengths == [0, -1] or lengths[1] == width)
    return Layout(axis=1, repeats=places) if keeps_batch and not _integer(node, "allowzero", 0) else None


PASSING: dict[str, Callable[[Any, Layout], Layout | None]] = {
    "Relu": _same,
    "LeakyRelu": _same,
    "PRelu": _same,
    "Identity": _same,
    "Dropout": _same,
    "Clip": _clip,
    "MaxPool": _spatial,
    "AveragePool": _spatial,
    "GlobalAveragePool": _spatial,
    "GlobalMaxPool": _spatial,
    "Pad": _pad,
    "ReduceMean": _reduce,
    "ReduceMax": _reduce,
    "Squeeze": _squeeze,
    "Slice": _slice,
    "Gather": _gather,
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Reshape": _reshape,
}


def is_fixed(value: ir.Value | None) -> bool:
    """Whether a value is a constant that no caller can replace."""
    return value is not None and value.const_value is not None and not value.is_graph_input()


def is_real(value: ir.Value | None) -> bool:
    """Whether a value is a float32 constant."""
    if value is None or not is_fixed(value):
        return False
    return value.const_value is not None and value.const_value.dtype.name == "FLOAT"


def _is_own_weight(value: ir.Value | None) -> bool:
    """Whether a value is a float32 constant that one node alone reads."""
    return value is not None and is_real(value) and not value.is_graph_output() and len(value.uses()) == 1


def array_of(value: ir.Value | None) -> Any:
    """The array of a constant."""
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()


def rank_of(value: ir.Value | None) -> int:
    """Axes of a tensor, 0 where they are not known."""
    return len(value.shape) if value is not None and value.shape is not None else 0


def _length(value: ir.Value | None, axis: int) -> int:
    """Length of an axis, 0 where it is not known."""
    if value is None or value.shape is None or axis >= len(value.shape):
        return 0
    length = value.shape[axis]
    return length if isinstance(length, int) else 0


def _places_behind(value: ir.Value | None, axis: int) -> int:
    """Product of the lengths behind an axis, 0 where one is not known."""
    rank = rank_of(value)
    return int(np.prod([_length(value, index) for index in range(axis + 1, rank)], dtype=np.int64)) if rank else 0


def _integer(node: ir.Node, key: str, default: int) -> int:
    return int(node.attributes[key].as_int()) if key in node.attributes else default
