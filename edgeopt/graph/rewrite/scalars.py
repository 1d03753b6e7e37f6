"""A multiplication by a number merged into the weights of the layer before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.rewrite.values import constant_array, constant_scalar, new_constant, only_reader

if TYPE_CHECKING:
    import onnx_ir as ir

_MOVES_VALUES = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"})


def merge_scalars(graph: ir.Graph) -> None:
    """Multiply, in place, weight and bias of each Gemm by the number that its result alone is multiplied by later.

    Attention divides queries and keys by the fourth root of their length each; over integers such a node costs a
    rounding besides.
    """
    import onnx_ir as ir

    for node in list(graph):
        if node.op_type not in ("Mul", "Div") or node.domain != "":
            continue
        data, factor = node.inputs[0], constant_scalar(node.inputs[1])
        if factor is None and node.op_type == "Mul":
            data, factor = node.inputs[1], constant_scalar(node.inputs[0])
        if data is None or not factor or not np.isfinite(factor) or data.shape is None or node.outputs[0].shape is None:
            continue
        gemm = _gemm_behind(data, node)
        if gemm is None or len(data.shape) != len(node.outputs[0].shape):
            continue
        _scale(graph, gemm, factor if node.op_type == "Mul" else 1.0 / factor)
        output = node.outputs[0]
        name, kind, shape = output.name, output.type, output.shape
        ir.convenience.replace_all_uses_with(output, data, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        data.name, data.type, data.shape = name, kind, shape


def _gemm_behind(value: ir.Value, reader: ir.Node) -> ir.Node | None:
    """The Gemm with constant weights whose result reaches `reader` unchanged, and nothing else."""
    while only_reader(value) is reader:
        producer = value.producer()
        if producer is None or producer.domain != "":
            return None
        if producer.op_type == "Gemm":
            constants = producer.inputs[1:]
            return producer if all(constant_array(given) is not None for given in constants) else None
        if producer.op_type not in _MOVES_VALUES or producer.inputs[0] is None:
            return None
        value, reader = producer.inputs[0], producer
    return None


def _scale(graph: ir.Graph, gemm: ir.Node, factor: float) -> None:
    for index, given in enumerate(gemm.inputs[1:], start=1):
        array = constant_array(given)
        if given is not None and array is not None:
            scaled = new_constant(graph, f"{given.name}_scaled", (array * np.float32(factor)).astype(array.dtype))
            gemm.replace_input_with(index, scaled)
