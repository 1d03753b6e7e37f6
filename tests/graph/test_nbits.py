"""MatMul with the weights that MatMulNBits unpacks gives what ONNX Runtime's kernel gives."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.fork import fork
from edgeopt.graph.nbits import rounds_inputs, with_exact_products, without_nbits
from edgeopt.graph.pieces import pieces
from edgeopt.graph.qdq import constants_of, take_apart

ROWS, COLUMNS, BLOCK = 40, 6, 16


def nbits_model(small_models, *, bits=4, has_points=True, has_bias=False):
    """x (1, 40) -> MatMulNBits to 6; random bytes, scales and zero points."""
    generator = np.random.default_rng(1)
    blocks = -(-ROWS // BLOCK)
    arrays = {
        "B": generator.integers(0, 256, (COLUMNS, blocks, BLOCK * bits // 8)).astype(np.uint8),
        "scales": generator.uniform(0.01, 0.1, (COLUMNS, blocks)).astype(np.float32),
    }
    if has_points:
        arrays["points"] = generator.integers(0, 256, (COLUMNS, -(-blocks * bits // 8))).astype(np.uint8)
    if has_bias:
        arrays["bias"] = generator.standard_normal(COLUMNS).astype(np.float32)
    names = ["x", "B", "scales", "points" if has_points else "", "", "bias" if has_bias else ""]
    while not names[-1]:
        names.pop()
    attributes = {"K": ROWS, "N": COLUMNS, "bits": bits, "block_size": BLOCK}
    node = helper.make_node("MatMulNBits", names, ["y"], name="product", domain="com.microsoft", **attributes)
    values = [small_models.value("x", 1, ROWS)], [small_models.value("y", 1, COLUMNS)]
    model = small_models.model([node], *values, small_models.constants(**arrays))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("bits", "has_points"), [(4, True), (4, False), (8, True), (8, False)])
def test_the_product_is_that_of_the_kernel(small_models, outputs_of, bits, has_points, has_bias):
    model = nbits_model(small_models, bits=bits, has_points=has_points, has_bias=has_bias)
    x = np.random.default_rng(2).standard_normal((1, ROWS)).astype(np.float32)

    made, weights = without_nbits(model, constants_of(model.graph))

    (weight,) = weights.values()
    bias = next((array for name, array in constants_of(model.graph).items() if name == "bias"), 0)
    np.testing.assert_allclose(x @ weight.values + bias, outputs_of(model, {"x": x})["y"], rtol=1e-3, atol=1e-3)
    assert [node.op_type for node in made.graph.node] == ["MatMul", "Add"][: 1 + has_bias]
    assert weight.steps.shape == (ROWS, COLUMNS)
    np.testing.assert_allclose(weight.centred * weight.steps, weight.values, rtol=1e-6)


def test_a_product_of_another_layout_stays(small_models):
    model = nbits_model(small_models)
    model.graph.node[0].attribute[2].i = 3
    assert model.graph.node[0].attribute[2].name == "bits"

    made, weights = without_nbits(model, constants_of(model.graph))

    assert weights == {}
    assert made.graph.node[0].op_type == "MatMulNBits"


def test_a_model_of_packed_weights_is_taken_apart_beside_its_float_form(small_models, outputs_of):
    model = nbits_model(small_models)
    (layer,) = take_apart(model, where="m").layers
    generator = np.random.default_rng(3)
    noise = generator.uniform(-0.5, 0.5, (ROWS, COLUMNS)).astype(np.float32) * layer.weight.steps
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    constants = small_models.constants(w=layer.weight.values + noise)
    base = small_models.model(
        [node], [small_models.value("x", 1, ROWS)], [small_models.value("y", 1, COLUMNS)], constants
    )

    parts = pieces(base, model, base_name="b", candidate_name="c")

    assert parts.floats["product"].reason == ""
    x = generator.standard_normal((1, ROWS)).astype(np.float32)
    for trunk, expected in ((None, base), (parts.all_on(), model)):
        made = fork(parts, [], has_outputs=True, **({} if trunk is None else {"trunk": trunk}))
        given = outputs_of(made.model, {"x": x})[made.outputs[0]]
        np.testing.assert_allclose(given, outputs_of(expected, {"x": x})["y"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("level", "rounds"), [(None, False), (0, False), (4, True)])
def test_a_product_that_may_round_its_input_is_made_exact(small_models, level, rounds):
    model = nbits_model(small_models)
    if level is not None:
        model.graph.node[0].attribute.append(helper.make_attribute("accuracy_level", level))

    assert rounds_inputs(model) is rounds
    with_exact_products(model)
    assert rounds_inputs(model) is False
    assert {each.name for each in model.graph.node[0].attribute} >= {"K", "N", "bits", "block_size"}
