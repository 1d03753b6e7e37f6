"""The state of quantization is told by a graph's operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.graph.quantization import QuantizationState, quantization_state


def state_of(model: Any) -> QuantizationState:
    return quantization_state(model.graph)


def nodes_only(models: Any, *nodes: Any, **constants: Any) -> Any:
    """A model of these nodes, whose state does not need it to run."""
    x, y = models.value("x", 1, 4), models.value("y", 1, 4)
    return models.model(list(nodes), [x], [y], models.constants(**constants))


def test_a_float_model_is_not_quantized(small_models: Any) -> None:
    assert state_of(small_models.conv()) == QuantizationState(
        kind="none", activations=(), weights=(), is_per_channel=False, quantized=0, total=2
    )


@pytest.mark.parametrize("per_channel", [False, True])
def test_quantize_dequantize_pairs_are_qdq(small_models: Any, per_channel: bool) -> None:
    assert state_of(small_models.qdq(per_channel=per_channel)) == QuantizationState(
        kind="qdq", activations=("uint8",), weights=("int8",), is_per_channel=per_channel, quantized=1, total=1
    )


def test_nodes_that_stayed_float_count_in_the_total_alone(small_models: Any) -> None:
    model = small_models.qdq()
    model.graph.node.append(helper.make_node("MatMul", ["features", "float_weight"], ["z"]))
    state = state_of(model)

    assert (state.quantized, state.total) == (1, 2)


@pytest.mark.parametrize(("attributes", "dtype"), [({}, "uint8"), ({"output_dtype": TensorProto.INT16}, "int16")])
def test_a_quantizer_without_zero_point_has_the_standards_type(
    small_models: Any, attributes: dict[str, Any], dtype: str
) -> None:
    quantize = helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], **attributes)
    dequantize = helper.make_node("DequantizeLinear", ["q", "scale"], ["y"])

    assert state_of(nodes_only(small_models, quantize, dequantize, scale=np.float32(1))).activations == (dtype,)


@pytest.mark.parametrize("operator", ["QLinearConv", "QLinearMatMul", "QGemm"])
def test_operators_of_their_own_are_qoperator(small_models: Any, operator: str) -> None:
    state = state_of(nodes_only(small_models, helper.make_node(operator, ["x"], ["y"])))

    assert (state.kind, state.quantized, state.total) == ("qoperator", 1, 1)


def test_an_addition_on_integers_has_no_weights_to_count(small_models: Any) -> None:
    conv = helper.make_node("QLinearConv", ["x"], ["a"])
    addition = helper.make_node("QLinearAdd", ["a", "x"], ["y"], domain="com.microsoft")
    state = state_of(nodes_only(small_models, conv, addition))

    assert (state.kind, state.quantized, state.total) == ("qoperator", 1, 1)


def test_ranges_taken_at_run_time_are_dynamic(small_models: Any) -> None:
    quantize = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])
    product = helper.make_node("MatMulInteger", ["q", "w"], ["y"])
    state = state_of(nodes_only(small_models, quantize, product))

    assert (state.kind, state.quantized, state.total) == ("dynamic", 1, 1)


def test_packed_weights_alone_are_weights(small_models: Any) -> None:
    product = helper.make_node("MatMulNBits", ["x", "w"], ["y"], domain="com.microsoft")
    state = state_of(nodes_only(small_models, product))

    assert (state.kind, state.quantized, state.total) == ("weights", 1, 1)
