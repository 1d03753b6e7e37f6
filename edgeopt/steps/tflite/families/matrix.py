"""Matrix products."""

from __future__ import annotations

import numpy as np

from edgeopt.steps.tflite.families.integer import are_integer_weights, integer_bias
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def gemm(node: Node, net: Lowering) -> None:
    """Gemm with a constant weight and a bias per column: FULLY_CONNECTED."""
    if node.attribute("alpha", 1.0) != 1.0 or node.attribute("beta", 1.0) != 1.0 or node.attribute("transA", 0):
        raise Refused("scales or transposes its first input")
    is_transposed = bool(node.attribute("transB", 0))
    _fully_connected(node, net, bias=node.input(2), is_transposed=is_transposed)


def matmul(node: Node, net: Lowering) -> None:
    """MatMul: FULLY_CONNECTED with a constant matrix, else BATCH_MATMUL."""
    weights = net.view(node.input(1))
    if weights.rank == 2 and weights.tensor.data is not None and net.view(node.input(0)).rank >= 2:
        _fully_connected(node, net, bias="", is_transposed=False)
        return
    first, second = net.tensor(node.input(0)), net.tensor(node.input(1))
    made = net.add("BATCH_MATMUL", (first, second), net.shape(node.output(0)), options=options("BatchMatMulOptions"))
    net.bind(node.output(0), made)


def _fully_connected(node: Node, net: Lowering, *, bias: str, is_transposed: bool) -> None:
    view, weights = net.view(node.input(0)), net.view(node.input(1))
    weights = weights if is_transposed else weights.transposed((1, 0))  # TFLite has (output, input)
    rows, weights = _any_order(net, view, weights)
    count = weights.shape[0]
    shape = (*rows.shape[:-1], count)
    is_integer = view.is_quantized and are_integer_weights(weights)
    ending = net.ending(node.output(0)) if is_integer else net.ending(node.output(0), quantized=False)
    made_bias: Tensor | None = None
    filters = net.laid(weights, (0, 1)) if is_integer else net.tensor(weights, (0, 1))
    if ending.quantization is not None:
        made_bias = integer_bias(net, bias, image=rows, weights=filters, count=count)
    if made_bias is None:
        if is_integer:
            ending = net.ending(node.output(0), quantized=False)
            from dataclasses import replace

            rows = net.numbers(replace(view, tensor=rows, axes=tuple(range(len(rows.shape))), flattened=False)).tensor
            filters = net.tensor(weights, (0, 1))
        made_bias = _float_bias(net, bias, count)
    made = net.add(
        "FULLY_CONNECTED",
        (rows, filters, made_bias),
        shape,
        quantization=ending.quantization,
        options=options(
            "FullyConnectedOptions", fusedActivationFunction=ending.activation, keepNumDims=len(shape) != 2
        ),
    )
    net.absorb(ending)
    net.bind(node.output(0), made, is_quantized=ending.quantization is not None)


def _any_order(net: Lowering, view: View, weights: View) -> tuple[Tensor, View]:
    """(input with columns in whatever order they lie, weights (output, input) with theirs in the same order)."""
    if not view.flattened:
        return net.laid(view), weights
    from dataclasses import replace

    shape = view.unflattened_shape
    order = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    order = order.transpose([axis - 1 for axis in view.axes[1:]]).reshape(-1)
    rows = net.reshape(view.tensor, view.shape)
    tensor = weights.tensor
    assert tensor.data is not None
    data = np.ascontiguousarray(np.take(tensor.data, order, axis=weights.axes.index(1)))
    return rows, replace(weights, tensor=net.new_constant(data, like=tensor))


def _float_bias(net: Lowering, name: str, count: int) -> Tensor:
    if not name:
        return net.new_constant(np.zeros(count, np.float32), name="bias")
    value = net.constant(name)
    if value is None:
        raise Refused("its bias is computed while the model runs")
    return net.new_constant(np.broadcast_to(value.reshape(-1), (count,)).astype(np.float32), name=name)
