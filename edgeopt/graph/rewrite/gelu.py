"""GELU in the order of operations that ONNX Runtime knows as one kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.rewrite.values import constant_scalar, new_constant, only_reader, replace_node

if TYPE_CHECKING:
    import onnx_ir as ir


def order_gelus(graph: ir.Graph) -> None:
    """Bring, in place, x * (0.5 * (1 + erf(x / sqrt 2))) into the order (x * (1 + erf(x / sqrt 2))) * 0.5.

    x may be multiplied by the root of a half instead; it is divided then.

    ONNX Runtime's GeluFusion (onnxruntime/core/optimizer/gelu_fusion.cc, 1.32) knows the second and not the first,
    which torch's exporter writes; the five nodes take several times as long as the one.
    """
    for erf in [node for node in graph if node.op_type == "Erf" and node.domain == ""]:
        data = _scaled_input(erf)
        add = only_reader(erf.outputs[0])
        if data is None or add is None or add.op_type != "Add" or _other_scalar(add, erf.outputs[0]) != 1.0:
            continue
        half = only_reader(add.outputs[0])
        if half is None or half.op_type != "Mul" or _other_scalar(half, add.outputs[0]) != 0.5:
            continue
        product = only_reader(half.outputs[0])
        if product is None or product.op_type != "Mul" or {*product.inputs} != {half.outputs[0], data}:
            continue
        _swap_factors(half, product, add.outputs[0], data)
        _divide(graph, erf, data)


def _swap_factors(half: ir.Node, product: ir.Node, sum_: ir.Value, data: ir.Value) -> None:
    """Multiply first by the data, then by the half: the two nodes change what they read."""
    constant = next(index for index, value in enumerate(half.inputs) if value is not sum_)
    factor = half.inputs[constant]
    half.replace_input_with(constant, data)
    product.replace_input_with(next(index for index, value in enumerate(product.inputs) if value is data), factor)
    half.outputs[0].shape = product.outputs[0].shape


def _divide(graph: ir.Graph, erf: ir.Node, data: ir.Value) -> None:
    """Let `erf` read the data divided by the root of 2, where it is multiplied by the root of a half."""
    import onnx_ir as ir

    scale = erf.inputs[0].producer() if erf.inputs[0] is not None else None
    if scale is not None and scale.op_type == "Mul":
        root = new_constant(graph, f"{scale.outputs[0].name}_root", np.float32(math.sqrt(2)))
        replace_node(graph, scale, [ir.node("Div", [data, root], name=scale.name)])


def _scaled_input(erf: ir.Node) -> ir.Value | None:
    """The x of erf(x / sqrt 2)."""
    scaled = erf.inputs[0]
    scale = scaled.producer() if scaled is not None else None
    if scaled is None or scale is None or only_reader(scaled) is not erf or scale.op_type not in ("Div", "Mul"):
        return None
    left, right = scale.inputs
    pairs = [(left, right)] if scale.op_type == "Div" else [(left, right), (right, left)]
    expected = math.sqrt(2) if scale.op_type == "Div" else math.sqrt(0.5)
    for data, factor in pairs:
        number = constant_scalar(factor)
        if number is not None and math.isclose(number, expected, rel_tol=1e-5):
            return data
    return None


def _other_scalar(node: ir.Node, value: ir.Value) -> float | None:
    return constant_scalar(next((given for given in node.inputs if given is not value), None))
