"""What a quantized model carries without need: what exporters noted for their own debugging, and equal zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeopt.graph.subgraphs import names_read, subgraphs

if TYPE_CHECKING:
    import onnx


def strip_metadata(model: onnx.ModelProto) -> None:
    """Remove, in place, documentation, properties and inferred shapes of everything inside the main graph.

    torch's exporter writes a stack trace and module names at every node: 27 KB of the 134 KB of an int8 ResNet8. What
    stands at the model itself stays: its properties and documentation are the user's, its calibration rows edgeopt's.
    """
    _strip_graph(model.graph)
    for function in model.functions:
        function.ClearField("doc_string")
        del function.metadata_props[:]
        for node in function.node:
            _strip_node(node)


def share_zero_points(model: onnx.ModelProto) -> None:
    """Let, in place, all weights of one type and shape share their zero point of zeros, and biases go without.

    The zero point of DequantizeLinear is optional, and zero without. But ONNX Runtime 1.32 makes no integer Gemm of a
    weight without one (a convolution it makes), so weights keep theirs.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    shared: dict[tuple[int, tuple[int, ...]], str] = {}
    before: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 3 or node.input[0] not in constants:
            continue
        point = constants.get(node.input[2])
        if point is None or not _is_zero(point):
            continue
        before.add(point.name)
        if constants[node.input[0]].data_type == point.INT32:
            del node.input[2]
        else:
            node.input[2] = shared.setdefault((point.data_type, tuple(point.dims)), point.name)
    _drop_unread(model.graph, before)


def _is_zero(tensor: onnx.TensorProto) -> bool:
    import onnx

    return not np.any(onnx.numpy_helper.to_array(tensor))


def _drop_unread(graph: onnx.GraphProto, names: set[str]) -> None:
    """Remove the constants of `names` that nothing reads."""
    unread = names - {name for node in graph.node for name in names_read(node)} - {value.name for value in graph.output}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name in unread:
            del graph.initializer[index]


def _strip_graph(graph: onnx.GraphProto) -> None:
    graph.ClearField("doc_string")
    del graph.metadata_props[:]
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.ClearField("doc_string")
        del value.metadata_props[:]
    for tensor in graph.initializer:
        tensor.ClearField("doc_string")
        del tensor.metadata_props[:]
    for node in graph.node:
        _strip_node(node)


def _strip_node(node: onnx.NodeProto) -> None:
    node.ClearField("doc_string")
    del node.metadata_props[:]
    for attribute in node.attribute:
        attribute.ClearField("doc_string")
    for graph in subgraphs(node):
        _strip_graph(graph)
