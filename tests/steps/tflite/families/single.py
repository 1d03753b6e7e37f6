"""Models of one operator, converted and run with both sets of kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.lower import Lowered, lowered
from tests.steps.tflite.running import REFERENCE, XNNPACK, run_tflite

OPSET = 21


def single(
    operator: str,
    inputs: Mapping[str, Any],
    *,
    constants: Mapping[str, Any] | None = None,
    order: tuple[str, ...] = (),
    outputs: tuple[str, ...] = ("y",),
    opset: int = OPSET,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node.

    Args:
        operator: Its operator.
        inputs: Array per input that is given when the model runs.
        constants: Array per constant input.
        order: Names of the node's inputs; by default those that are given, then the constants.
        outputs: Names of its outputs.
        opset: Version of the standard operators.
        **attributes: Attributes of the node.
    """
    constants = constants or {}
    node = onnx.helper.make_node(operator, order or (*inputs, *constants), outputs, name="node", **attributes)
    graph = onnx.helper.make_graph(
        [node],
        "single",
        [_value(name, np.asarray(value)) for name, value in inputs.items()],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    onnx.checker.check_model(inferred)
    return inferred


def _value(name: str, array: Any) -> onnx.ValueInfoProto:
    element = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, element, array.shape)


def lowered_single(operator: str, inputs: Mapping[str, Any], **settings: Any) -> Lowered:
    """The net of a model of one node, lowered as it is."""
    return lowered(single(operator, inputs, **settings), where="single.onnx")


def outputs_of(operator: str, inputs: Mapping[str, Any], **settings: Any) -> list[Any]:
    """The first output of a model of one node, once by each set of kernels."""
    content = model_bytes(lowered_single(operator, inputs, **settings).net)
    feeds = {name: np.asarray(value) for name, value in inputs.items()}
    return [next(iter(run_tflite(content, feeds, kernels).values())) for kernels in (XNNPACK, REFERENCE)]


def assert_gives(operator: str, inputs: Mapping[str, Any], expected: Any, *, rtol: float = 0, **settings: Any) -> None:
    """Hold what an operator becomes to `expected`, dtype and shape included, with both sets of kernels."""
    expected = np.asarray(expected)
    for given in outputs_of(operator, inputs, **settings):
        assert given.dtype == expected.dtype
        assert given.shape == expected.shape
        np.testing.assert_allclose(given, expected, rtol=rtol, atol=0)
