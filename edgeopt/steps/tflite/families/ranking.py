"""The place of the largest or smallest value along an axis."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.reduction import reduction_of
from edgeopt.steps.tflite.families.types import NATIVE, ordered, type_for
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

# operator -> (kernel, its options, the reduction that finds the value)
_KINDS: Final = {
    "ArgMax": ("ARG_MAX", "ArgMaxOptions", "REDUCE_MAX"),
    "ArgMin": ("ARG_MIN", "ArgMinOptions", "REDUCE_MIN"),
}
_LONG: Final = frozenset({"int64", "uint32", "uint64"})


def place_of_extreme(node: Node, net: Lowering) -> None:
    """ArgMax and ArgMin; int8 integers are ranked as they are."""
    kind, table, extreme = _KINDS[node.operator]
    view = net.unflattened(net.view(node.input(0)))
    if not (view.is_quantized and view.tensor.dtype == "int8"):
        view = net.numbers(view)
    axis = int(node.attribute("axis", 0)) % view.rank
    place = view.axis_in_memory(axis)
    how = reduction_of(view, (axis,), keeps=bool(node.attribute("keepdims", 1)))
    tensor = _comparable(net, view, extreme, place)
    if tensor.dtype == "bool":
        kind, table = _KINDS["ArgMax"][:2]
    is_last = bool(node.attribute("select_last_index", 0))
    if is_last:
        tensor = reversed_along(net, tensor, place)
    shape = (*tensor.shape[:place], *tensor.shape[place + 1 :])
    along = net.new_constant(np.array([place], np.int32), name="axis")
    given = Options(table=table, values={"outputType": "int64"})
    made = net.add(kind, (tensor, along), shape, dtype="int64", options=given)
    if is_last:
        made = computed(net, "SUB", net.new_constant(np.array(tensor.shape[place] - 1, np.int64), name="last"), made)
    net.bind(node.output(0), net.reshape(made, how.shape), how.order)


def _comparable(net: Lowering, view: View, extreme: str, place: int) -> Tensor:
    """A tensor that ARG_MAX or ARG_MIN ranks; for long integers whether each is the extreme, as a truth value."""
    tensor = view.tensor
    if tensor.dtype not in _LONG:
        return net.cast(tensor, type_for(tensor.dtype, NATIVE["ARG_MAX"]))
    (wide,) = ordered(net, [tensor], extreme)
    kept = tuple(1 if axis == place else length for axis, length in enumerate(tensor.shape))
    along = net.new_constant(np.array([place], np.int32), name="axis")
    value = net.add(extreme, (wide, along), kept, options=options("ReducerOptions", keepDims=True))
    return computed(net, "EQUAL", wide, value)


def reversed_along(net: Lowering, tensor: Tensor, axis: int) -> Tensor:
    """`tensor` with one memory axis turned round."""
    along = net.new_constant(np.array([axis], np.int32), name="axis")
    return net.add(
        "REVERSE_V2",
        (tensor, along),
        tensor.shape,
        quantization=tensor.quantization,
        options=options("ReverseV2Options"),
    )
