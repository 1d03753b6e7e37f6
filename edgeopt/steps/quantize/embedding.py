"""Embedding tables in int8: rows are looked up as bytes and dequantized after, so that the table itself never is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeopt.graph.rewrite.values import constant_array, new_constant, replace_node
from edgeopt.steps.quantize.affine import quantize_weight, weight_scale
from edgeopt.steps.quantize.placement.place import node_name

if TYPE_CHECKING:
    import onnx_ir as ir

SMALLEST_TABLE_BYTES = 64 * 1024
_LIMIT = 127
_ROWS = 4096  # at a time: a table may have gigabytes
# One scale for the whole table saves a lookup and a product (16 us against 23 us for 128 rows of 256, float 19 us;
# host, one x86-64 thread), and is taken where it costs less than this of the signal.
_LOSS_DB = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingTable:
    """One table that went to int8.

    Attributes:
        table: Name of the constant.
        nodes: Names of the nodes that look up in it.
        is_per_row: Whether each row has a scale of its own.
        sqnr_db: Signal to quantization noise of the table, in dB.
        saved_bytes: Bytes less than in float32.
    """

    table: str
    nodes: tuple[str, ...]
    is_per_row: bool
    sqnr_db: float
    saved_bytes: int

    def as_json(self) -> dict[str, Any]:
        """An entry of the record of `quantize`."""
        return {
            "table": self.table,
            "nodes": list(self.nodes),
            "scale": "row" if self.is_per_row else "table",
            "sqnr_db": self.sqnr_db,
            "saved_bytes": self.saved_bytes,
        }


def quantize_embeddings(graph: ir.Graph, *, keep_float: Mapping[str, str] | None = None) -> list[EmbeddingTable]:
    """Bring each large table that Gather nodes alone read to int8, in place.

    Gather(table, i) becomes DequantizeLinear(Gather(bytes, i)) with one scale for the table, or that times
    Gather(scales, i) with one per row, whichever keeps the signal. Quantize/dequantize pairs before the Gather would
    keep the format, and dequantize the whole table at every call: 1.1 ms instead of 0.02 ms for 30,522 rows.

    Args:
        graph: A graph whose weights are still float.
        keep_float: Nodes whose table stays as it is.
    """
    found = []
    for value in list(graph.initializers.values()):
        readers = [use.node for use in value.uses()]
        if not _is_table(value) or any(node_name(node) in (keep_float or {}) for node in readers):
            continue
        found.append(_quantize_table(graph, value, readers))
    return found


def _is_table(value: ir.Value) -> bool:
    """Whether a constant is a large float32 matrix, of finite values, that Gather nodes alone read by row."""
    uses = list(value.uses())
    array = value.const_value
    if not uses or value.is_graph_output() or array is None or array.dtype.name != "FLOAT" or len(array.shape) != 2:
        return False
    if array.nbytes < SMALLEST_TABLE_BYTES or not all(_looks_up_rows(use.node) and use.idx == 0 for use in uses):
        return False
    return bool(np.isfinite(array.numpy()).all())


def _looks_up_rows(node: ir.Node) -> bool:
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
    return node.op_type == "Gather" and node.domain == "" and axis == 0 and constant_array(node.inputs[1]) is None


def _quantize_table(graph: ir.Graph, value: ir.Value, readers: list[ir.Node]) -> EmbeddingTable:
    table = constant_array(value)
    choices = {axis: weight_scale(table, axis=axis, limit=_LIMIT) for axis in (None, 0)}
    bytes_ = {axis: quantize_weight(table, scale, axis=axis, limit=_LIMIT).values for axis, scale in choices.items()}
    sqnr = {axis: _sqnr_db(table, bytes_[axis], _column(choices[axis])) for axis in choices}
    axis = None if sqnr[None] >= sqnr[0] - _LOSS_DB else 0
    names = tuple(node_name(node) for node in readers)
    rows = new_constant(graph, f"{value.name}_quantized", bytes_[axis])
    scale = new_constant(graph, f"{value.name}_scale", _column(choices[axis]))
    one = new_constant(graph, f"{value.name}_unit", np.float32(1)) if axis == 0 else None
    for node in readers:
        _look_up(graph, node, rows, scale, one)
    del graph.initializers[str(value.name)]
    saved = table.nbytes - bytes_[axis].nbytes - choices[axis].nbytes
    return EmbeddingTable(
        table=str(value.name), nodes=names, is_per_row=axis == 0, sqnr_db=sqnr[axis], saved_bytes=saved
    )


def _look_up(graph: ir.Graph, node: ir.Node, rows: ir.Value, scale: ir.Value, one: ir.Value | None) -> None:
    """Put the lookup of bytes in the place of a Gather; `one` is the scale of DequantizeLinear where rows have own."""
    import onnx_ir as ir

    name, output, indices = node_name(node), str(node.outputs[0].name), node.inputs[1]
    look = ir.node("Gather", [rows, indices], {"axis": 0}, name=name)
    look.outputs[0].name, look.outputs[0].type = f"{output}_bytes", ir.TensorType(ir.DataType.INT8)
    back = ir.node(
        "DequantizeLinear", [look.outputs[0], scale if one is None else one], name=f"{name}_DequantizeLinear"
    )
    if one is None:
        replace_node(graph, node, [look, back])
        return
    back.outputs[0].name, back.outputs[0].type = f"{output}_unscaled", ir.TensorType(ir.DataType.FLOAT)
    scales = ir.node("Gather", [scale, indices], {"axis": 0}, name=f"{name}_scale")
    scales.outputs[0].name, scales.outputs[0].type = f"{output}_scale", ir.TensorType(ir.DataType.FLOAT)
    product = ir.node("Mul", [back.outputs[0], scales.outputs[0]], name=f"{name}_Mul")
    replace_node(graph, node, [look, back, scales, product])


def _column(scale: Any) -> Any:
    """(row, 1) scales, or the one of the table."""
    return scale.reshape(-1, 1) if scale.ndim else scale


def _sqnr_db(table: Any, integers: Any, scale: Any) -> float:
    """10 log10(sum x^2 / sum (x - q)^2), in double precision, rows at a time; infinite where nothing was rounded."""
    signal = noise = 0.0
    for start in range(0, len(table), _ROWS):
        rows = slice(start, start + _ROWS)
        error = table[rows] - integers[rows] * (scale[rows] if scale.ndim else scale)
        signal += float(np.square(table[rows], dtype=np.float64).sum())
        noise += float(np.square(error, dtype=np.float64).sum())
    return float(10 * np.log10(signal / noise)) if noise else float("inf")
