"""Operators that move values and compute nothing: most only change how a value is seen."""

from __future__ import annotations

from dataclasses import replace

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Shape, View

_TAKES_ANY_ORDER = frozenset({"Gemm", "MatMul"})  # of the columns of a flattened input, whose weights are constant


def identity(node: Node, net: Lowering) -> None:
    """Identity and what else hands its first input on."""
    if node.input(0) in net.sequences:
        net.sequences[node.output(0)] = net.sequences[node.input(0)]
        return
    net.bind_view(node.output(0), net.view(node.input(0)))


def transpose(node: Node, net: Lowering) -> None:
    """Transpose: another view of the same tensor."""
    view = net.unflattened(net.view(node.input(0)))
    permutation = tuple(node.attribute("perm") or reversed(range(view.rank)))
    net.bind_view(node.output(0), view.transposed(permutation))


def reshape(node: Node, net: Lowering) -> None:
    """Reshape, Squeeze and Unsqueeze, to the shape that inference tells."""
    _bind_reshaped(node, net, net.shape(node.output(0)))


def flatten(node: Node, net: Lowering) -> None:
    """Flatten."""
    _bind_reshaped(node, net, net.shape(node.output(0)))


def _bind_reshaped(node: Node, net: Lowering, shape: Shape) -> None:
    view = net.view(node.input(0))
    if _can_wait(view, shape) and _feeds_products(net, node.output(0)):
        net.bind_view(node.output(0), replace(view, flattened=True))
    else:
        net.bind_view(node.output(0), net.reshaped(view, shape))


def _can_wait(view: View, shape: Shape) -> bool:
    """Whether a reshape flattens all axes behind the first one, which lies first."""
    old = view.shape
    return not view.flattened and len(shape) == 2 and len(old) > 2 and old[0] == shape[0] and view.axes[0] == 0


def _feeds_products(net: Lowering, name: str) -> bool:
    """Whether all that reads a value, behind quantization too, is a product with constant weights."""
    readers = net.source.readers.get(name, ())
    if not readers or name in net.source.outputs:
        return False
    for node in readers:
        if node.operator in ("QuantizeLinear", "DequantizeLinear", "Relu", "Identity", "Dropout"):
            if not _feeds_products(net, node.output(0)):
                return False
        elif (
            node.operator not in _TAKES_ANY_ORDER
            or node.input(0) != name
            or node.attribute("transA", 0)
            or not _is_constant(net, node.input(1))
        ):
            return False
    return True


def _is_constant(net: Lowering, name: str) -> bool:
    """Whether a value is constant, or a constant dequantized."""
    if net.constant(name) is not None:
        return True
    maker = net.source.makers.get(name)
    return maker is not None and maker.operator == "DequantizeLinear" and net.constant(maker.input(0)) is not None
