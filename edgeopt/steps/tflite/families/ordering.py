"""TopK, OneHot, ReverseSequence and BitCast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.builder import STORED_AS
from edgeopt.steps.tflite.families.carrying import carried, carried_view
from edgeopt.steps.tflite.families.indices import from_start
from edgeopt.steps.tflite.families.slicing import cut, span_of
from edgeopt.steps.tflite.families.types import bits, ordered, unordered
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Options, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_RANKED = frozenset({"float32", "int8", "uint8", "int16", "int32", "int64"})  # types of TOPK_V2


def top_k(node: Node, net: Lowering) -> None:
    """TopK: TOPK_V2 along the last axis in memory; the smallest ones are the largest of what is turned round."""
    view, smallest = carried_view(net, node.input(0)), not node.attribute("largest", 1)
    if smallest:
        view = net.numbers(view)
    axis = int(node.attribute("axis", -1)) % view.rank
    fixed = net.required_constant(1, "k") if node.input(1) else np.array(node.attribute("k"))
    count = int(fixed.reshape(-1)[0])
    order = (*(each for each in view.axes if each != axis), axis)
    tensor = net.laid(view, order)
    ranked = _turned(net, _rankable(net, tensor)) if smallest else _rankable(net, tensor)
    shape = (*tensor.shape[:-1], count)
    values = net.new_tensor(shape, dtype=ranked.dtype, quantization=ranked.quantization)
    indices = net.new_tensor(shape, dtype="int32", name=node.output(1))
    k = net.new_constant(np.array(count, np.int32), name="k")
    net.add_operation("TOPK_V2", (ranked, k), (values, indices), options=options("TopKV2Options"))
    if node.output(0):
        found = _turned(net, values) if smallest else values
        found = found if ranked.dtype == tensor.dtype else unordered(net, found, tensor.dtype)
        net.bind_view(node.output(0), replace(view, tensor=found, axes=order))
    if node.output(1):
        wide = net.cast(indices, "int64")
        net.bind_view(node.output(1), View(tensor=wide, axes=order, dtype="int64"))


def _rankable(net: Lowering, tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in _RANKED else ordered(net, [tensor], "LESS")[0]


def _turned(net: Lowering, tensor: Tensor) -> Tensor:
    """Numbers in the opposite order of size; its own inverse. An integer n becomes -1 - n, for which all have room."""
    if tensor.dtype == "float32":
        return net.add("NEG", (tensor,), tensor.shape, options=options("NegOptions"))
    wide = tensor if tensor.dtype in ("int32", "int64") else net.cast(tensor, "int32")
    top = 255 if tensor.dtype == "uint8" else -1
    most = net.new_constant(np.array(top, wide.dtype), name="turned")
    return net.cast(net.add("SUB", (most, wide), wide.shape, options=options("SubOptions")), tensor.dtype)


def one_hot(node: Node, net: Lowering) -> None:
    """OneHot: ONE_HOT; an index of -1 is the last place, one outside gets no place."""
    depth = int(net.required_constant(1, "depth").reshape(-1)[0])
    view = net.numbers(net.unflattened(net.view(node.input(0))))
    axis = int(node.attribute("axis", -1)) % (view.rank + 1)
    tensor = view.tensor
    if tensor.dtype not in ("int32", "int64"):
        tensor = net.cast(tensor, "int64" if tensor.dtype in ("uint32", "uint64") else "int32")
    tensor = from_start(net, tensor, np.array(depth))
    values = net.numbers(net.view(node.input(2)))
    off, on = (_element(net, values, place) for place in (0, 1))
    on_type = on.dtype
    wide = "int32" if on_type in ("int16", "uint16") else "int64" if on_type in ("uint32", "uint64") else on_type
    on, off = (_as(net, each, wide) for each in (on, off))
    count = net.new_constant(np.array(depth, np.int32), name="depth")
    made = net.add("ONE_HOT", (tensor, count, on, off), (*tensor.shape, depth), dtype=wide, options=_one_hot_options())
    shifted = tuple(each if each < axis else each + 1 for each in view.axes)
    net.bind_view(node.output(0), replace(values, tensor=_as(net, made, on_type), axes=(*shifted, axis)))


def _one_hot_options() -> Options:
    return options("OneHotOptions", axis=-1)


def _as(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    return bits(net, tensor, dtype) if {tensor.dtype, dtype} == {"int64", "uint64"} else net.cast(tensor, dtype)


def _element(net: Lowering, values: View, place: int) -> Tensor:
    return net.reshape(cut(net, values, [span_of(2, place, place + 1, 1)]).tensor, ())


def reverse_sequence(node: Node, net: Lowering) -> None:
    """ReverseSequence: REVERSE_SEQUENCE on the axes where they lie."""
    view = carried_view(net, node.input(0))
    time, batch = int(node.attribute("time_axis", 0)), int(node.attribute("batch_axis", 1))
    made = carried(
        net,
        "REVERSE_SEQUENCE",
        (view.tensor, net.tensor(node.input(1))),
        view.tensor.shape,
        options=options("ReverseSequenceOptions", seqDim=view.axes.index(time), batchDim=view.axes.index(batch)),
    )
    net.bind_view(node.output(0), replace(view, tensor=made))


def bit_cast(node: Node, net: Lowering) -> None:
    """BitCast: BITCAST, through the types as ONNX has them where TFLite's file holds wider ones."""
    view = net.numbers(net.unflattened(net.view(node.input(0))))
    tensor, dtype = view.tensor, net.source.types[node.output(0)].dtype
    if "bfloat16" in (view.dtype, dtype):
        raise Refused("TFLite holds bfloat16 numbers as float32, which have other bits")
    if view.dtype in STORED_AS:
        tensor = net.cast(tensor, view.dtype)
    if "bool" in (view.dtype, dtype):
        made = net.cast(tensor, dtype)
        if view.dtype != "bool" and dtype == "bool":
            raise Refused("makes bool of bits that may be neither 0 nor 1")
    else:
        made = _bits_as(net, tensor, dtype)
    net.bind_view(node.output(0), replace(view, tensor=net.cast(made, STORED_AS.get(dtype, dtype)), dtype=dtype))


def _bits_as(net: Lowering, tensor: Tensor, dtype: str) -> Tensor:
    if dtype in STORED_AS:  # a tensor of its own type, which `new_tensor` would make float32
        made = Tensor(name=net.unique(net.node.output(0)), shape=tensor.shape, dtype=dtype)
        net.add_operation("BITCAST", (tensor,), (made,), options=options("BitcastOptions"))
        return made
    return bits(net, tensor, dtype)
