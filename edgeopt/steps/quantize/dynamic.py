"""The scheme `int8-dynamic`: int8 weights of matrix products; activations get a range anew in each inference.

A product becomes DynamicQuantizeLinear, MatMulInteger, Cast and Mul, node for node what `quantize_dynamic` of ONNX
Runtime writes, so that its fused kernels (DynamicQuantizeMatMul, MatMulIntegerToFloat) take it. The tool itself is not
called: it names tensors `x_scale` and `x_quantized` whether or not the model has such names, and then writes an invalid
graph; it makes a ConvInteger of a convolution, which runs at 0.08 to 0.3x of float; and it sets the root logger up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.graph.rewrite.values import free_value_name, new_constant, replace_node
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.affine import quantize_weight, weight_scale
from edgeopt.steps.quantize.embedding import quantize_embeddings
from edgeopt.steps.quantize.placement.place import node_name
from edgeopt.steps.quantize.products import array_of, drop_unused_constants, find_products, nothing_to_do
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart
from edgeopt.steps.quantize.types import int8_types

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_CONVOLUTION = "a convolution with dynamic ranges is slower than a float one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Dynamic:
    """Options of the scheme.

    Attributes:
        target: The device that it is for. Activations are uint8 on any: ONNX knows no other dynamic type.
        per_channel: One scale per column of a weight; otherwise one per weight.
        keep_float: Node name -> why it stays float.
    """

    target: Target
    per_channel: bool = True
    keep_float: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_data(self) -> bool:
        """Never: ranges are found while the model runs."""
        return False

    @property
    def needs_data(self) -> bool:
        """Never."""
        return False

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with MatMulInteger in the place of its products (see `Scheme.make`).

        Raises:
            InputError: A node to keep float is not there, or the model cannot be taken apart.
            Unsupported: It has no matrix product with a constant weight.
        """
        del data  # nothing is calibrated
        intermediate = taken_apart(model, source=source)
        graph = intermediate.graph
        products = find_products(graph, convolution_reason=_CONVOLUTION, keep_float=self.keep_float)
        if not products.nodes:
            raise nothing_to_do(products, source, "can run with dynamic ranges")
        tables = quantize_embeddings(graph, keep_float=self.keep_float)
        writer = _Writer(graph=graph, limit=int8_types(self.target).weight_limit, axis=1 if self.per_channel else None)
        for number, node in enumerate(products.nodes, start=1):
            writer.write(node)
            if progress:
                progress(number, len(products.nodes))
        drop_unused_constants(graph)
        return Made(
            model=put_together(intermediate, source=source),
            facts=self._facts(writer.limit),
            kept_float=products.kept_float,
            details={"embeddings": [table.as_json() for table in tables]},
        )

    def _facts(self, limit: int) -> dict[str, object]:
        return {
            "activations": "uint8",
            "weights": "int8",
            "weight_bits": 8 if limit > 64 else 7,
            "per_channel": self.per_channel,
            "reason": "ranges of activations are taken anew in each inference, so no samples are needed",
        }


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Puts integer products in the place of MatMul nodes.

    Attributes:
        graph: The graph, changed in place.
        limit: Largest magnitude of a weight.
        axis: Axis of the scales of a weight; None for one scale in all.
    """

    graph: ir.Graph
    limit: int
    axis: int | None
    _weights: dict[str, tuple[ir.Value, ir.Value, ir.Value]] = field(default_factory=dict)
    _activations: dict[str, tuple[ir.Value, ir.Value, ir.Value]] = field(default_factory=dict)

    def write(self, node: ir.Node) -> None:
        """Bring one product to integers."""
        import onnx_ir as ir

        data, weight = node.inputs[0], node.inputs[1]
        assert data is not None
        assert weight is not None
        integers, scale, point = self._activation(data, node)
        weight_integers, weight_scales, weight_points = self._weight(weight)
        name, output = node_name(node), str(node.outputs[0].name)
        product = self._node("MatMulInteger", [integers, weight_integers, point, weight_points], name, f"{output}_sums")
        cast = self._node("Cast", [product.outputs[0]], name, f"{output}_float", {"to": ir.DataType.FLOAT.value})
        scales = self._node("Mul", [scale, weight_scales], f"{name}_scales", f"{output}_scales")
        scaled = ir.node("Mul", [cast.outputs[0], scales.outputs[0]], name=f"{name}_Mul")
        replace_node(self.graph, node, [product, cast, scales, scaled])

    def _activation(self, data: ir.Value, reader: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Integers, scale and zero point of an activation; its readers share them."""
        import onnx_ir as ir

        name = str(data.name)
        if name not in self._activations:
            made = ir.node("DynamicQuantizeLinear", [data], num_outputs=3, name=f"{name}_DynamicQuantizeLinear")
            kinds = (ir.DataType.UINT8, ir.DataType.FLOAT, ir.DataType.UINT8)
            for output, suffix, kind in zip(made.outputs, ("quantized", "scale", "zero_point"), kinds, strict=True):
                output.name, output.type = free_value_name(self.graph, f"{name}_{suffix}"), ir.TensorType(kind)
            self.graph.insert_before(reader, made)
            self._activations[name] = (made.outputs[0], made.outputs[1], made.outputs[2])
        return self._activations[name]

    def _weight(self, weight: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Integers, scale and zero point of a weight; its readers share them."""
        name = str(weight.name)
        if name not in self._weights:
            values = array_of(weight)
            scale = weight_scale(values, axis=self.axis, limit=self.limit)
            integers = quantize_weight(values, scale, axis=self.axis, limit=self.limit).values
            self._weights[name] = (
                new_constant(self.graph, f"{name}_quantized", integers),
                new_constant(self.graph, f"{name}_scale", scale),
                new_constant(self.graph, f"{name}_zero_point", np.zeros(scale.shape, np.int8)),
            )
        return self._weights[name]

    def _node(
        self, operator: str, inputs: list[ir.Value], name: str, output: str, attributes: dict[str, Any] | None = None
    ) -> ir.Node:
        import onnx_ir as ir

        made = ir.node(operator, inputs, attributes or {}, name=f"{name}_{operator}")
        made.outputs[0].name = free_value_name(self.graph, output)
        return made
