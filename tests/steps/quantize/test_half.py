"""fp16: what becomes float16, what stays, and what is said of numbers that do not fit."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.quantization import quantization_state


@pytest.fixture
def half(quantize_model):
    """Makes an fp16 model from one in memory."""
    return lambda model, **options: quantize_model(model, **{"scheme": "fp16", "target": "rpi5", **options})


def types_of(values):
    return [value.type.tensor_type.elem_type for value in values]


@pytest.mark.parametrize("name", ["conv", "mlp", "padded", "attention"])
def test_weights_become_float16_and_inputs_and_outputs_stay(small_models, half, sqnr_of, name):
    model = getattr(small_models, name)()

    made = half(model)

    assert types_of(made.model.graph.input) == types_of(model.graph.input)
    assert types_of(made.model.graph.output) == types_of(model.graph.output)
    assert TensorProto.FLOAT not in {tensor.data_type for tensor in made.model.graph.initializer}
    assert min(sqnr_of(made).values()) > 50


def test_inputs_and_outputs_become_float16_on_request_and_integers_stay(small_models, half):
    made = half(small_models.conv(), io="float16").model
    tokens = half(small_models.attention(), io="float16").model

    assert types_of([*made.graph.input, *made.graph.output]) == [TensorProto.FLOAT16] * 2
    assert "Cast" not in [node.op_type for node in made.graph.node]
    assert types_of([*tokens.graph.input, *tokens.graph.output]) == [TensorProto.INT64, TensorProto.FLOAT16]


def test_the_file_is_half_as_large(small_models, half):
    weight = np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32)
    made = half(
        small_models.model(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            [small_models.value("x", "batch", 200)],
            [small_models.value("y", "batch", 200)],
            small_models.constants(w=weight),
        )
    )

    assert made.path.stat().st_size < weight.nbytes / 2 + 1000


def scaled(small_models, values):
    """x (batch, 4) times four constants."""
    return small_models.model(
        [helper.make_node("Mul", ["x", "factors"], ["y"])],
        [small_models.value("x", "batch", 4)],
        [small_models.value("y", "batch", 4)],
        small_models.constants(factors=np.array(values, np.float32)),
    )


def test_weights_beyond_the_largest_and_below_the_normal_are_counted_by_name(small_models, half):
    (small,) = half(scaled(small_models, [1e-5, -2e-6, 1e-5, 1.0])).report.warnings
    made = half(scaled(small_models, [1e5, -7e4, 1e-3, 1.0]))
    (large,) = made.report.warnings

    assert large.startswith("2 weight(s) are beyond 65504")
    assert "`factors` (2)" in large
    assert small.startswith("3 weight(s) are below 6e-05")
    np.testing.assert_array_equal(made.constant("factors")[:2], np.array([65504, -65504], np.float16))


def test_weights_that_fit_are_not_warned_of(small_models, half):
    assert half(scaled(small_models, [65504.0, -1.0, 0.0, 1e-4])).report.warnings == ()


def test_tiny_weights_among_others_are_not_warned_of(small_models, half):
    weight = np.random.default_rng(0).standard_normal((100, 100)).astype(np.float32)
    weight[:10] = 1e-7
    model = small_models.model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [small_models.value("x", "batch", 100)],
        [small_models.value("y", "batch", 100)],
        small_models.constants(w=weight),
    )

    assert half(model).report.warnings == ()


@pytest.mark.parametrize(("target", "is_told"), [("rpi5", False), ("rpi4", True), ("x86-64-vnni", True)])
def test_a_target_that_computes_in_float32_all_the_same_is_warned_of(small_models, half, target, is_told):
    told = half(small_models.mlp(), target=target).report.warnings

    assert [f"`{target}` has no float16 kernels" in line for line in told] == [True] * is_told


def test_a_node_that_the_user_keeps_float_has_float32_weights(small_models, half, sqnr_of):
    made = half(small_models.attention(), keep_float=("query",))

    query = next(node for node in made.model.graph.node if node.name == "query")
    assert made.constant(query.input[1]).dtype == np.float32
    assert made.kept_float == {"query": "the user keeps it float"}
    assert sqnr_of(made)["scores"] > 50


def test_a_node_without_a_name_is_kept_float_by_its_output(small_models, half):
    made = half(small_models.mlp(), keep_float=("scores",))

    last = next(node for node in made.model.graph.node if node.name == "scores")
    assert {made.constant(name).dtype for name in last.input[1:]} == {np.dtype(np.float32)}


def test_a_node_to_keep_float_that_is_not_there_is_refused(small_models, half):
    with pytest.raises(InputError, match="no node `qery`"):
        half(small_models.attention(), keep_float=("qery",))


def test_a_float16_model_is_refused(small_models, half):
    model = small_models.model(
        [helper.make_node("Mul", ["x", "factors"], ["y"])],
        [small_models.value("x", "batch", 4, dtype=TensorProto.FLOAT16)],
        [small_models.value("y", "batch", 4, dtype=TensorProto.FLOAT16)],
        small_models.constants(factors=np.ones(4, np.float16)),
    )

    with pytest.raises(InputError, match="are float16 already"):
        half(model)


def test_a_model_without_float_weights_is_refused(small_models, half):
    with pytest.raises(Unsupported, match="has no float32 weights to halve"):
        half(small_models.two_inputs())


def test_constants_of_shapes_stay_integers(small_models, half, sqnr_of):
    model = small_models.model(
        [helper.make_node("Mul", ["x", "w"], ["h"]), helper.make_node("Reshape", ["h", "shape"], ["y"])],
        [small_models.value("x", "batch", 2, 3)],
        [small_models.value("y", "batch", 6)],
        small_models.constants(w=np.ones((2, 3), np.float32), shape=np.array([-1, 6], np.int64)),
    )
    made = half(model)

    assert made.constant("shape").dtype == np.int64
    assert sqnr_of(made)["y"] > 50


@pytest.mark.parametrize("name", ["branch", "loop"])
def test_graphs_inside_nodes_are_halved_with_what_they_take_from_outside(small_models, half, outputs_of, name):
    model = getattr(small_models, name)()
    made = half(model)
    feeds = {"x": np.array([[1.0, -2.0, 0.5]], np.float32)}
    if name == "branch":
        feeds["flag"] = np.array(True)

    before, after = outputs_of(model, feeds)["y"], outputs_of(made.model, feeds)["y"]

    assert after.dtype == np.float32
    np.testing.assert_allclose(after, before, rtol=5e-3, atol=1e-3)


def test_operators_without_a_float16_kernel_stay_float(small_models, half, outputs_of):
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["h"]),
        helper.make_node("CumSum", ["h", "axis"], ["y"], name="sum"),
    ]
    model = small_models.model(
        nodes,
        [small_models.value("x", "batch", 4)],
        [small_models.value("y", "batch", 4)],
        small_models.constants(w=np.ones(4, np.float32), axis=np.int64(1)),
    )
    made = half(model)
    feeds = {"x": np.ones((1, 4), np.float32)}

    assert made.kept_float == {"sum": "CumSum has no float16 kernel"}
    np.testing.assert_array_equal(outputs_of(made.model, feeds)["y"], [[1, 2, 3, 4]])


def test_nodes_stand_behind_what_they_read(small_models, half):
    onnx.checker.check_model(half(small_models.attention()).model, full_check=True)


def test_the_state_tells_the_type_of_the_weights(small_models, half):
    state = quantization_state(half(small_models.attention()).model.graph)

    assert (state.kind, state.weights) == ("none", ("float16",))
