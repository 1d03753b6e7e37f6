"""Batch norms behind a transposed convolution merged into it, which ONNX Runtime's rewrites do for Conv alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx

_EPSILON = 1e-5  # the standard's default of BatchNormalization


def merge_transposed_norms(graph: onnx.GraphProto) -> None:
    """Merge, in place, each batch norm into the ConvTranspose that it alone reads, where all their constants are known.

    A batch norm computes gain * (y - mean) / sqrt(variance + epsilon) + shift per channel.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in names_read(node))
    readers.update(value.name for value in graph.output)
    producers = {name: node for node in graph.node for name in node.output}
    for norm in list(graph.node):
        data = norm.input[0] if norm.op_type == "BatchNormalization" and not norm.domain else ""
        conv = producers.get(data)
        if conv is None or conv.op_type != "ConvTranspose" or readers[data] != 1 or _trains(norm):
            continue
        names = [name for name in (*conv.input[1:], *norm.input[1:]) if name]
        if all(name in constants and _is_float(constants[name]) for name in names):
            _merge(graph, conv, norm, constants)


def _merge(
    graph: onnx.GraphProto, conv: onnx.NodeProto, norm: onnx.NodeProto, constants: dict[str, onnx.TensorProto]
) -> None:
    gain, shift, mean, variance = (_numbers(constants[name]) for name in norm.input[1:5])
    factor = gain / np.sqrt(variance + _attribute(norm, "epsilon", _EPSILON))
    weights, groups = _numbers(constants[conv.input[1]]), int(_attribute(conv, "group", 1))
    # (input channel, output channel of its group, spatial axes...): the rows of a group meet the factors of its outputs
    per_row = np.repeat(factor.reshape(groups, -1), weights.shape[0] // groups, axis=0)
    scaled = weights * per_row.reshape(*per_row.shape, *[1] * (weights.ndim - 2))
    bias = _numbers(constants[conv.input[2]]) if len(conv.input) > 2 and conv.input[2] else 0.0
    moved = (bias - mean) * factor + shift
    inputs = [
        conv.input[0],
        _added(graph, constants, conv.input[1], scaled),
        _added(graph, constants, norm.input[2], moved),
    ]
    del conv.input[:]
    conv.input.extend(inputs)
    conv.output[0] = norm.output[0]
    graph.node.remove(norm)


def _trains(norm: onnx.NodeProto) -> bool:
    return bool(_attribute(norm, "training_mode", 0)) or any(norm.output[1:])


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    import onnx

    return next((onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def _is_float(tensor: onnx.TensorProto) -> bool:
    import onnx

    return bool(tensor.data_type == onnx.TensorProto.FLOAT)


def _numbers(tensor: onnx.TensorProto) -> NDArray[np.float64]:
    import onnx

    return np.asarray(onnx.numpy_helper.to_array(tensor), np.float64)


def _added(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto], like: str, array: NDArray[Any]) -> str:
    """Name of a new constant, float32, called after another."""
    import onnx

    taken = constants.keys() | {name for node in graph.node for name in node.output}
    name, number = f"{like}_merged", 1
    while name in taken:
        name, number = f"{like}_merged_{number}", number + 1
    tensor = onnx.numpy_helper.from_array(array.astype(np.float32), name)
    constants[name] = tensor
    graph.initializer.append(tensor)
    return name
