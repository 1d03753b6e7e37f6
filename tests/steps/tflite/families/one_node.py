"""Models of a single node, whose inputs are fed or constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Arrays = Mapping[str, NDArray[Any] | None]


def one_node(
    operator: str,
    feeds: Arrays,
    constants: Arrays | None = None,
    *,
    opset: int = 20,
    outputs: int = 1,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node that reads `feeds` and then `constants`; an input that is None is left out."""
    constants = constants or {}
    given = {**feeds, **constants}
    names = [name if value is not None else "" for name, value in given.items()]
    made = [f"y{place}" for place in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names, made, **attributes)],
        "one_node",
        [_typed(name, value) for name, value in feeds.items() if value is not None],
        [helper.make_empty_tensor_value_info(name) for name in made],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if value is not None],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    for value in inferred.graph.output:  # a length that ONNX Runtime counts otherwise is left to it
        value.type.tensor_type.ClearField("shape")
        if not value.type.tensor_type.elem_type:  # inference knows nothing of some functions
            value.type.tensor_type.elem_type = graph.input[0].type.tensor_type.elem_type
    return inferred


def _typed(name: str, value: NDArray[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers of a shape, the same for a seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantized(
    operator: str,
    image: NDArray[np.float32],
    constants: Arrays | None = None,
    *,
    scales: tuple[float, float],
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of int8 in and out whose node stands between dequantize and quantize, as QDQ has it."""
    constants = constants or {}
    names = [name if value is not None else "" for name, value in constants.items()]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s0", "z0"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s0", "z0"], ["d"]),
        helper.make_node(operator, ["d", *names], ["e"], **attributes),
        helper.make_node("QuantizeLinear", ["e", "s1", "z0"], ["f"]),
        helper.make_node("DequantizeLinear", ["f", "s1", "z0"], ["y0"]),
    ]
    arrays = {"s0": np.float32(scales[0]), "s1": np.float32(scales[1]), "z0": np.int8(3), **constants}
    graph = helper.make_graph(
        nodes,
        "quantized",
        [_typed("x", image)],
        [helper.make_tensor_value_info("y0", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items() if value is not None],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def with_integer_weights(model: onnx.ModelProto, name: str, weights: NDArray[np.float32], *, axis: int) -> None:
    """Make input `name` of the nodes of a model, in place, int8 weights with a scale per index of `axis`."""
    others = tuple(place for place in range(weights.ndim) if place != axis)
    scales = (np.abs(weights).max(axis=others) / 127).astype(np.float32)
    along = [-1 if place == axis else 1 for place in range(weights.ndim)]
    integers = np.clip(np.rint(weights / scales.reshape(along)), -127, 127).astype(np.int8)
    arrays = {f"{name}_i": integers, f"{name}_s": scales, f"{name}_z": np.zeros(scales.shape, np.int8)}
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in arrays.items())
    node = helper.make_node("DequantizeLinear", list(arrays), [f"{name}_d"], axis=axis)
    for each in model.graph.node:
        each.input[:] = [f"{name}_d" if given == name else given for given in each.input]
    model.graph.node.insert(0, node)
