"""Models of one operator, for tests of its writer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
SCALE, ZERO_POINT = 0.5, -3  # of integers in `integer_chain`


def one_node(
    operator: str,
    inputs: dict[str, Any],
    constants: dict[str, Any],
    *,
    outputs: int = 1,
    opset: int = OPSET,
    order: tuple[str, ...] = (),
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node, whose outputs are `y`, or `y0`, `y1`, ...

    Args:
        operator: Its operator.
        inputs: Array per input that the model takes, for its shape and type.
        constants: Array per input that is constant.
        outputs: Number of outputs.
        opset: Version of the standard operators.
        order: Names of all inputs in the node's order; inputs in front of constants by default.
        attributes: Attributes of the node.
    """
    names = ["y"] if outputs == 1 else [f"y{place}" for place in range(outputs)]
    node = helper.make_node(operator, order or [*inputs, *constants], names, name="tried", **attributes)
    return _model([node], inputs, constants, names, opset)


def integer_chain(
    operator: str,
    shape: tuple[int, ...],
    constants: dict[str, Any],
    *,
    outputs: int = 1,
    opset: int = OPSET,
    **attributes: Any,
) -> onnx.ModelProto:
    """A node between quantized tensors of one scale: `x` is quantized, and so is each output."""
    names = ["y"] if outputs == 1 else [f"y{place}" for place in range(outputs)]
    parts = [*_rounded("x", "x_real", "x")]
    parts.append(
        helper.make_node(
            operator, ["x_real", *constants], [f"{name}_raw" for name in names], name="tried", **attributes
        )
    )
    for name in names:
        parts += _rounded(f"{name}_raw", name, name)
    scheme = {"scale": np.float32(SCALE), "zero_point": np.int8(ZERO_POINT)}
    return _model(parts, {"x": np.zeros(shape, np.float32)}, {**constants, **scheme}, names, opset)


def _rounded(source: str, result: str, stem: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [source, "scale", "zero_point"], [f"{stem}_integers"]),
        helper.make_node("DequantizeLinear", [f"{stem}_integers", "scale", "zero_point"], [result]),
    ]


def _model(
    nodes: list[onnx.NodeProto], inputs: dict[str, Any], constants: dict[str, Any], outputs: list[str], opset: int
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tried",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), np.shape(value)
            )
            for name, value in inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    del model.graph.output[:]
    model.graph.output.extend(inferred.graph.output)
    return model
