"""Constant integers behind a DequantizeLinear, kept as they are while a runtime folds constants.

ONNX Runtime either folds every DequantizeLinear of a constant into floats, or moves pairs about. What is an input of
the graph it does neither with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

_FLOATS = (np.float32, np.float16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A model whose quantized constants are inputs.

    Attributes:
        model: The model.
        constants: What was taken out of it.
    """

    model: onnx.ModelProto
    constants: tuple[onnx.TensorProto, ...]

    def shown_in(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """`model`, in place, with the inputs turned into the constants that they were."""
        names = {tensor.name for tensor in self.constants}
        read = {name for node in model.graph.node for name in node.input}
        inputs = [value for value in model.graph.input if value.name not in names]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.graph.initializer.extend(tensor for tensor in self.constants if tensor.name in read)
        return model


def hidden_integers(model: onnx.ModelProto) -> Hidden:
    """A copy of `model` in which quantized constants are inputs; floats that it quantizes are integers before.

    A model without a DequantizeLinear is given back.
    """
    import onnx

    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return Hidden(model=model, constants=())
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    _quantize_constants(graph)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    wanted = {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants}
    wanted -= {value.name for value in graph.output}
    taken = tuple(constants[name] for name in constants if name in wanted)
    kept = [tensor for tensor in graph.initializer if tensor.name not in wanted]
    known = {value.name for value in graph.input}
    values = [onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in taken]
    hidden = tuple(_copied(each) for each in taken)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.input.extend(value for value in values if value.name not in known)
    return Hidden(model=copy, constants=hidden)


def _copied(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A copy that lives on when its graph drops the original."""
    import onnx

    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    return copy


def _quantize_constants(graph: onnx.GraphProto) -> None:
    """Put, in place, the integers of constants that a QuantizeLinear rounds in the place of that node.

    The formula is ONNX's: saturate(round half to even(x / scale) + zero point).
    """
    import onnx

    constants = {tensor.name: tensor for tensor in graph.initializer}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        integers = _integers(node, constants) if node.op_type == "QuantizeLinear" else None
        if integers is None or node.output[0] in {value.name for value in graph.output}:
            kept.append(node)
        else:
            graph.initializer.append(onnx.numpy_helper.from_array(integers, node.output[0]))
    if len(kept) < len(graph.node):
        del graph.node[:]
        graph.node.extend(kept)


def _integers(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Any:
    """The integers that a QuantizeLinear of constants gives; None where it is not one over 8 bits, or blockwise."""
    import onnx

    if len(node.input) < 3 or any(name not in constants for name in node.input):
        return None
    values, scale, point = (onnx.numpy_helper.to_array(constants[name]) for name in node.input)
    if values.dtype not in _FLOATS or scale.dtype != values.dtype or point.dtype not in (np.int8, np.uint8):
        return None
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    if any(each.name == "block_size" and each.i for each in node.attribute) or scale.ndim > 1:
        return None
    along = [1] * values.ndim
    if scale.size > 1:
        along[axis] = -1
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rounded = np.rint(values / scale.reshape(along)).astype(np.float64) + point.reshape(along).astype(np.float64)
    bounds = np.iinfo(point.dtype)
    return np.clip(rounded, bounds.min, bounds.max).astype(point.dtype) if np.isfinite(rounded).all() else None
