"""Chains of nodes that are one TFLite operator: GELU and HARD_SWISH as exporters write them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edgeopt.steps.tflite.ending import Ending
from edgeopt.steps.tflite.families.formula import computed
from edgeopt.steps.tflite.families.integer import is_int8
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

_TOLERANCE = 1e-5  # a constant such as 1/6 written with single precision


def fused(node: Node, net: Lowering) -> bool:
    """Write the whole chain that `node` begins, where it begins one that is a single operator; whether it did."""
    return _gelu(node, net) or _hard_swish(node, net)


def hard_swish_behind(node: Node, net: Lowering) -> bool:
    """Write x * HardSigmoid(x), whose first part `node` is, as HARD_SWISH; whether it did."""
    product = _next(node, net, "Mul")
    if product is None or node.input(0) not in product.inputs:
        return False
    return _write("HARD_SWISH", node.input(0), [node, product], net)


def mish_behind(node: Node, net: Lowering) -> bool:
    """Write x tanh(Softplus(x)), whose first part `node` is, as one formula; whether it did."""
    tanh = _next(node, net, "Tanh")
    product = _next(tanh, net, "Mul")
    if tanh is None or product is None or node.input(0) not in product.inputs:
        return False
    view = net.numbers(net.view(node.input(0)))
    if view.tensor.dtype != "float32":
        return False
    made = mish(net, view.tensor)
    _bind([node, tanh, product], net, replace(view, tensor=made))
    return True


def mish(net: Lowering, x: Tensor) -> Tensor:
    """X tanh(log(1 + e**x)) = x n / (n + 2) with n = e**x (e**x + 2); from x = 20 on the quotient is 1 in float32."""
    power = computed(net, "EXP", computed(net, "MINIMUM", x, 20.0))
    n = computed(net, "MUL", power, computed(net, "ADD", power, 2.0))
    return computed(net, "MUL", x, computed(net, "DIV", n, computed(net, "ADD", n, 2.0)))


def _gelu(node: Node, net: Lowering) -> bool:
    """X / sqrt 2, erf, + 1, and times x and 0.5 in either order."""
    chain = _scaled_erf(node, net)
    if chain is None:
        return False
    data, erf = chain
    sum_ = _next(erf, net, "Add")
    if sum_ is None or not _is(_other(sum_, erf, net), 1.0):
        return False
    first = _next(sum_, net, "Mul")
    second = _next(first, net, "Mul") if first is not None else None
    if first is None or second is None:
        return False
    factors = [name for one, before in ((first, sum_), (second, first)) for name in _others(one, before)]
    halves = [name for name in factors if _is(net.constant(name), 0.5)]
    if len(factors) != 2 or len(halves) != 1 or data not in factors:
        return False
    return _write("GELU", data, [node, erf, sum_, first, second], net)


def _scaled_erf(node: Node, net: Lowering) -> tuple[str, Node] | None:
    """(x, the node of erf) where `node` divides x by the root of 2 for an erf."""
    if node.operator not in ("Mul", "Div"):
        return None
    factor = math.sqrt(0.5) if node.operator == "Mul" else math.sqrt(2)
    places = (1,) if node.operator == "Div" else (0, 1)
    place = next((each for each in places if _is(net.constant(node.input(each)), factor)), None)
    erf = _next(node, net, "Erf")
    return None if place is None or erf is None else (node.input(1 - place), erf)


def _hard_swish(node: Node, net: Lowering) -> bool:
    """X * clip(x + 3, 0, 6) / 6."""
    place = next((each for each in (0, 1) if _is(net.constant(node.input(each)), 3.0)), None)
    clip = _next(node, net, "Clip")
    if node.operator != "Add" or place is None or clip is None:
        return False
    data = node.input(1 - place)
    product = _next(clip, net, "Mul")
    if not (_is(net.constant(clip.input(1)), 0.0) and _is(net.constant(clip.input(2)), 6.0)) or product is None:
        return False
    last = _next(product, net, "Div") or _next(product, net, "Mul")
    if last is None or data not in product.inputs:
        return False
    factor = 6.0 if last.operator == "Div" else 1 / 6
    scale = _other(last, product, net)
    is_scaled = last.operator == "Mul" or last.input(0) == product.output(0)
    return is_scaled and _is(scale, factor) and _write("HARD_SWISH", data, [node, clip, product, last], net)


def _write(kind: str, data: str, nodes: list[Node], net: Lowering) -> bool:
    """One operator in place of `nodes`, the first of which is being written; whether it could be.

    It stays in int8 where its input is and what it gives is quantized.
    """
    view = net.view(data)
    wanted = net.wanted(nodes[-1].output(0)) if is_int8(view) else None
    view = view if wanted is not None else net.numbers(view)
    if wanted is None and view.tensor.dtype != "float32":
        return False
    given = options("GeluOptions", approximate=False) if kind == "GELU" else None
    made = computed(net, kind, view.tensor, options=given, quantization=wanted)
    _bind(nodes, net, replace(view, tensor=made))
    return True


def _bind(nodes: list[Node], net: Lowering, view: View) -> None:
    """Bind the last of `nodes`; outputs of the others, which nothing else reads, are given the same view."""
    for each in nodes:
        net.bind_view(each.output(0), view)
    net.absorb(Ending(absorbed=tuple(nodes[1:])))


def _next(node: Node | None, net: Lowering, operator: str) -> Node | None:
    """The only reader of a node's output, if it is of `operator`."""
    reader = net.source.only_reader(node.output(0)) if node is not None else None
    return reader if reader is not None and reader.operator == operator and not reader.domain else None


def _others(node: Node, before: Node) -> Iterator[str]:
    return (name for name in node.inputs if name != before.output(0))


def _other(node: Node, before: Node, net: Lowering) -> NDArray[Any] | None:
    return net.constant(next(_others(node, before), ""))


def _is(value: NDArray[Any] | None, number: float) -> bool:
    """Whether a constant is one number, to single precision."""
    return value is not None and value.size == 1 and math.isclose(float(value.reshape(())), number, rel_tol=_TOLERANCE)
