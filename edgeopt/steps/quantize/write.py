"""Quantize/dequantize pairs, integer weights and biases written into the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.steps.quantize.affine import (
    ActivationParameters,
    Floats,
    QuantizedWeight,
    quantize_bias,
    quantize_weight,
    requantize_weight,
    scale_for_bias,
    weight_scale,
)
from edgeopt.steps.quantize.placement.place import Placement, channel_axis, constant, node_name
from edgeopt.steps.quantize.placement.shield import shield_float_nodes
from edgeopt.steps.quantize.types import Int8Types

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(slots=True, kw_only=True)
class Writer:
    """Rewrites one graph in place.

    Attributes:
        graph: The folded graph.
        placement: What is quantized.
        parameters: Scale and zero point per activation tensor.
        types: Integer types.
        per_channel: Whether weights get a scale per output channel.
        weights: Integers and scales ready made, by name of the node that reads the weight; others are rounded to the
            nearest. Their axis agrees with `per_channel`.
        bias_shift: (channel,) numbers subtracted from the float bias, by name of a Conv or Gemm node; one that has no
            bias gets one.
    """

    graph: ir.Graph
    placement: Placement
    parameters: dict[str, ActivationParameters]
    types: Int8Types
    per_channel: bool
    weights: Mapping[str, QuantizedWeight] = field(default_factory=dict)
    bias_shift: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    _weights: dict[tuple[str, int | None, bytes, bytes], ir.Value] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _node_names: set[str] = field(default_factory=set)

    def write(self) -> None:
        """Write weights, biases and pairs; drop clamps that ranges perform and constants that nobody reads."""
        import onnx_ir as ir

        self._names = _value_names(self.graph)
        self._node_names = {str(node.name) for node in ir.traversal.RecursiveGraphIterator(self.graph)}
        for node in self.placement.nodes:
            if node.op_type in ("Conv", "Gemm", "MatMul") and constant(node.inputs[1]):
                self._write_weight(node)
        for node in self.placement.clamps:
            self._drop_clamp(node)
        for name, value in self.placement.tensors.items():
            self._write_pair(value, self.parameters[self.placement.root(name)])
        shield_float_nodes(self.graph, self.placement.nodes)
        self._drop_unused_constants()

    def _write_weight(self, node: ir.Node) -> None:
        data, weight = node.inputs[0], node.inputs[1]
        assert data is not None
        assert weight is not None
        input_scale = self.parameters[self.placement.root(str(data.name))].scale
        bias = self._bias(node)
        quantized = self._quantized_weight(node, bias, input_scale)
        key = (str(weight.name), quantized.axis, quantized.values.tobytes(), quantized.scale.tobytes())
        if key not in self._weights:  # nodes that share a weight share its integers where all of them agree
            self._weights[key] = self._dequantized_weight(str(weight.name), quantized)
        node.replace_input_with(1, self._weights[key])
        if bias is not None:
            name = node.inputs[2].name if len(node.inputs) > 2 and node.inputs[2] else f"{node_name(node)}_bias"
            node.resize_inputs(3)
            node.replace_input_with(2, self._dequantized_bias(str(name), bias, quantized, input_scale))

    def _bias(self, node: ir.Node) -> Floats | None:
        """(channel,) float32 bias, corrected; None where the node needs none."""
        shift = self.bias_shift.get(node_name(node))
        value = node.inputs[2] if len(node.inputs) > 2 else None
        if value is None and (shift is None or node.op_type == "MatMul"):
            return None
        channels = _array(node.inputs[1]).shape[channel_axis(node)]
        bias = np.zeros(channels, np.float32) if value is None else _bias_per_channel(value, channels)
        return bias if shift is None else np.asarray(bias - shift, dtype=np.float32)

    def _quantized_weight(self, node: ir.Node, bias: Floats | None, input_scale: float) -> QuantizedWeight:
        values, ready = _array(node.inputs[1]), self.weights.get(node_name(node))
        axis, limit = channel_axis(node) if self.per_channel else None, self.types.weight_limit
        chosen = weight_scale(values, axis=axis, limit=limit) if ready is None else ready.scale
        scale = chosen if bias is None else scale_for_bias(chosen, bias, input_scale)
        if ready is None:
            return quantize_weight(values, scale, axis=axis, limit=limit)
        return requantize_weight(ready, values, scale, limit=limit)

    def _dequantized_weight(self, name: str, quantized: QuantizedWeight) -> ir.Value:
        zero_point = np.zeros(quantized.scale.shape, np.int8)
        return self._dequantize(f"{name}_quantized", quantized.values, quantized.scale, zero_point, quantized.axis)

    def _dequantized_bias(self, name: str, values: Floats, weight: QuantizedWeight, input_scale: float) -> ir.Value:
        scale = np.broadcast_to(weight.scale * np.float32(input_scale), values.shape if weight.axis is not None else ())
        integers = quantize_bias(values, scale)
        axis = 0 if weight.axis is not None else None
        return self._dequantize(f"{name}_quantized", integers, np.array(scale), np.zeros(scale.shape, np.int32), axis)

    def _dequantize(self, name: str, integers: Any, scale: Any, zero_point: Any, axis: int | None) -> ir.Value:
        import onnx_ir as ir

        inputs = [
            self._constant(name, integers),
            self._constant(f"{name}_scale", scale),
            self._constant(f"{name}_zero_point", zero_point),
        ]
        node = self._node("DequantizeLinear", inputs, name=name, axis=axis)
        node.outputs[0].name = self._free_name(f"{name}_dequantized")
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        self.graph.insert_before(self.graph[0], node)
        return node.outputs[0]

    def _node(self, operator: str, inputs: list[ir.Value], *, name: str, axis: int | None = None) -> ir.Node:
        """A node whose name is free: ONNX Runtime refuses a graph with two nodes of one name."""
        import onnx_ir as ir

        attributes = {} if axis is None else {"axis": axis}
        return ir.node(operator, inputs, attributes, name=_free(f"{name}_{operator}", self._node_names))

    def _drop_clamp(self, node: ir.Node) -> None:
        """Let the node before a Relu or Clip write the clamp's output itself."""
        import onnx_ir as ir

        data, output = node.inputs[0], node.outputs[0]
        producer = data.producer() if data is not None else None
        assert data is not None
        assert producer is not None
        name = output.name
        ir.convenience.replace_all_uses_with(output, data, replace_graph_outputs=True)
        self.graph.remove(node, safe=True)
        data.name, data.type, data.shape = name, output.type, output.shape
        self.placement.tensors[str(name)] = data

    def _write_pair(self, value: ir.Value, parameters: ActivationParameters) -> None:
        """Let readers of `value` read it through QuantizeLinear and DequantizeLinear.

        What a float node computed, float nodes go on reading as it is: exact, and without a node between.
        """
        import onnx_ir as ir

        uses, is_output, name = list(value.uses()), value.is_graph_output(), str(value.name)
        if value.producer() not in self.placement.nodes:
            uses = [use for use in uses if use.node in self.placement.nodes]
            is_output = False
        scale = self._constant(f"{name}_scale", np.float32(parameters.scale))
        zero_point = np.array(parameters.zero_point, dtype=self.types.activations)
        point = self._constant(f"{name}_zero_point", zero_point)
        quantize = self._node("QuantizeLinear", [value, scale, point], name=name)
        quantize.outputs[0].name = self._free_name(f"{name}_quantized")
        dequantize = self._node("DequantizeLinear", [quantize.outputs[0], scale, point], name=name)
        dequantize.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        dequantize.outputs[0].shape = value.shape
        dequantize.outputs[0].name = self._free_name(f"{name}_dequantized")
        self._insert_behind(value, [quantize, dequantize])
        for use in uses:
            use.node.replace_input_with(use.idx, dequantize.outputs[0])
        if is_output and not value.is_graph_input():  # an input that is given out as it is keeps its name
            self.graph.outputs[self.graph.outputs.index(value)] = dequantize.outputs[0]
            value.name, dequantize.outputs[0].name = self._free_name(f"{name}_float"), name

    def _insert_behind(self, value: ir.Value, nodes: list[ir.Node]) -> None:
        producer = value.producer()
        if producer is None:
            self.graph.insert_before(self.graph[0], nodes)
        else:
            self.graph.insert_after(producer, nodes)

    def _constant(self, name: str, array: Any) -> ir.Value:
        import onnx_ir as ir

        free = self._free_name(name)
        # Not by `ir.tensor`, which asks what it is given for every protocol that it knows: a tenth of a second in all.
        tensor = ir.Tensor(np.asarray(array), name=free)
        value = ir.Value(
            name=free, const_value=tensor, type=ir.TensorType(tensor.dtype), shape=ir.Shape(np.shape(array))
        )
        self.graph.register_initializer(value)
        return value

    def _free_name(self, name: str) -> str:
        """`name` for a value, with a number behind it where the graph has that name already."""
        return _free(name, self._names)

    def _drop_unused_constants(self) -> None:
        unused = [name for name, value in self.graph.initializers.items() if not value.uses()]
        for name in unused:
            if not self.graph.initializers[name].is_graph_output():
                del self.graph.initializers[name]


def _free(name: str, taken: set[str]) -> str:
    """`name`, with a number behind it where it is among `taken`, which it joins."""
    candidate, number = name, 1
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def _value_names(graph: ir.Graph) -> set[str]:
    """Names of all values, which must stay unique in the whole graph."""
    import onnx_ir as ir

    made = {str(output.name) for node in ir.traversal.RecursiveGraphIterator(graph) for output in node.outputs}
    return made | set(graph.initializers) | {str(value.name) for value in graph.inputs}


def _bias_per_channel(bias: ir.Value, channels: int) -> Any:
    """(channel,) float32 bias; a single number stands for all channels."""
    return np.ascontiguousarray(np.broadcast_to(_array(bias).reshape(-1), (channels,)))


def _array(value: ir.Value | None) -> Any:
    assert value is not None
    assert value.const_value is not None
    return np.asarray(value.const_value.numpy(), dtype=np.float32)
