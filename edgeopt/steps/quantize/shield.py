"""Float nodes among integer ones, guarded against ONNX Runtime's own quantization of their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.rewrite.values import constant_array, new_constant

if TYPE_CHECKING:
    import onnx_ir as ir

_GUARDED = frozenset({"Conv", "ConvTranspose", "Gemm"})


def shield_float_nodes(graph: ir.Graph) -> None:
    """Give, in place, each float Conv, ConvTranspose and Gemm behind a DequantizeLinear one of its own, per channel.

    ONNX Runtime takes such a node, where its result is quantized again, for one whose weights somebody forgot: it
    rounds them to int8 by one scale per tensor and runs the node on integers, at other results than the file says
    (onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.cc, 1.32). It does so only behind a
    DequantizeLinear with one scale. The same scale once per channel means the same, and is left alone.
    """
    import onnx_ir as ir

    for node in list(graph):
        if node.op_type not in _GUARDED or node.domain != "":
            continue
        weight, data = constant_array(node.inputs[1]), node.inputs[0]
        before = data.producer() if data is not None else None
        if weight is None or data is None or before is None or before.op_type != "DequantizeLinear":
            continue
        scale, zero_point = constant_array(before.inputs[1]), constant_array(before.inputs[2])
        if scale is None or zero_point is None or scale.size != 1:
            continue
        channels = _channels(node, weight.shape)
        inputs = [
            before.inputs[0],
            new_constant(graph, f"{data.name}_scale_per_channel", np.full(channels, scale.reshape(-1)[0], scale.dtype)),
            new_constant(
                graph,
                f"{data.name}_zero_point_per_channel",
                np.full(channels, zero_point.reshape(-1)[0], zero_point.dtype),
            ),
        ]
        own = ir.node("DequantizeLinear", inputs, {"axis": 1}, name=f"{node.name}_DequantizeLinear")
        own.outputs[0].name, own.outputs[0].type, own.outputs[0].shape = f"{node.name}_float", data.type, data.shape
        graph.insert_before(node, own)
        node.replace_input_with(0, own.outputs[0])
        if not data.uses() and not data.is_graph_output():
            graph.remove(before, safe=True)


def _channels(node: ir.Node, weight: tuple[int, ...]) -> int:
    """Length of axis 1 of the input."""
    if node.op_type == "Gemm":
        is_transposed = "transB" in node.attributes and node.attributes["transB"].as_int()
        return weight[1] if is_transposed else weight[0]
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    return weight[0] if node.op_type == "ConvTranspose" else weight[1] * group
