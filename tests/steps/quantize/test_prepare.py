"""What comes out is float, folded, simple, typed, and computes what the file does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeopt.errors import InputError
from edgeopt.steps.quantize.prepare import prepared

FLOATS = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)


def test_constants_are_folded_norms_and_padding_merged_and_dead_nodes_gone(
    small_models: Any, save_model: Any, outputs_of: Any
) -> None:
    model = small_models.padded()
    model.graph.node.append(helper.make_node("Exp", ["features"], ["dead"]))

    ready = prepared(save_model(model))

    assert [node.op_type for node in ready.model.graph.node] == ["Conv", "Relu"]
    assert ready.warnings == ()
    before, after = (outputs_of(each, {"image": FLOATS})["features"] for each in (model, ready.model))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


def test_tensors_have_their_types(small_models: Any, save_model: Any) -> None:
    ready = prepared(save_model(small_models.conv()))

    kinds = {value.name: value.type.tensor_type.elem_type for value in ready.model.graph.value_info}
    assert kinds["features"] == TensorProto.FLOAT


def test_an_upgrade_is_said(small_models: Any, save_model: Any) -> None:
    model = small_models.mlp()
    model.opset_import[0].version = 11

    (told,) = prepared(save_model(model)).warnings

    assert told == "the model was brought from opset 11 to 17: int8 per channel needs 13"


@pytest.mark.parametrize(("element", "kind"), [(TensorProto.DOUBLE, "float64"), (TensorProto.BFLOAT16, "bfloat16")])
def test_a_float_type_without_kernels_is_refused_with_the_way_out(
    small_models: Any, save_model: Any, element: int, kind: str
) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(element)
    model = small_models.model(
        [helper.make_node("Conv", ["x", "kernel"], ["y"])],
        [small_models.value("x", "n", 3, 8, 8, dtype=element)],
        [small_models.value("y", "n", 4, 6, 6, dtype=element)],
        small_models.constants(kernel=np.ones((4, 3, 3, 3)).astype(dtype)),
    )

    with pytest.raises(InputError, match="ONNX Runtime does not take") as caught:
        prepared(save_model(model))

    assert caught.value.hint == f"it computes in {kind}: export it in float32 (in torch, `model.float()` first)"


def test_float16_becomes_float32(small_models: Any, save_model: Any) -> None:
    half = TensorProto.FLOAT16
    model = small_models.model(
        [helper.make_node("Conv", ["x", "kernel"], ["y"])],
        [small_models.value("x", "n", 3, 8, 8, dtype=half)],
        [small_models.value("y", "n", 4, 6, 6, dtype=half)],
        small_models.constants(kernel=np.ones((4, 3, 3, 3), np.float16)),
    )

    ready = prepared(save_model(model)).model

    assert {tensor.data_type for tensor in ready.graph.initializer} == {TensorProto.FLOAT}
    assert [node.op_type for node in ready.graph.node] == ["Cast", "Conv", "Cast"]
