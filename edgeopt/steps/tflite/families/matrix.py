"""Matrix products."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeopt.steps.tflite.families.arithmetic import is_int8
from edgeopt.steps.tflite.families.integer import (
    are_integer_weights,
    integer_bias,
    kernel_weights,
    stored_weights,
)
from edgeopt.steps.tflite.lowering import Ending, Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import Axes, Shape, View

# Attribute of a MatMul whose weights are integers: its input is rounded to int8 while the model runs (dynamic.py).
DYNAMIC = "edgeopt_dynamic"
_MOST_AXES = 5  # of BATCH_MATMUL


def gemm(node: Node, net: Lowering) -> None:
    """Gemm: FULLY_CONNECTED with a constant weight and a bias per column, else BATCH_MATMUL, MUL and ADD."""
    is_plain = node.attribute("alpha", 1.0) == node.attribute("beta", 1.0) == 1.0 and not node.attribute("transA", 0)
    if is_plain and _is_matrix(net, node.input(1)) and _is_bias(net, node.input(2), net.shape(node.output(0))[1]):
        dense(node, net, bias=node.input(2), is_transposed=bool(node.attribute("transB", 0)))
        return
    views = [net.view(name) for name in node.inputs[:2]]
    for place, flag in enumerate(("transA", "transB")):
        if node.attribute(flag, 0):
            views[place] = views[place].transposed((1, 0)) if not views[place].flattened else _turned(net, views[place])
    made = _float_product(net, views[0], views[1], net.shape(node.output(0)))
    made = _scaled(net, made, float(node.attribute("alpha", 1.0)))
    beta = float(node.attribute("beta", 1.0))
    if node.input(2) and beta:
        addend = _scaled(net, net.tensor(node.input(2)), beta)
        made = net.add("ADD", (made, addend), made.shape, options=options("AddOptions"))
    net.bind(node.output(0), made)


def _turned(net: Lowering, view: View) -> View:
    return net.unflattened(view).transposed((1, 0))


def _scaled(net: Lowering, tensor: Tensor, factor: float) -> Tensor:
    if factor == 1.0:
        return tensor
    return net.add("MUL", (tensor, net.scalar(factor)), tensor.shape, options=options("MulOptions"))


def matmul(node: Node, net: Lowering) -> None:
    """MatMul: FULLY_CONNECTED with a constant matrix, else BATCH_MATMUL; in int8 where both sides and result are."""
    first, second = net.view(node.input(0)), net.view(node.input(1))
    if _is_matrix(net, node.input(1)) and first.rank > 1:
        dense(node, net, bias="", is_transposed=False)
        return
    shape = net.shape(node.output(0))
    inner = (*shape[: len(shape) - (first.rank > 1) - (second.rank > 1)],)
    whole = (*inner, *([first.shape[-2]] if first.rank > 1 else [1]), *([second.shape[-1]] if second.rank > 1 else [1]))
    first = first if first.rank > 1 else net.reshaped(first, (1, *first.shape))
    second = second if second.rank > 1 else net.reshaped(second, (*second.shape, 1))
    ending = net.ending(node.output(0), activations=False) if is_int8(first) and is_int8(second) else Ending()
    if ending.quantization is None:
        net.bind(node.output(0), net.reshape(_float_product(net, first, second, whole), shape))
        return
    made = _product(net, first, second, whole, ending)
    net.bind(node.output(0), net.reshape(made, shape), is_quantized=True)


def _float_product(net: Lowering, first: View, second: View, shape: Shape) -> Tensor:
    first, second = net.numbers(first), net.numbers(second)
    if {first.tensor.dtype, second.tensor.dtype} != {"float32"}:
        raise Refused(f"multiplies matrices of `{first.dtype}`, and TFLite has products of float32 and int8 alone")
    return _product(net, first, second, shape, Ending())


def _product(net: Lowering, first: View, second: View, shape: Shape, ending: Ending) -> Tensor:
    """(..., rows, columns): BATCH_MATMUL, which takes matrices that lie transposed as they are."""
    if len(shape) > _MOST_AXES:
        raise Refused(
            f"multiplies stacks of matrices of {len(shape)} axes, and TFLite's kernel has at most {_MOST_AXES}"
        )
    (left, turns_left), (right, turns_right) = _side(net, first), _side(net, second)
    if left.data is not None and right.data is not None:
        raise Refused("multiplies two constants")
    given = options("BatchMatMulOptions", adjX=turns_left, adjY=turns_right)
    return net.add("BATCH_MATMUL", (left, right), shape, quantization=ending.quantization, options=given)


def _side(net: Lowering, view: View) -> tuple[Tensor, bool]:
    """(a stack of matrices, whether each lies transposed)."""
    view = net.unflattened(view)
    rank = view.rank
    turned = (*range(rank - 2), rank - 1, rank - 2)
    is_turned = view.axes == turned and view.tensor.data is None
    return net.laid(view, turned if is_turned else None), is_turned


def _is_matrix(net: Lowering, name: str) -> bool:
    """Whether a value is a constant matrix."""
    view = net.view(name)
    return view.rank == 2 and view.tensor.data is not None


def _is_bias(net: Lowering, name: str, count: int) -> bool:
    """Whether a value is absent, or constant with a number per column or one in all."""
    if not name:
        return True
    view = net.view(name)
    shape = view.shape
    return view.tensor.data is not None and (view.tensor.elements == 1 or (shape[-1] == count == view.tensor.elements))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The input of a product with a constant matrix.

    Attributes:
        tensor: (..., columns), quantized or not.
        axes: In which order its axes lie.
        weights: The weights (output, input), with their inputs in the order of the columns.
    """

    tensor: Tensor
    axes: Axes
    weights: View


