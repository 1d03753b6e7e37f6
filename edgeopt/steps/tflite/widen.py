"""Models whose weights are float16, computed in float32.

TFLite's kernels have no float16; every number of it is one of float32. ONNX Runtime would put casts around each node
first, which hide what belongs together. Inputs and outputs stay what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` that computes in float32 where it computed in float16, with casts at inputs and outputs.

    A model with subgraphs or functions is given back as it is.
    """
    import onnx

    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    has_inner = any(each.type in (each.GRAPH, each.GRAPHS) for node in model.graph.node for each in node.attribute)
    if has_inner or model.functions:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        if tensor.data_type == half:
            tensor.CopyFrom(_widened(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == attribute.TENSOR and attribute.t.data_type == half:
                attribute.t.CopyFrom(_widened(attribute.t))
            elif attribute.name in ("to", "dtype") and attribute.i == half:
                attribute.i = single
    del graph.value_info[:]
    _cast_edges(graph, half, single)
    return copy


def _widened(tensor: onnx.TensorProto) -> onnx.TensorProto:
    import numpy as np
    import onnx

    return onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def _cast_edges(graph: onnx.GraphProto, half: int, single: int) -> None:
    """Cast float16 inputs to float32 and the outputs back, in place; what lies between gets other names."""
    import onnx

    inner = {
        value.name: f"{value.name}/float32"
        for value in (*graph.input, *graph.output)
        if value.type.tensor_type.elem_type == half
    }
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = inner.get(name, name)
    inputs = [value.name for value in graph.input if value.name in inner]
    outputs = [value.name for value in graph.output if value.name in inner]
    nodes = [
        *(onnx.helper.make_node("Cast", [name], [inner[name]], to=single) for name in inputs),
        *graph.node,
        *(onnx.helper.make_node("Cast", [inner[name]], [name], to=half) for name in outputs if name not in inputs),
    ]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
