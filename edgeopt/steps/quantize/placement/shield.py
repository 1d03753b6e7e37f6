"""Float nodes among integer ones, guarded against ONNX Runtime's own fusions."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.rewrite.values import constant_array, lengths, new_constant, only_reader, put_before

if TYPE_CHECKING:
    import onnx_ir as ir

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
# ONNX Runtime runs these on integers between a DequantizeLinear and a QuantizeLinear, whatever the file meant, unless
# one of their DequantizeLinear has a scale per channel (tried on 1.32).
_FUSED = frozenset({"Add", "Mul", "Concat", "Softmax", "MatMul"})
# These too, and there a scale per channel is an error at the load of the model.
_FUSED_ALWAYS = frozenset({"AveragePool"})
# It moves a DequantizeLinear with one scale behind these, whatever reads them, with a pair of its own before it. Of
# int8 and at opset 21 or later that pair is not valid, and the model does not load.
_PASSED = frozenset({"MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Transpose"})


def shield_float_nodes(graph: ir.Graph, integer_nodes: Collection[ir.Node]) -> None:
    """Let, in place, every float node behind a DequantizeLinear be run in float.

    ONNX Runtime takes a float Conv, ConvTranspose or Gemm between a DequantizeLinear and a QuantizeLinear for one whose
    weights somebody forgot: it rounds them to int8 by one scale per tensor, and the results are other than the file
    says (onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.cc, 1.32). It merges others into integer
    kernels, of which those that were kept float on purpose are slow. A DequantizeLinear with the same scale once per
    channel means the same, and is left alone; so is an AveragePool behind a Clip without effect.

    Args:
        graph: The graph with its pairs written.
        integer_nodes: The nodes that are to run on integers.
    """
    integers = set(integer_nodes)
    for node in list(graph):
        if node in integers or node.domain != "" or not node.inputs:
            continue
        data = node.inputs[0]
        before = data.producer() if data is not None else None
        if data is None or before is None or before.op_type != "DequantizeLinear" or len(before.inputs) < 3:
            continue
        if node.op_type in _PASSED:
            _dequantize_per_channel(graph, node, data, before)
        elif not _is_quantized_again(node.outputs[0]):
            continue
        elif node.op_type in _WEIGHTED | _FUSED:
            _dequantize_per_channel(graph, node, data, before)
        elif node.op_type in _FUSED_ALWAYS:
            _part_by_clip(graph, node, data)


def _is_quantized_again(value: ir.Value) -> bool:
    reader = only_reader(value)
    while reader is not None and reader.op_type in ("Relu", "Clip"):
        reader = only_reader(reader.outputs[0])
    return reader is not None and reader.op_type == "QuantizeLinear"


def _dequantize_per_channel(graph: ir.Graph, node: ir.Node, data: ir.Value, before: ir.Node) -> None:
    """Let `node` read what `before` dequantizes through a DequantizeLinear of its own, with a scale per channel."""
    import onnx_ir as ir

    scale, zero_point = constant_array(before.inputs[1]), constant_array(before.inputs[2])
    channels = _channels(node, data)
    if scale is None or zero_point is None or scale.size != 1 or not channels:
        return
    repeated = {
        "scale": np.full(channels, scale.reshape(-1)[0], scale.dtype),
        "zero_point": np.full(channels, zero_point.reshape(-1)[0], zero_point.dtype),
    }
    parameters = [new_constant(graph, f"{node.name}_{part}_per_channel", array) for part, array in repeated.items()]
    name = f"{node.name or node.outputs[0].name}_DequantizeLinear_per_channel"
    own = ir.node("DequantizeLinear", [before.inputs[0], *parameters], {"axis": 1}, name=name)
    own.outputs[0].name, own.outputs[0].type, own.outputs[0].shape = f"{name}_output", data.type, data.shape
    put_before(graph, node, own)
    for index, given in enumerate(node.inputs):
        if given is data:
            node.replace_input_with(index, own.outputs[0])
    if not data.uses() and not data.is_graph_output():
        graph.remove(before, safe=True)


def _channels(node: ir.Node, data: ir.Value) -> int:
    """Length of axis 1 of the input; 0 where it is not known, or only one long."""
    weight = constant_array(node.inputs[1]) if node.op_type in _WEIGHTED else None
    if weight is not None and node.op_type == "Gemm":
        is_transposed = "transB" in node.attributes and node.attributes["transB"].as_int()
        return int(weight.shape[1] if is_transposed else weight.shape[0])
    if weight is not None:
        group = node.attributes["group"].as_int() if "group" in node.attributes else 1
        return int(weight.shape[0] if node.op_type == "ConvTranspose" else weight.shape[1] * group)
    axes = lengths(data) or ()
    length = axes[1] if len(axes) > 1 else 0
    return length if isinstance(length, int) else 0


def _part_by_clip(graph: ir.Graph, node: ir.Node, data: ir.Value) -> None:
    import onnx_ir as ir

    name = f"{node.name or node.outputs[0].name}_Clip"
    lowest = new_constant(graph, f"{name}_min", np.float32(np.finfo(np.float32).min))
    clip = ir.node("Clip", [data, lowest], name=name)
    clip.outputs[0].name, clip.outputs[0].type, clip.outputs[0].shape = f"{name}_output", data.type, data.shape
    put_before(graph, node, clip)
    node.replace_input_with(0, clip.outputs[0])
