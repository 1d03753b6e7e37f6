"""Models that must not be quantized are refused, wherever in them the reason lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.quantize.refuse import odd_float, require_evaluation_mode, require_finite_weights, require_float

node = helper.make_node
SCALER = node("Scaler", ["x"], ["scaled"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
DEQUANTIZE = node("DequantizeLinear", ["q", "scale"], ["w"])


def inside_a_branch(small_models: Any, inner: Any) -> Any:
    model = small_models.branch()
    model.graph.node[0].attribute[0].g.node.append(inner)
    return model


def inside_a_function(small_models: Any, inner: Any) -> Any:
    model = small_models.mlp()
    inputs, outputs = list(inner.input), list(inner.output)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model.functions.append(helper.make_function("mine", "Block", inputs, outputs, [inner], opsets))
    return model


@pytest.mark.parametrize("where", [inside_a_branch, inside_a_function])
def test_classic_machine_learning_is_found_wherever_it_is(small_models: Any, where: Any) -> None:
    with pytest.raises(Unsupported, match=r"`m\.onnx` holds `ai\.onnx\.ml` operators"):
        require_float(where(small_models, SCALER), where="m.onnx")


@pytest.mark.parametrize("where", [inside_a_branch, inside_a_function])
def test_a_quantized_part_is_found_wherever_it_is(small_models: Any, where: Any) -> None:
    with pytest.raises(InputError, match=r"`m\.onnx` is quantized already \(qdq\)"):
        require_float(where(small_models, DEQUANTIZE), where="m.onnx")


def test_a_float_model_passes(small_models: Any) -> None:
    for model in (small_models.branch(), small_models.padded(), small_models.mlp()):
        require_float(model, where="m.onnx")
        require_evaluation_mode(model, where="m.onnx")
        require_finite_weights(model, where="m.onnx")
        assert odd_float(model) == ""


@pytest.mark.parametrize(
    ("last", "constants"),
    [
        (node("BatchNormalization", ["x", "a", "b", "c", "d"], ["y"], name="norm", training_mode=1), {}),
        (node("BatchNormalization", ["x", "a", "b", "c", "d"], ["y", "mean", "variance"], name="norm"), {}),
        (node("Dropout", ["x", "", "on"], ["y"], name="drop"), {"on": np.bool_(True)}),
    ],
)
def test_training_mode_is_refused_with_the_node(small_models: Any, last: Any, constants: Any) -> None:
    value = small_models.value
    model = small_models.model([last], [value("x", "n", 3)], [value("y", "n", 3)], small_models.constants(**constants))

    with pytest.raises(InputError, match=f"exported in training mode: its {last.op_type} `{last.name}`") as caught:
        require_evaluation_mode(model, where="m.onnx")

    assert "model.eval()" in caught.value.hint


@pytest.mark.parametrize(
    ("last", "constants"),
    [
        (node("BatchNormalization", ["x", "a", "b", "c", "d"], ["y", "", ""]), {}),
        (node("Dropout", ["x"], ["y", "mask"]), {}),
        (node("Dropout", ["x", "", "on"], ["y"]), {"on": np.bool_(False)}),
    ],
)
def test_evaluation_mode_is_not_taken_for_training(small_models: Any, last: Any, constants: Any) -> None:
    value = small_models.value
    model = small_models.model([last], [value("x", "n", 3)], [value("y", "n", 3)], small_models.constants(**constants))

    require_evaluation_mode(model, where="m.onnx")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["kernel", "bias"])
def test_weights_that_are_no_numbers_are_refused_by_name(small_models: Any, bad: float, name: str) -> None:
    model = small_models.conv()
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[2] = bad
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))

    with pytest.raises(InputError, match=f"weight `{name}` of `m.onnx` holds NaN or infinity in 1 of its numbers"):
        require_finite_weights(model, where="m.onnx")


def test_a_mask_of_infinities_is_no_weight(small_models: Any) -> None:
    value = small_models.value
    mask = small_models.constants(mask=np.float32([0, -np.inf, 0]))
    model = small_models.model([node("Add", ["x", "mask"], ["y"])], [value("x", "n", 3)], [value("y", "n", 3)], mask)

    require_finite_weights(model, where="m.onnx")


@pytest.mark.parametrize(("element", "kind"), [(TensorProto.DOUBLE, "float64"), (TensorProto.BFLOAT16, "bfloat16")])
def test_weights_of_an_odd_type_are_named(small_models: Any, element: int, kind: str) -> None:
    model = small_models.mlp()
    model.graph.initializer[1].data_type = element

    assert odd_float(model) == kind
