"""Matrix products: FULLY_CONNECTED with constant weights, BATCH_MATMUL with computed ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.tflite.ending import Ending
from edgeopt.steps.tflite.families.broadcast import aligned
from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.integer import (
    are_integer_weights,
    integer_bias,
    is_int8,
    kernel_weights,
    stored_weights,
    wants_dynamic,
)
from edgeopt.steps.tflite.families.product import exact_product, product
from edgeopt.steps.tflite.families.types import narrowed, type_for, widened
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, View

_REAL: Final = frozenset({"float32"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A product with constant weights and what is added to it.

    Attributes:
        rows: The input, (..., column).
        weights: (output, column).
        bias: Name of the value that is added; empty where there is none.
        alpha: What the product is multiplied by.
        beta: What the bias is multiplied by.
        nodes: The nodes that it stands for; the output is the last one's.
    """

    rows: View
    weights: View
    bias: str
    alpha: float
    beta: float
    nodes: tuple[Node, ...]

    @property
    def count(self) -> int:
        """Number of outputs."""
        return self.weights.shape[0]


def gemm(node: Node, net: Lowering) -> None:
    """Gemm with any factors, transpositions and bias."""
    first, second = net.view(node.input(0)), net.view(node.input(1))
    if node.attribute("transA", 0):
        first = net.unflattened(first).transposed((1, 0))
    if node.attribute("transB", 0):
        second = second.transposed((1, 0))
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    if second.tensor.data is not None and _is_real(first) and _is_real(second):
        weights = second.transposed((1, 0))
        layer = _Layer(rows=first, weights=weights, bias=node.input(2), alpha=alpha, beta=beta, nodes=(node,))
        _fully_connected(layer, net)
        return
    made = _any_product(net, first, second)
    if alpha != 1.0:
        made = replace(made, tensor=computed(net, "MUL", made.tensor, alpha))
    if node.input(2):
        made = _with_bias(net, made, net.numbers(net.view(node.input(2))), beta)
    net.bind(node.output(0), made.tensor, made.axes)


def _is_real(view: View) -> bool:
    """Whether a value is real numbers, be it that integers stand for them."""
    return view.is_quantized or view.tensor.dtype == "float32"


def matmul(node: Node, net: Lowering) -> None:
    """MatMul of operands of any rank, with the bias that is added right behind."""
    first, second = net.view(node.input(0)), net.view(node.input(1))
    is_constant = second.tensor.data is not None and second.rank == 2
    if is_constant and first.rank > 1 and _is_real(first) and _is_real(second):
        nodes, bias = _with_sum(node, net, second.shape[1])
        weights = second.transposed((1, 0))
        _fully_connected(_Layer(rows=first, weights=weights, bias=bias, alpha=1.0, beta=1.0, nodes=nodes), net)
        return
    ending = net.ending(node.output(0), activations=False)
    made = product(net, first, second, ending.quantization) if _is_real(first) and _is_real(second) else None
    if made is None:
        made = _any_product(net, first, second)
    net.bind(node.output(0), made.tensor, made.axes, is_quantized=made.is_quantized)


def _any_product(net: Lowering, first: View, second: View) -> View:
    """The product of real numbers or of integers, which is exact."""
    first, second = net.numbers(first), net.numbers(second)
    if first.tensor.dtype != "float32":
        return exact_product(net, first, second)
    made = product(net, first, second, None)
    assert made is not None
    return made


def _with_sum(node: Node, net: Lowering, count: int) -> tuple[tuple[Node, ...], str]:
    """(the node and the Add behind it, name of the (`count`) constant that it adds), or the node alone."""
    reader = net.source.only_reader(node.output(0))
    if reader is None or reader.operator != "Add" or reader.domain:
        return (node,), ""
    name = reader.input(1) if reader.input(0) == node.output(0) else reader.input(0)
    value = net.constant(name)
    is_bias = value is not None and value.dtype in (np.float32, np.float16) and value.shape == (count,)
    return ((node, reader), name) if is_bias else ((node,), "")


def _fully_connected(layer: _Layer, net: Lowering) -> None:
    rows, weights, order = _in_any_order(net, layer.rows, kernel_weights(net, layer.weights))
    layer = replace(layer, rows=rows, weights=weights)
    if layer.alpha != 1.0 or layer.beta != 1.0 or not _write_integer(layer, net, order):
        _write_real(layer, net, order)


def _write_integer(layer: _Layer, net: Lowering, order: Axes) -> bool:
    """Write a product of int8; whether it is one."""
    if not (is_int8(layer.rows) and are_integer_weights(layer.weights)):
        return False
    ending = net.ending(layer.nodes[-1].output(0))
    if ending.quantization is None:
        return False
    rows, filters = layer.rows.tensor, net.laid(layer.weights, (0, 1))
    bias = integer_bias(net, layer.bias, image=rows, weights=filters, count=layer.count)
    if bias is None:
        return False
    _add(layer, net, (rows, filters, bias), ending, order)
    return True


