"""The scheme `int8-dynamic`: int8 weights of matrix products; activations get a range anew in each inference.

ONNX Runtime's own tool writes it (DynamicQuantizeLinear and MatMulInteger). It is given matrix products and embeddings
alone: of a convolution it makes a ConvInteger, which runs at 0.08 to 0.3x of float.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import Unsupported
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.products import Names, Products, drop_unused_constants, find_products
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart
from edgeopt.steps.quantize.types import Int8Types, int8_types

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_CONVOLUTION = "a convolution with dynamic ranges is slower than a float one"
# Without this mark the tool warns that the model should be prepared first, which it is.
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
_LARGEST_FILE_BYTES = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Dynamic:
    """Options of the scheme.

    Attributes:
        target: The device that it is for. Activations are uint8 on any: ONNX knows no other dynamic type.
        per_channel: One scale per column of a weight; otherwise one per weight.
    """

    target: Target
    per_channel: bool = True

    @property
    def _types(self) -> Int8Types:
        return int8_types(self.target)

    @property
    def needs_data(self) -> bool:
        """Never: ranges are found while the model runs."""
        return False

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with MatMulInteger in the place of its products (see `Scheme.make`).

        Raises:
            InputError: The model cannot be taken apart.
            Unsupported: It has no matrix product with a constant weight.
        """
        del data  # nothing is calibrated
        intermediate = taken_apart(model, source=source)
        products = find_products(intermediate.graph, convolution_reason=_CONVOLUTION)
        if not products.nodes:
            raise Unsupported(
                f"nothing in `{source}` can run with dynamic ranges: it has no MatMul or Gemm with a constant weight"
                + _first_reason(products),
                hint="`--scheme int8` quantizes convolutions; `edgeopt inspect` lists the operators",
            )
        drop_unused_constants(intermediate.graph)
        chosen = _named(intermediate.graph, products)
        result = self._quantized(put_together(intermediate, source=source), chosen)
        if progress:
            progress(len(chosen), len(chosen))
        return Made(model=result, facts=self._facts(), kept_float=products.kept_float)

    def _quantized(self, model: onnx.ModelProto, chosen: list[str]) -> onnx.ModelProto:
        """What ONNX Runtime's tool makes of the nodes of those names."""
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        mark = model.metadata_props.add()
        mark.key, mark.value = _PREPARED
        with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder, _silent_root_logger():
            output = Path(folder, "dynamic.onnx")
            quantize_dynamic(
                model,
                output,
                op_types_to_quantize=["MatMul", "Gather"],
                nodes_to_quantize=chosen,
                per_channel=self.per_channel,
                reduce_range=self._types.weight_limit <= 64,
                weight_type=QuantType.QInt8,
                use_external_data_format=model.ByteSize() >= _LARGEST_FILE_BYTES,
            )
            result = onnx.load(output)
        kept = [entry for entry in result.metadata_props if (entry.key, entry.value) != _PREPARED]
        kept = [entry for entry in kept if entry.key != "onnx.infer"]
        del result.metadata_props[:]
        result.metadata_props.extend(kept)
        return result

    def _facts(self) -> dict[str, object]:
        return {
            "activations": "uint8",
            "weights": "int8",
            "weight_bits": 8 if self._types.weight_limit > 64 else 7,
            "per_channel": self.per_channel,
            "reason": "ranges of activations are taken anew in each inference, so no samples are needed",
        }


def _named(graph: ir.Graph, products: Products) -> list[str]:
    """Names of the nodes to quantize; those without one are given one."""
    names = Names(graph)
    chosen = (*products.nodes, *products.tables)
    for node in chosen:
        node.name = node.name or names.free(f"{node.outputs[0].name}_{node.op_type}")
    return [str(node.name) for node in chosen]


def _first_reason(products: Products) -> str:
    return next((f" (`{node}`: {why})" for node, why in products.kept_float.items()), "")


@contextlib.contextmanager
def _silent_root_logger() -> Iterator[None]:
    """Keep the tool, which logs on the root logger, from setting that up for the whole process."""
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