def dense(node: Node, net: Lowering, *, bias: str, is_transposed: bool) -> None:
    """A product with a constant matrix: FULLY_CONNECTED, in int8 where its input, weights and result are.

    Args:
        node: What is written; its inputs are the rows and the matrix.
        net: Where to write it.
        bias: Name of a constant bias per column; empty for none.
        is_transposed: Whether the matrix is (output, input) rather than (input, output).
    """
    weights = net.view(node.input(1))
    weights = kernel_weights(net, weights if is_transposed else weights.transposed((1, 0)))  # TFLite: (output, input)
    view = net.view(node.input(0))
    count, is_dynamic = weights.shape[0], bool(node.attribute(DYNAMIC, 0)) and are_integer_weights(weights)
    is_integer = is_int8(view) and are_integer_weights(weights)
    ending = net.ending(node.output(0)) if is_integer else Ending()
    rows = _rows(net, view if ending.quantization is not None else net.numbers(view), weights)
    filters, made_bias = net.laid(rows.weights, (0, 1)), None
    if ending.quantization is not None:
        made_bias = integer_bias(net, bias, image=rows.tensor, weights=filters, count=count)
    if made_bias is None:
        ending = net.ending(node.output(0), quantized=False)
        rows = _rows(net, net.numbers(view), weights)
        _require_float(rows.tensor, view)
        filters = filters if is_dynamic else stored_weights(net, rows.weights, (0, 1))
        made_bias = _float_bias(net, bias, count)
    shape = (*rows.tensor.shape[:-1], count)
    made = net.add(
        "FULLY_CONNECTED",
        (rows.tensor, filters, made_bias),
        shape,
        quantization=ending.quantization,
        options=options(
            "FullyConnectedOptions",
            fusedActivationFunction=ending.activation,
            keepNumDims=len(shape) != 2,
            asymmetricQuantizeInputs=is_dynamic and ending.quantization is None,
        ),
    )
    net.absorb(ending)
    net.bind(node.output(0), made, rows.axes, is_quantized=ending.quantization is not None)


def _require_float(tensor: Tensor, view: View) -> None:
    if tensor.dtype != "float32":
        raise Refused(f"multiplies matrices of `{view.dtype}`, and TFLite has products of float32 and int8 alone")


def _rows(net: Lowering, view: View, weights: View) -> _Rows:
    """The input with its columns last, its other axes in whatever order they lie."""
    if view.flattened:
        return _any_order(net, view, weights)
    last = view.rank - 1
    order = view.axes if view.axes[-1] == last else tuple(range(view.rank))
    return _Rows(tensor=net.laid(view, order), axes=order, weights=weights)


def _any_order(net: Lowering, view: View, weights: View) -> _Rows:
    """A flattened input with columns in whatever order they lie, and weights with theirs in the same order."""
    shape = view.unflattened_shape
    order = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    order = order.transpose([axis - 1 for axis in view.axes[1:]]).reshape(-1)
    rows = net.reshape(view.tensor, view.shape)
    tensor = weights.tensor
    assert tensor.data is not None
    if not np.array_equal(order, np.arange(len(order))):
        data = np.ascontiguousarray(np.take(tensor.data, order, axis=weights.axes.index(1)))
        weights = replace(weights, tensor=net.new_constant(data, like=tensor))
    return _Rows(tensor=rows, axes=(0, 1), weights=weights)


def _float_bias(net: Lowering, name: str, count: int) -> Tensor:
    if not name:
        return net.new_constant(np.zeros(count, np.float32), name="bias")
    value = net.constant(name)
    assert value is not None
    return net.new_constant(np.broadcast_to(value.reshape(-1), (count,)).astype(np.float32), name=name)
