"""What comes right behind a node and can be done by its operation: an activation, a quantization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.steps.tflite.net import Quantization
from edgeopt.steps.tflite.quantized import does_clamp, spanning
from edgeopt.steps.tflite.source import Node

if TYPE_CHECKING:
    from edgeopt.steps.tflite.lowering import Lowering

_RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
# A fused activation, per operator: (lowest, highest) value that it lets through.
_BOUNDS: Mapping[tuple[float | None, float | None], str] = {
    (0.0, None): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
}
# Operators that TFLite has in int8 with no scale to be chosen: they keep that of their input, or have one of their own.
_KEEPING_INTEGERS = frozenset(
    ("Clip", "Dropout", "Flatten", "Identity", "LogSoftmax", "MaxPool", "Relu", "Reshape", "Sigmoid", "Slice")
) | {"Softmax", "Split", "Squeeze", "Tanh", "Transpose", "Unsqueeze"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What comes right behind a node and can be done by its operation.

    Attributes:
        activation: Name in the schema's ActivationFunctionType.
        quantization: What the result is quantized with; None where it stays float.
        absorbed: Nodes that are done with it.
        passed: Nodes between that only reshape, and are written as ever.
    """

    activation: str = "NONE"
    quantization: Quantization | None = None
    absorbed: tuple[Node, ...] = ()
    passed: tuple[Node, ...] = ()


def ending_of(net: Lowering, name: str, *, activations: bool = True, quantized: bool = True) -> Ending:
    """What comes right behind the value called `name` and can be done with what makes it.

    Args:
        net: Where it is being written.
        name: An output of the node.
        activations: Whether its operation can do an activation.
        quantized: Whether it can give integers: its inputs are quantized.
    """
    found = Ending()
    passed, reader = _behind_reshapes(net, name)
    if quantized and activations and reader is not None and (limits := _limits(net, reader)) is not None:
        clamped = wanted(net, reader.output(0))
        if clamped is not None and does_clamp(clamped, limits):  # the range of the integers does what the node says
            return Ending(quantization=clamped, absorbed=(reader,), passed=passed)
    bounds = _activation(net, reader) if reader is not None and activations else ""
    if reader is not None and bounds:
        found, name = Ending(activation=bounds, absorbed=(reader,), passed=passed), reader.output(0)
    quantization = wanted(net, name) if quantized else None
    if quantized and quantization is None:
        return Ending()
    return replace(found, quantization=quantization)


def wanted(net: Lowering, name: str) -> Quantization | None:
    """What all readers of the value called `name` quantize it with, alike; else what a calibration noted of it.

    None where a reader takes it as it is, and nothing is noted or real numbers are wanted further on.
    """
    readers = net.source.readers.get(name, ())
    found = {_quantization_of(net, reader) if reader.input(0) == name else None for reader in readers}
    if len(found) == 1 and None not in found and name not in net.source.outputs:
        return found.pop()
    noted = net.source.ranges.get(name)
    if noted is None or not _ends_in_integers(net, name):
        return None
    net.noted[name] = spanning(*noted)
    return net.noted[name]


def quantization_of(net: Lowering, node: Node) -> Quantization | None:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear with constant ones, for int8 or int32 integers.

    Unsigned integers are taken to lie 128 lower, as int8. None where TFLite has no such type or parameters.
    """
    scales, zero_points = net.constant(node.input(1)), net.constant(node.input(2)) if node.input(2) else None
    if scales is None or (node.input(2) and zero_points is None):
        return None
    dtype = (
        str(zero_points.dtype)
        if zero_points is not None
        else net.dtype(node.input(0) if node.operator == "DequantizeLinear" else node.output(0))
    )
    if dtype not in ("int8", "uint8", "int16", "int32") or scales.ndim > 1:
        return None
    points = np.zeros(scales.size, np.int64) if zero_points is None else zero_points.reshape(-1).astype(np.int64)
    if dtype == "uint8":
        points = points - 128
    axis = 0
    if scales.size > 1 and np.unique(scales).size == np.unique(points).size == 1:
        scales, points = scales[:1], points[:1]  # one scale, said for each channel: `edgeopt quantize` shields so
    if scales.size > 1:
        axis = int(node.attribute("axis", 1)) % len(net.shape(node.input(0)))
    return Quantization(
        scales=tuple(float(each) for each in scales.reshape(-1)),
        zero_points=tuple(int(each) for each in points),
        axis=axis,
    )


def _behind_reshapes(net: Lowering, name: str) -> tuple[tuple[Node, ...], Node | None]:
    """(nodes that only reshape the value called `name`, the only reader of what they give)."""
    passed: list[Node] = []
    reader = net.source.only_reader(name)
    while reader is not None and reader.operator in _RESHAPING and not reader.domain and reader.input(0) == name:
        passed.append(reader)
        name = reader.output(0)
        reader = net.source.only_reader(name)
    return tuple(passed), reader


def _ends_in_integers(net: Lowering, name: str) -> bool:
    """Whether all that becomes of a value up to outputs of the model can be done in int8.

    Elsewhere real numbers are wanted at once, and a rounding between would be for nothing: a vision transformer
    whose products all rounded theirs lost 3.6 dB, and ran at half the speed.
    """
    readers = net.source.readers.get(name, ())
    if not readers:
        return name in net.source.outputs
    return all(
        reader.operator in _KEEPING_INTEGERS and reader.input(0) == name and _ends_in_integers(net, reader.output(0))
        for reader in readers
    )


def _quantization_of(net: Lowering, node: Node) -> Quantization | None:
    if node.operator != "QuantizeLinear" or net.dtype(node.output(0)) not in ("int8", "uint8"):
        return None
    found = quantization_of(net, node)
    return found if found is not None and found.is_per_tensor else None


def _activation(net: Lowering, node: Node) -> str:
    limits = _limits(net, node)
    return "" if limits is None else _BOUNDS.get(limits, "")


def _limits(net: Lowering, node: Node) -> tuple[float | None, float | None] | None:
    """(lowest, highest) that a Relu or Clip lets through, None for no bound; None for what is neither."""
    if node.operator == "Relu":
        return 0.0, None
    if node.operator != "Clip":
        return None
    bounds = [net.constant(node.input(place)) if node.input(place) else None for place in (1, 2)]
    if any(node.input(place) and bounds[place - 1] is None for place in (1, 2)):
        return None
    given = [
        node.attribute(name) if bound is None else float(bound.reshape(-1)[0])  # attributes are those of opset 6
        for name, bound in zip(("min", "max"), bounds, strict=True)
    ]
    lowest, highest = (None if each is None or not np.isfinite(each) else float(each) for each in given)
    return lowest, highest
