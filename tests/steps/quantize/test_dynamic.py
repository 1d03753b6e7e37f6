"""int8-dynamic: which products run on integers, which types they take, and that kernels take them whole."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from edgeopt.core.dataset import no_samples
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.quantization import quantization_state


@pytest.fixture
def dynamic(quantize_model):
    """Makes an int8-dynamic model from one in memory, for x86 with VNNI."""
    return lambda model, **options: quantize_model(
        model, **{"scheme": "int8-dynamic", "target": "x86-64-vnni", **options}
    )


def test_products_and_embeddings_run_on_integers_and_attention_stays_float(small_models, dynamic, sqnr_of):
    made = dynamic(small_models.attention())

    assert made.operators.count("MatMulInteger") == 4
    assert made.kept_float == {
        "scores_of_pairs": "it multiplies activations by activations",
        "mixing": "it multiplies activations by activations",
    }
    table = next(node for node in made.model.graph.node if node.name == "embedding").input[0]
    assert made.constant(table).dtype == np.int8
    assert [entry["table"] for entry in made.report.details["embeddings"]] == ["table"]
    assert sqnr_of(made)["scores"] > 30


def test_the_projections_of_one_tensor_share_its_range(small_models, dynamic):
    made = dynamic(small_models.attention())

    ranges = [node.input[0] for node in made.model.graph.node if node.op_type == "DynamicQuantizeLinear"]
    assert len(ranges) == len(set(ranges))
    assert len(ranges) <= 2  # one for query, key and value, one for the classifier


@pytest.mark.parametrize(
    ("gemm", "bias"),
    [
        ({"transB": 1}, (5,)),
        ({"transB": 0}, (5,)),
        ({"transB": 1, "alpha": 0.5, "beta": 2.0}, (5,)),
        ({"transB": 1}, (1, 5)),
        ({"transB": 1, "alpha": 3.0}, None),
    ],
    ids=str,
)
def test_a_gemm_with_its_factors_and_bias_becomes_a_product(small_models, dynamic, sqnr_of, gemm, bias):
    generator = np.random.default_rng(0)
    shape = (5, 64) if gemm["transB"] else (64, 5)
    arrays = {"w": generator.standard_normal(shape).astype(np.float32)}
    if bias:
        arrays["b"] = 10 * generator.standard_normal(bias).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", *arrays], ["y"], name="gemm", **gemm)]
    made = dynamic(
        small_models.model(
            nodes,
            [small_models.value("x", "batch", 64)],
            [small_models.value("y", "batch", 5)],
            small_models.constants(**arrays),
        )
    )

    assert "MatMulInteger" in made.operators
    assert "Gemm" not in made.operators
    assert made.kept_float == {}
    assert sqnr_of(made)["y"] > 35


def test_a_gemm_that_transposes_its_input_stays_float(small_models, dynamic):
    weights = small_models.constants(w=np.ones((4, 5), np.float32), v=np.ones((5, 5), np.float32))
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["h"], name="product"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="turned", transA=1),
    ]
    made = dynamic(small_models.model(nodes, [small_models.value("x", 4, 5)], [small_models.value("y", 5, 5)], weights))

    assert made.kept_float == {"turned": "its input is transposed"}
    assert made.operators.count("MatMulInteger") == 1


@pytest.mark.parametrize(("target", "limit", "bits"), [("x86-64-vnni", 127, 8), ("x86-64-avx2", 64, 7)])
def test_weights_keep_seven_bits_where_the_kernel_would_saturate(small_models, dynamic, target, limit, bits):
    made = dynamic(small_models.attention(), target=target)

    weights = [made.constant(node.input[1]) for node in made.model.graph.node if node.op_type == "MatMulInteger"]
    assert {weight.dtype for weight in weights} == {np.dtype(np.int8)}
    assert limit - 1 <= max(int(np.abs(weight.astype(int)).max()) for weight in weights) <= limit
    assert made.report.details["scheme"]["weight_bits"] == bits


@pytest.mark.parametrize("per_channel", [True, False])
def test_per_channel_keeps_columns_of_unlike_size(small_models, dynamic, sqnr_of, per_channel):
    generator = np.random.default_rng(1)
    weight = generator.standard_normal((32, 8)) * np.geomspace(1, 100, 8)
    arrays = small_models.constants(w=weight.astype(np.float32), scale=np.geomspace(1, 0.01, 8).astype(np.float32))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Mul", ["h", "scale"], ["y"])]
    made = dynamic(
        small_models.model(
            nodes, [small_models.value("x", "batch", 32)], [small_models.value("y", "batch", 8)], arrays
        ),
        per_channel=per_channel,
    )

    assert made.report.details["scheme"]["per_channel"] is per_channel
    assert (sqnr_of(made)["y"] > 30) == per_channel


def test_a_convolution_stays_float_beside_a_product(small_models, dynamic):
    made = dynamic(small_models.conv())

    assert "ConvInteger" not in made.operators
    assert made.kept_float == {"conv": "a convolution with dynamic ranges is slower than a float one"}


@pytest.mark.parametrize("name", ["padded", "two_inputs", "nhwc"])
def test_a_model_without_products_is_refused_with_the_reason(small_models, dynamic, name):
    with pytest.raises(Unsupported, match="it has no MatMul or Gemm with a constant weight") as caught:
        dynamic(getattr(small_models, name)())

    assert "--scheme int8" in caught.value.hint


def test_products_inside_a_branch_stay_float_with_the_reason(small_models, dynamic):
    with pytest.raises(Unsupported, match="it lies inside a branch or a loop"):
        dynamic(small_models.branch())


def test_a_weight_that_two_products_share_stays_one(small_models, dynamic):
    arrays = small_models.constants(w=np.random.default_rng(2).standard_normal((6, 6)).astype(np.float32))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    made = dynamic(
        small_models.model(nodes, [small_models.value("x", "batch", 6)], [small_models.value("y", "batch", 6)], arrays)
    )

    weights = [node.input[1] for node in made.model.graph.node if node.op_type == "MatMulInteger"]
    assert len(weights) == 2
    assert len(set(weights)) == 1


@pytest.mark.parametrize("per_channel", [True, False])
def test_it_answers_as_what_the_tool_of_onnx_runtime_makes(small_models, dynamic, outputs_of, tmp_path, per_channel):
    made = dynamic(small_models.mlp(), per_channel=per_channel)
    tools = tmp_path / "tool.onnx"
    quantize_dynamic(
        made.source, tools, op_types_to_quantize=["MatMul"], per_channel=per_channel, weight_type=QuantType.QInt8
    )

    ours, theirs = outputs_of(made.model, made.samples.inputs), outputs_of(onnx.load(tools), made.samples.inputs)

    np.testing.assert_allclose(ours["scores"], theirs["scores"], rtol=1e-5, atol=1e-6)


def test_the_kernels_of_onnx_runtime_take_it_whole(small_models, dynamic, tmp_path):
    made = dynamic(small_models.attention())
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 4

    onnxruntime.InferenceSession(str(made.path), options, providers=["CPUExecutionProvider"])

    fused = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert fused.count("MatMulIntegerToFloat") + fused.count("DynamicQuantizeMatMul") == 4
    assert "MatMulInteger" not in fused


def test_names_that_the_model_has_already_are_left_to_it(small_models, dynamic, sqnr_of):
    arrays = small_models.constants(
        x_scale=np.random.default_rng(3).standard_normal((8, 8)).astype(np.float32), x_quantized=np.float32(2)
    )
    nodes = [
        helper.make_node("MatMul", ["x", "x_scale"], ["x_zero_point"]),
        helper.make_node("Mul", ["x_zero_point", "x_quantized"], ["y"]),
    ]
    made = dynamic(
        small_models.model(nodes, [small_models.value("x", "batch", 8)], [small_models.value("y", "batch", 8)], arrays)
    )

    onnx.checker.check_model(made.model, full_check=True)
    assert sqnr_of(made)["y"] > 35


def test_the_state_says_dynamic(small_models, dynamic):
    state = quantization_state(dynamic(small_models.attention()).model.graph)

    assert (state.kind, state.activations, state.weights) == ("dynamic", ("uint8",), ("int8",))
    assert state.is_per_channel
    assert (state.quantized, state.total) == (4, 6)


def test_no_samples_are_needed(small_models, quantize_model):
    made = quantize_model(small_models.attention(), no_samples(), scheme="int8-dynamic")

    assert "MatMulInteger" in made.operators


def test_tokens_stay_integers(small_models, dynamic):
    made = dynamic(small_models.attention())

    assert made.model.graph.input[0].type.tensor_type.elem_type == TensorProto.INT64
    onnx.checker.check_model(made.model, full_check=True)


def test_a_node_that_the_user_keeps_float_stays_so(small_models, dynamic):
    made = dynamic(small_models.attention(), keep_float=("query", "embedding"))

    assert made.operators.count("MatMulInteger") == 3
    assert made.kept_float["query"] == "the user keeps it float"
    assert made.report.details["embeddings"] == []


def test_a_node_to_keep_float_that_is_not_there_is_refused(small_models, dynamic):
    with pytest.raises(InputError, match="`qery`"):
        dynamic(small_models.attention(), keep_float=("qery",))