def _write_real(layer: _Layer, net: Lowering, order: Axes) -> None:
    rows = net.numbers(layer.rows)
    type_for(rows.tensor.dtype, _REAL)
    filters = _float_filters(layer, net)
    bias = _bias(net, layer)
    if bias is not None:
        ending = net.ending(layer.nodes[-1].output(0), quantized=False)
        _add(layer, net, (rows.tensor, filters, net.new_constant(bias, name=layer.bias or "bias")), ending, order)
        return
    bias = np.zeros(layer.count, np.float32)
    made = _add(layer, net, (rows.tensor, filters, net.new_constant(bias, name="bias")), Ending(), order)
    made = _with_bias(net, made, net.numbers(net.view(layer.bias)), layer.beta)
    net.bind(layer.nodes[-1].output(0), made.tensor, made.axes)


def _float_filters(layer: _Layer, net: Lowering) -> Tensor:
    """Weights of a product of float32: integers where the kernel rounds its input to integers too."""
    if layer.alpha != 1.0:
        filters = net.tensor(layer.weights, (0, 1))
        assert filters.data is not None
        return net.new_constant(filters.data * np.float32(layer.alpha), name=filters.name)
    if _is_dynamic(layer):
        return net.laid(layer.weights, (0, 1))
    return stored_weights(net, layer.weights, (0, 1))


def _is_dynamic(layer: _Layer) -> bool:
    is_rounded = wants_dynamic(layer.nodes[0], layer.weights)
    is_rounded |= is_int8(layer.rows) and are_integer_weights(layer.weights)  # rounded before, to steps as coarse
    return layer.alpha == 1.0 and is_rounded


def _add(layer: _Layer, net: Lowering, inputs: tuple[Tensor, ...], ending: Ending, order: Axes) -> View:
    """Add the operation, and bind all outputs that it stands for.

    Rows that were reshaped to be a matrix are read as they were: the kernel takes any number of axes.
    """
    rows, *others = inputs
    source = net.unreshaped(rows)
    source = source if len(source.shape) > 1 and source.shape[-1] == rows.shape[-1] else rows
    shape = (*source.shape[:-1], layer.count)
    made = net.add(
        "FULLY_CONNECTED",
        (source, *others),
        shape,
        quantization=ending.quantization,
        options=options(
            "FullyConnectedOptions",
            fusedActivationFunction=ending.activation,
            keepNumDims=len(shape) != 2,
            asymmetricQuantizeInputs=_is_dynamic(layer) and ending.quantization is None,
        ),
    )
    made = net.reshape(made, (*rows.shape[:-1], layer.count))
    for node in layer.nodes:
        net.bind(node.output(0), made, order, is_quantized=ending.quantization is not None)
    net.absorb(replace(ending, absorbed=(*layer.nodes[1:], *ending.absorbed)))
    return net.view(layer.nodes[-1].output(0))


def _bias(net: Lowering, layer: _Layer) -> NDArray[np.float32] | None:
    """(output) a constant bias; None where it is computed, or differs from row to row."""
    if not layer.bias:
        return np.zeros(layer.count, np.float32)
    value = net.constant(layer.bias)
    if value is None or any(length != 1 for length in value.shape[:-1]) or value.size not in (1, layer.count):
        return None
    scaled = value.reshape(-1).astype(np.float32) * np.float32(layer.beta)
    return np.ascontiguousarray(np.broadcast_to(scaled, (layer.count,)))


def _with_bias(net: Lowering, made: View, bias: View, beta: float) -> View:
    """`made` + `beta` `bias`."""
    tensors, axes, _ = aligned(net, [made, bias])
    value, added = widened(net, tensors, "ADD", is_modular=True)
    if beta != 1.0:
        added = computed(net, "MUL", added, beta)
    total = narrowed(net, computed(net, "ADD", value, added), tensors[0].dtype)
    return replace(made, tensor=total, axes=axes)


def _in_any_order(net: Lowering, view: View, weights: View) -> tuple[View, View, Axes]:
    """(input with its columns last, weights (output, column) with columns in that order, order of the axes).

    Rows may lie in any order, and the columns of a flattening that waits, whose weights are then put in their order.
    """
    if not view.flattened:
        order = (*(axis for axis in view.axes if axis != view.rank - 1), view.rank - 1)
        return replace(view, tensor=net.laid(view, order), axes=order), weights, order
    shape = view.unflattened_shape
    places: NDArray[Any] = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    places = places.transpose([axis - 1 for axis in view.axes[1:]]).reshape(-1)
    rows = replace(view, tensor=net.reshape(view.tensor, view.shape), axes=(0, 1), flattened=False)
    tensor = weights.tensor
    assert tensor.data is not None
    data = np.ascontiguousarray(np.take(tensor.data, places, axis=weights.axes.index(1)))
    return rows, replace(weights, tensor=net.new_constant(data, like=tensor)), (0, 1)
