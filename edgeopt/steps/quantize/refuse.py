"""Models that are not to be quantized, each refused with what is wrong and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx

_ML_DOMAIN = "ai.onnx.ml"
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def require_float(model: onnx.ModelProto, *, where: str) -> None:
    """Refuse a model that is quantized already, or that holds classic machine learning, wherever in it that is.

    Raises:
        InputError: It is quantized.
        Unsupported: It holds operators of `ai.onnx.ml`.
    """
    for graph in _graphs(model):
        state = quantization_state(graph)
        if state.kind != "none":
            raise InputError(
                f"`{where}` is quantized already ({state.kind})",
                hint="quantize the float model that it was made from",
            )
    if any(node.domain == _ML_DOMAIN for graph in _graphs(model) for node in graph.node):
        raise Unsupported(
            f"`{where}` holds `{_ML_DOMAIN}` operators (trees, scalers), which have no int8 kernels",
            hint="`edgeopt bench` and `edgeopt evaluate` take it as it is",
        )


def require_evaluation_mode(model: onnx.ModelProto, *, where: str) -> None:
    """Refuse a model that is still in training mode.

    Raises:
        InputError: A norm depends on the batch, or a dropout on chance.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if _is_training(node, constants):
            raise InputError(
                f"`{where}` was exported in training mode: its {node.op_type} `{node.name or node.output[0]}` depends "
                "on the batch or on chance",
                hint="export it again in evaluation mode (in torch, `model.eval()` first)",
            )


def require_finite_weights(model: onnx.ModelProto, *, where: str) -> None:
    """Refuse a folded model whose weights or biases are not all numbers.

    Raises:
        InputError: One holds NaN or infinity.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _WEIGHTED:
            for name in node.input[1:]:
                if name in constants:
                    _require_finite(constants[name], where)


def odd_float(model: onnx.ModelProto) -> str:
    """`float64` or `bfloat16` where a weight of the main graph is of that type; else empty."""
    import onnx

    odd = {onnx.TensorProto.DOUBLE: "float64", onnx.TensorProto.BFLOAT16: "bfloat16"}
    kinds = {tensor.name: odd[tensor.data_type] for tensor in model.graph.initializer if tensor.data_type in odd}
    names = (name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input[1:])
    return next((kinds[name] for name in names if name in kinds), "")


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The main graph, the bodies of functions, and the graphs inside their nodes."""
    import onnx

    waiting = [model.graph, *(onnx.GraphProto(node=function.node) for function in model.functions)]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting.extend(inner for node in graph.node for inner in subgraphs(node))


def _is_training(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    import onnx

    if node.op_type == "BatchNormalization":
        gives_statistics = sum(map(bool, node.output)) > 1  # up to opset 13 that is the mode
        return gives_statistics or any(entry.name == "training_mode" and entry.i for entry in node.attribute)
    if node.op_type != "Dropout" or len(node.input) < 3 or node.input[2] not in constants:
        return False
    return bool(onnx.numpy_helper.to_array(constants[node.input[2]]).any())


def _require_finite(tensor: onnx.TensorProto, where: str) -> None:
    import onnx

    if tensor.data_type != onnx.TensorProto.FLOAT:
        return
    bad = int(np.count_nonzero(~np.isfinite(onnx.numpy_helper.to_array(tensor))))
    if bad:
        raise InputError(
            f"weight `{tensor.name}` of `{where}` holds NaN or infinity in {bad} of its numbers",
            hint="did training diverge? restore an earlier checkpoint and export it again",
        )
