"""Models spoiled on purpose: the same function, in ranges that lose the integers' precision."""

from __future__ import annotations

from typing import Any

import numpy as np


def plant(model: Any, spread: float, seed: int) -> Any:
    """A copy of `model` whose channels between depthwise and pointwise convolutions differ in range, as nothing else.

    Channel c of what a depthwise convolution writes is multiplied by f_c, log-uniform in [1 / spread, spread], in the
    convolution's weight and bias, and the weight of the pointwise convolution that reads it is divided by f_c. A Relu
    between them passes positive factors: relu(f x) = f relu(x). So outputs change by rounding alone.

    Args:
        model: ModelProto with batch norms folded.
        spread: Largest factor; 1 plants nothing.
        seed: Of the factors.

    Raises:
        ValueError: The model has no such pair of convolutions.
    """
    import onnx

    planted = onnx.ModelProto()
    planted.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in planted.graph.initializer}
    generator = np.random.default_rng(seed)
    pairs = list(_pairs(planted.graph, constants))
    if not pairs:
        raise ValueError("no depthwise convolution is read by a pointwise one alone")
    for depthwise, pointwise in pairs:
        weight = constants[depthwise.input[1]]
        factors = spread ** generator.uniform(-1.0, 1.0, weight.dims[0])
        for name in depthwise.input[1:]:
            _scale(constants[name], factors, axis=0)
        _scale(constants[pointwise.input[1]], 1.0 / factors, axis=1)
    return planted


def _pairs(graph: Any, constants: dict[str, Any]) -> Any:
    """Each depthwise convolution with the pointwise one that alone reads it, through a Relu or nothing."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if node.op_type != "Conv" or constants[node.input[1]].dims[1] != 1 or _groups(node) == 1:
            continue
        reader = node
        for expected in ("Relu", "Conv"):
            found = readers.get(reader.output[0], [])
            if len(found) != 1 or reader.output[0] in outputs:
                break
            if found[0].op_type == expected:
                reader = found[0]
        is_own = reader is not node and all(len(readers[name]) == 1 for name in (*node.input[1:], reader.input[1]))
        if is_own and reader.op_type == "Conv" and list(constants[reader.input[1]].dims[2:]) == [1, 1]:
            yield node, reader


def _groups(node: Any) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _scale(tensor: Any, factors: Any, *, axis: int) -> None:
    import onnx

    array = onnx.numpy_helper.to_array(tensor)
    spread = factors.reshape([-1 if index == axis else 1 for index in range(array.ndim)])
    tensor.CopyFrom(onnx.numpy_helper.from_array((array * spread).astype(array.dtype), tensor.name))
