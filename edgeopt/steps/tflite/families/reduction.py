"""Reductions: sums, means, extremes and norms along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.arithmetic import is_int8
from edgeopt.steps.tflite.families.double import DOUBLE, double_sum
from edgeopt.steps.tflite.families.formula import MOST_AXES, computed
from edgeopt.steps.tflite.families.types import narrowed, ordered, type_for, unordered, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Shape, View

_REAL: Final = frozenset({"float32"})
_LARGEST: Final = float(np.finfo(np.float32).max)
# operator -> (kernel, kernel of truth values)
_DIRECT: Final = {
    "ReduceMax": ("REDUCE_MAX", "REDUCE_ANY"),
    "ReduceMean": ("MEAN", ""),
    "ReduceMin": ("REDUCE_MIN", "REDUCE_ALL"),
    "ReduceProd": ("REDUCE_PROD", ""),
    "ReduceSum": ("SUM", ""),
}
_INTEGER: Final = frozenset({"ReduceMax", "ReduceMean", "ReduceMin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """Which memory axes of a tensor go, and how what is left lies.

    Attributes:
        axes: Memory axes that are reduced, in ascending order.
        kept: Shape in memory with a 1 per reduced axis.
        shape: Shape in memory of the result.
        order: Logical axis of the result per memory axis.
    """

    axes: tuple[int, ...]
    kept: Shape
    shape: Shape
    order: Axes


def reduction_of(view: View, axes: Axes, *, keeps: bool) -> Reduction:
    """How `view` is reduced along the logical axes `axes`, which stay with length 1 where it `keeps` them."""
    gone = {view.axis_in_memory(axis) for axis in axes}
    kept = tuple(1 if place in gone else length for place, length in enumerate(view.tensor.shape))
    if keeps:
        return Reduction(axes=tuple(sorted(gone)), kept=kept, shape=kept, order=view.axes)
    left = [axis for place, axis in enumerate(view.axes) if place not in gone]
    rank_of = {axis: rank for rank, axis in enumerate(sorted(left))}
    return Reduction(
        axes=tuple(sorted(gone)),
        kept=kept,
        shape=tuple(length for place, length in enumerate(view.tensor.shape) if place not in gone),
        order=tuple(rank_of[axis] for axis in left),
    )


def axes_of(node: Node, net: Lowering, rank: int) -> Axes | None:
    """Logical axes that a node reduces, by attribute or constant; None where it hands its input on."""
    given = node.attribute("axes")
    if given is None and node.input(1):
        given = net.required_constant(1, "axes").reshape(-1)
    if given is None or len(given) == 0:
        return None if node.attribute("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(dict.fromkeys(int(axis) % rank for axis in given))


def reduce(node: Node, net: Lowering) -> None:
    """Every ReduceX."""
    view = net.unflattened(net.view(node.input(0)))
    axes = axes_of(node, net, view.rank)
    keeps = bool(node.attribute("keepdims", 1))
    how = reduction_of(view, () if axes is None else axes, keeps=keeps)
    wanted = _integer_ending(node, net, view)
    if wanted is None:
        view = net.numbers(view)
    if 0 in how.shape:
        raise Refused("its result has no elements, and LiteRT gives nothing for such an output")
    if 0 in view.tensor.shape:
        made = _of_nothing(node, net, view.tensor.dtype, how.kept)
    elif node.operator in _DIRECT:
        made = _direct(node, net, view.tensor, how, wanted)
    else:
        made = _FORMULAS[node.operator](net, view.tensor, how)
    net.bind(node.output(0), net.reshape(made, how.shape), how.order, is_quantized=wanted is not None)


def _integer_ending(node: Node, net: Lowering, view: View) -> Quantization | None:
    """What the result of an int8 reduction is quantized with; None for one that is done in real numbers.

    An extreme keeps the scale of its input, and who quantizes it otherwise requantizes. A sum is done in real numbers:
    LiteRT's reference kernel of int8 SUM is wrong (off by up to 160 steps against XNNPACK's, which is right; 2.3).
    """
    wanted = net.wanted(node.output(0)) if is_int8(view) else None
    if wanted is None or node.operator not in _INTEGER or 0 in view.tensor.shape:
        return None
    return wanted if node.operator == "ReduceMean" else view.tensor.quantization


def reduced(
    net: Lowering,
    kind: str,
    tensor: Tensor,
    how: Reduction,
    *,
    quantization: Quantization | None = None,
    keeps: bool = True,
) -> Tensor:
    """`tensor` reduced by a kernel, with a 1 per axis that went where it `keeps` them, else in `how.shape`.

    Neighbouring axes that go, or stay, alike are one where there are more axes than kernels take.
    """
    shape = how.kept if keeps else how.shape
    if not how.axes:
        return net.reshape(tensor, shape)
    if tensor.dtype == DOUBLE:
        return net.reshape(double_sum(net, tensor, how.axes), shape)
    axes, made_shape, keeps_axes = how.axes, shape, len(shape) == len(tensor.shape)
    if len(tensor.shape) > MOST_AXES:
        tensor, axes = _merged(net, tensor, axes)
        made_shape, keeps_axes = tuple(length for place, length in enumerate(tensor.shape) if place not in axes), False
    made = net.add(
        kind,
        (tensor, net.new_constant(np.array(axes, np.int32), name="axes")),
        made_shape,
        quantization=quantization,
        options=options("ReducerOptions", keepDims=keeps_axes),
    )
    return net.reshape(made, shape)


def _merged(net: Lowering, tensor: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """(`tensor` with neighbours that are all among `axes`, or all not, as one axis; those of `axes` then)."""
    shape = tensor.shape
    groups = [
        (goes, [place for place, _ in group])
        for goes, group in groupby(enumerate(shape), key=lambda each: each[0] in axes)
    ]
    tensor = net.reshape(tensor, tuple(int(np.prod([shape[place] for place in group])) for _, group in groups))
    return tensor, tuple(place for place, (goes, _) in enumerate(groups) if goes)


def _direct(node: Node, net: Lowering, tensor: Tensor, how: Reduction, wanted: Quantization | None) -> Tensor:
    kind, of_truth = _DIRECT[node.operator]
    if wanted is not None:
        return reduced(net, kind, tensor, how, quantization=wanted, keeps=False)
    if tensor.dtype == "bool" and of_truth:
        return reduced(net, of_truth, tensor, how, keeps=False)
    if node.operator in ("ReduceMax", "ReduceMin"):
        (wide,) = ordered(net, [tensor], kind)
        return unordered(net, reduced(net, kind, wide, how, keeps=False), tensor.dtype)
    (wide,) = widened(net, [tensor], kind, is_modular=kind != "MEAN")
    return narrowed(net, reduced(net, kind, wide, how, keeps=False), tensor.dtype)


def _of_nothing(node: Node, net: Lowering, dtype: str, shape: Shape) -> Tensor:
    """What a reduction of no elements gives: the neutral element of its operation."""
    is_real = dtype.startswith("float")
    neutral: dict[str, float | bool] = {"ReduceProd": 1, "ReduceMean": np.nan}
    if node.operator in ("ReduceMax", "ReduceMin"):
        is_max = node.operator == "ReduceMax"
        limits = (False, True) if dtype == "bool" else (-np.inf, np.inf)
        if not is_real and dtype != "bool":
            limits = (np.iinfo(dtype).min, np.iinfo(dtype).max)
        neutral[node.operator] = limits[0] if is_max else limits[1]
    elif node.operator.startswith("ReduceLog"):
        neutral[node.operator] = -np.inf
    return net.new_constant(np.full(shape, neutral.get(node.operator, 0), dtype), name="nothing")


def _square_sum(net: Lowering, x: Tensor, how: Reduction) -> Tensor:
    (wide,) = widened(net, [x], "MUL", "SUM", is_modular=True)
    return narrowed(net, reduced(net, "SUM", computed(net, "MUL", wide, wide), how), x.dtype)


def _l1(net: Lowering, x: Tensor, how: Reduction) -> Tensor:
    (wide,) = widened(net, [x], "MAXIMUM", "NEG", "SUM")
    if wide.dtype == "int64":
        size = computed(net, "MAXIMUM", wide, computed(net, "NEG", wide))
    else:
        size = computed(net, "ABS", wide)
    return narrowed(net, reduced(net, "SUM", size, how), x.dtype)


def _l2(net: Lowering, x: Tensor, how: Reduction) -> Tensor:
    type_for(x.dtype, _REAL)
    return computed(net, "SQRT", _square_sum(net, x, how))


def _log_sum(net: Lowering, x: Tensor, how: Reduction) -> Tensor:
    type_for(x.dtype, _REAL)
    return computed(net, "LOG", reduced(net, "SUM", x, how))


def _log_sum_exp(net: Lowering, x: Tensor, how: Reduction) -> Tensor:
    """M + log(sum(e**(x - m))) with m the largest x, a finite one: no exponential overflows."""
    type_for(x.dtype, _REAL)
    largest = reduced(net, "REDUCE_MAX", x, how)
    largest = computed(net, "MINIMUM", computed(net, "MAXIMUM", largest, -_LARGEST), _LARGEST)
    powers = computed(net, "EXP", computed(net, "SUB", x, largest))
    return computed(net, "ADD", computed(net, "LOG", reduced(net, "SUM", powers, how)), largest)


_FORMULAS: Final[dict[str, Callable[[Lowering, Tensor, Reduction], Tensor]]] = {
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceSumSquare": _square_sum,
}
