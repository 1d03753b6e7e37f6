"""Products whose activations get a range anew in each inference: TFLite's hybrid kernels do all of that in one.

ONNX writes DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast and Mul by both scales. A hybrid kernel reads float
activations and int8 weights and rounds each row of activations to int8 by itself, with a zero point: at least as fine as
one range for the whole tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.steps.tflite.families.integer import DYNAMIC

if TYPE_CHECKING:
    import onnx

_KINDS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """A product of integers that is one of floats.

    Attributes:
        node: The MatMulInteger or ConvInteger.
        last: The Mul that ends it.
        data: Name of the float activations.
        scale: Scale of the weights, one or one per output channel.
    """

    node: onnx.NodeProto
    last: onnx.NodeProto
    data: str
    scale: Any


def with_dynamic_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, or a copy of it in which such products are MatMul and Conv of dequantized weights, marked as dynamic."""
    import onnx

    if not any(node.op_type in _KINDS for node in model.graph.node):
        return model
    graph = _Graph(model.graph)
    found = {product.last.output[0]: product for node in model.graph.node if (product := graph.product(node))}
    if not found:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    for node in model.graph.node:
        product = found.get(node.output[0])
        copy.graph.node.extend([node] if product is None else _written(product, copy.graph))
    _drop_unread(copy.graph)
    return copy


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Take off, in place, nodes that nothing reads."""
    read = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if read.intersection(node.output) or any(each.type == each.GRAPH for each in node.attribute):
            kept.append(node)
            read.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))


class _Graph:
    """Who makes and who reads each value of a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        import onnx

        self._constants = {each.name: each for each in graph.initializer}
        self._to_array = onnx.numpy_helper.to_array
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._outputs = {value.name for value in graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def product(self, node: onnx.NodeProto) -> _Product | None:
        """The product that starts with `node`; None where it is none, or not of this form."""
        if node.op_type not in _KINDS or len(node.input) < 3 or node.input[1] not in self._constants:
            return None
        rounded = self._makers.get(node.input[0])
        if rounded is None or rounded.op_type != "DynamicQuantizeLinear" or node.input[2] != rounded.output[2]:
            return None
        if len(node.input) > 3 and node.input[3] and node.input[3] not in self._constants:
            return None
        cast = self._only_reader(node.output[0], "Cast")
        last = self._only_reader(cast.output[0], "Mul") if cast is not None else None
        if cast is None or last is None:
            return None
        scale = self._weight_scale(next(name for name in last.input if name != cast.output[0]), rounded.output[1])
        return None if scale is None else _Product(node=node, last=last, data=rounded.input[0], scale=scale)

    def _only_reader(self, name: str, operator: str) -> onnx.NodeProto | None:
        readers = self._readers.get(name, [])
        is_one = len(readers) == 1 and name not in self._outputs and readers[0].op_type == operator
        return readers[0] if is_one else None

    def _weight_scale(self, name: str, data_scale: str) -> Any:
        """The constant factor of a product of scales."""
        factors = self._makers.get(name)
        if factors is None or factors.op_type != "Mul" or data_scale not in factors.input:
            return None
        other = next(each for each in factors.input if each != data_scale)
        return self._to_array(self._constants[other]) if other in self._constants else None


def _written(product: _Product, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes in the place of a product's last one; constants that they need are added to `graph`."""
    import onnx

    node, name = product.node, product.last.output[0]
    scale = product.scale.reshape(-1) if product.scale.size > 1 else product.scale.reshape(())
    graph.initializer.append(onnx.numpy_helper.from_array(scale.astype(np.float32), f"{name}/weight_scale"))
    parts = [node.input[1], f"{name}/weight_scale", *list(node.input[3:4])]
    axis = 0 if node.op_type == "ConvInteger" else 1
    weights = onnx.helper.make_node("DequantizeLinear", parts, [f"{name}/weights"])
    if scale.size > 1:
        weights.attribute.append(onnx.helper.make_attribute("axis", axis))
        _spread_zero_point(weights, graph, scale.size)
    made = onnx.helper.make_node(_KINDS[node.op_type], [product.data, f"{name}/weights"], [name], name=node.name)
    made.attribute.extend(node.attribute)
    made.attribute.append(onnx.helper.make_attribute(DYNAMIC, 1))
    return [weights, made]


def _spread_zero_point(weights: onnx.NodeProto, graph: onnx.GraphProto, count: int) -> None:
    """Give a DequantizeLinear with a scale per channel a zero point per channel."""
    import onnx

    if len(weights.input) < 3 or not weights.input[2]:
        return
    point = next(onnx.numpy_helper.to_array(each) for each in graph.initializer if each.name == weights.input[2])
    name = f"{weights.output[0]}_zero_point"
    graph.initializer.append(onnx.numpy_helper.from_array(np.broadcast_to(point.reshape(-1), (count,)).copy(), name))
    weights.input[2] = name
