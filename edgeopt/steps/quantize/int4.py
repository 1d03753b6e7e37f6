"""The scheme `int4-weights`: weights of matrix products in blocks of 4-bit integers; activations stay float.

The products become `com.microsoft.MatMulNBits`. ONNX Runtime's own tool for it sets the root logger up when it is
imported, keeps a Gemm as it is, and its GPTQ needs a package that has given up ONNX; so this writes the nodes itself,
bit by bit in the same packing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import Unsupported
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.blockwise import Blocks, quantize_blocks
from edgeopt.steps.quantize.products import Names, add_constant, array_of, drop_unused_constants, find_products
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

DOMAIN = "com.microsoft"
BLOCK_SIZES = (16, 32, 64, 128, 256)  # what the kernels of MatMulNBits know
_CONVOLUTION = "MatMulNBits multiplies matrices, it does not convolve"
# Activations become int8 inside the kernel, one scale per block. On one x86 core with VNNI a product of 1024 x 1024 in
# blocks of 32 then takes 16 us for one row and 137 us for 16, in float 46 and 226, at 0.03 dB less; at level 0 it takes
# 47 and 266 us.
_ACCURACY_LEVEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4Weights:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        block_size: Weights that share a scale, one of `BLOCK_SIZES`.
    """

    target: Target
    block_size: int = 32

    @property
    def needs_data(self) -> bool:
        """Never: weights go to the nearest integer."""
        return False

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with MatMulNBits in the place of its products (see `Scheme.make`).

        Raises:
            InputError: The model cannot be taken apart, or fails on the data.
            Unsupported: It has no matrix product with a constant weight.
        """
        del data  # nothing is calibrated
        intermediate = taken_apart(model, source=source)
        graph = intermediate.graph
        products = find_products(graph, convolution_reason=_CONVOLUTION)
        if not products.nodes:
            reason = next((f" (`{node}`: {why})" for node, why in products.kept_float.items()), "")
            raise Unsupported(
                f"nothing in `{source}` runs on 4-bit weights: it has no MatMul or Gemm with a constant weight{reason}",
                hint="`--scheme int8` quantizes convolutions; `edgeopt inspect` lists the operators",
            )
        names = Names(graph)
        quantized: dict[str, tuple[ir.Value, ir.Value, ir.Value]] = {}
        for number, node in enumerate(products.nodes, start=1):
            weight = str(node.inputs[1].name)  # type: ignore[union-attr]
            if weight not in quantized:
                blocks = quantize_blocks(array_of(node.inputs[1]), self.block_size)
                quantized[weight] = _constants(graph, names, weight, blocks)
            _replace(graph, node, quantized[weight], shape=array_of(node.inputs[1]).shape, block_size=self.block_size)
            if progress:
                progress(number, len(products.nodes))
        drop_unused_constants(graph)
        intermediate.opset_imports[DOMAIN] = 1
        return Made(
            model=put_together(intermediate, source=source), facts=self._facts(), kept_float=products.kept_float
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "activations": "float32",
            "weights": "int4",
            "weight_bits": 4,
            "per_channel": True,
            "block_size": self.block_size,
            "rounding": "nearest",
            "reason": f"one scale per {self.block_size} weights of a column",
        }


def _constants(graph: ir.Graph, names: Names, name: str, blocks: Blocks) -> tuple[ir.Value, ir.Value, ir.Value]:
    return (
        add_constant(graph, names, f"{name}_int4", blocks.packed()),
        add_constant(graph, names, f"{name}_scales", blocks.scale),
        add_constant(graph, names, f"{name}_zero_points", blocks.packed_zero_points()),
    )


def _replace(
    graph: ir.Graph, node: ir.Node, constants: tuple[ir.Value, ...], *, shape: tuple[int, ...], block_size: int
) -> None:
    """Put MatMulNBits in the place of a MatMul."""
    import onnx_ir as ir

    attributes = {"K": shape[0], "N": shape[1], "bits": 4, "block_size": block_size, "accuracy_level": _ACCURACY_LEVEL}
    made = ir.node("MatMulNBits", [node.inputs[0], *constants], attributes, domain=DOMAIN, name=node.name)
    output, replacement = node.outputs[0], made.outputs[0]
    replacement.type, replacement.shape = output.type, output.shape
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(output, replacement, replace_graph_outputs=True)
    replacement.name, output.name = output.name, None
    graph.remove(node, safe=True)
