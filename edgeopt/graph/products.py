"""Factors and batch norms behind a Gemm merged into its weight and bias, which ONNX Runtime's rewrites leave alone.

An integer Gemm takes neither alpha nor beta, and a batch norm between two of them would stay float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

_EPSILON = 1e-5  # the standard's default of BatchNormalization


def merge_into_products(graph: ir.Graph) -> bool:
    """Merge, in place, what can be; whether there was something.

    Gemm computes alpha * x @ W + beta * b; a batch norm behind it gain * (y - mean) / sqrt(variance + epsilon) + shift.
    """
    is_changed = False
    for node in list(graph):
        if node.op_type == "Gemm" and node.domain in ("", "ai.onnx"):
            is_changed |= _merge_factors(graph, node)
        if node.op_type == "BatchNormalization" and node.domain in ("", "ai.onnx"):
            is_changed |= _merge_norm(graph, node)
    return is_changed


def _merge_factors(graph: ir.Graph, gemm: ir.Node) -> bool:
    """Multiply alpha into a constant weight and beta into a constant bias."""
    is_changed = False
    for key, position in (("alpha", 1), ("beta", 2)):
        factor = float(gemm.attributes[key].as_float()) if key in gemm.attributes else 1.0
        value = gemm.inputs[position] if len(gemm.inputs) > position else None
        if factor == 1.0 or (value is None and key == "alpha") or (value is not None and not _is_float_constant(value)):
            continue
        if value is not None:
            gemm.replace_input_with(position, _constant(graph, value, _floats(value) * factor))
        del gemm.attributes[key]
        is_changed = True
    return is_changed


def _merge_norm(graph: ir.Graph, norm: ir.Node) -> bool:
    """Merge a batch norm into the Gemm that only it reads."""
    import onnx_ir as ir

    data, *rest = norm.inputs
    gemm = data.producer() if data is not None else None
    if data is None or gemm is None or not _takes_a_norm(gemm, norm, data):
        return False
    weight, bias = gemm.inputs[1], gemm.inputs[2] if len(gemm.inputs) > 2 else None
    assert weight is not None
    gain, shift, mean, variance = (_floats(value) for value in rest if value is not None)
    epsilon = float(norm.attributes["epsilon"].as_float()) if "epsilon" in norm.attributes else _EPSILON
    factor = gain / np.sqrt(variance + epsilon)
    is_transposed = "transB" in gemm.attributes and bool(gemm.attributes["transB"].as_int())
    scaled = _floats(weight) * (factor[:, None] if is_transposed else factor)
    moved = ((_floats(bias) if bias is not None else 0.0) - mean) * factor + shift
    inputs = [gemm.inputs[0], _constant(graph, weight, scaled), _constant(graph, bias or rest[1] or weight, moved)]
    output = norm.outputs[0]
    name = output.name
    merged = ir.node("Gemm", inputs, {"transB": int(is_transposed)}, name=gemm.name)
    merged.outputs[0].type, merged.outputs[0].shape = output.type, output.shape
    graph.insert_after(norm, merged)
    ir.convenience.replace_all_uses_with(output, merged.outputs[0], replace_graph_outputs=True)
    graph.remove(norm, safe=True)
    graph.remove(gemm, safe=True)
    merged.outputs[0].name = name
    return True


def _takes_a_norm(gemm: ir.Node, norm: ir.Node, between: ir.Value) -> bool:
    """Whether all but the Gemm's data is constant, no one else reads it, and the norm is not in training mode."""
    is_plain = gemm.op_type == "Gemm" and gemm.domain in ("", "ai.onnx")
    if not is_plain or len(between.uses()) != 1 or between.is_graph_output():
        return False
    if any(key in gemm.attributes and gemm.attributes[key].as_float() != 1.0 for key in ("alpha", "beta")):
        return False
    if "training_mode" in norm.attributes and norm.attributes["training_mode"].as_int():
        return False
    constants = [value for value in (*gemm.inputs[1:], *norm.inputs[1:]) if value is not None]
    return all(_is_float_constant(value) for value in constants) and all(
        _is_row(value) for value in gemm.inputs[2:] if value is not None
    )


def _is_float_constant(value: ir.Value) -> bool:
    return value.const_value is not None and value.const_value.dtype.name == "FLOAT"


def _is_row(bias: ir.Value) -> bool:
    """Whether a bias is one number, or one per column."""
    assert bias.const_value is not None
    shape = bias.const_value.shape.numpy()
    return bias.const_value.size == 1 or bias.const_value.size == shape[-1]


def _floats(value: ir.Value) -> NDArray[np.float64]:
    assert value.const_value is not None
    return np.asarray(value.const_value.numpy(), dtype=np.float64)


def _constant(graph: ir.Graph, like: ir.Value, array: NDArray[Any]) -> ir.Value:
    """A new constant of the graph, float32, named after another."""
    import onnx_ir as ir

    made = {output.name for node in ir.traversal.RecursiveGraphIterator(graph) for output in node.outputs}
    taken = made | set(graph.initializers) | {value.name for value in graph.inputs}
    name, number = f"{like.name}_merged", 1
    while name in taken:
        name, number = f"{like.name}_merged_{number}", number + 1
    tensor = ir.tensor(array.astype(np.float32), name=name)
    value = ir.Value(
        name=name, const_value=tensor, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape.numpy())
    )
    graph.register_initializer(value)
    return value
