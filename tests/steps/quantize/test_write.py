"""What is written: valid, close to the float model, and equal for equal inputs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeopt.core.dataset import Dataset

node = helper.make_node
# Measured on normal weights and samples: 32 dB and more with 8-bit weights, 26 dB and more with 7-bit ones.
SQNR_DB = 28
BOUNDS = {"x86-64-vnni": SQNR_DB, "x86-64-avx2": 24, "rpi4": SQNR_DB}


def constant(*shape: int, seed: int = 0) -> Any:
    """Normal weights that keep activations near 1."""
    return (np.random.default_rng(seed).standard_normal(shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32)


@pytest.fixture
def net(small_models):
    """A model of `nodes`, from input `x` (batch, ...shape) to float outputs of any shape."""

    def build(nodes, outputs=("y",), shape=(4, 8, 8), batch="batch", opset=17, **constants):
        values = [small_models.value(name) for name in outputs]
        for value in values:
            value.type.tensor_type.ClearField("shape")
        inputs = [small_models.value("x", batch, *shape)]
        model = small_models.model(nodes, inputs, values, small_models.constants(**constants), opset=opset)
        return onnx.shape_inference.infer_shapes(model, data_prop=True)

    return build


def conv(source, target, weight="w", **attributes):
    return node("Conv", [source, *weight.split()], [target], name=target, pads=[1, 1, 1, 1], **attributes)


def residual(net):
    """Two convolutions with biases, a residual sum, a pool, a concatenation and a dense layer with a bias."""
    nodes = [
        conv("x", "a", "w1 b1"),
        node("Relu", ["a"], ["ra"], name="ra"),
        conv("ra", "b", "w2 b2"),
        node("Add", ["b", "ra"], ["s"], name="s"),
        node("Clip", ["s", "low", "high"], ["rs"], name="rs"),
        conv("rs", "c", "w3", group=4),
        node("Concat", ["c", "rs"], ["cat"], name="cat", axis=1),
        node("MaxPool", ["cat"], ["p"], name="p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", ["p", "flat"], ["f"], name="f"),
        node("Gemm", ["f", "dense", "b3"], ["y"], name="y", transB=1),
    ]
    return net(
        nodes,
        w1=constant(4, 4, 3, 3),
        w2=constant(4, 4, 3, 3, seed=1),
        w3=constant(4, 1, 3, 3, seed=2),
        b1=constant(4),
        b2=constant(4, seed=3),
        b3=constant(5, seed=4),
        dense=constant(5, 128),
        low=np.float32(0),
        high=np.float32(6),
        flat=np.array([0, -1]),
    )


CASES = {
    "residual": residual,
    "no bias": lambda net: net([conv("x", "y")], w=constant(4, 4, 3, 3)),
    "one bias for all": lambda net: net(
        [node("Gemm", ["x", "w", "b"], ["y"])], shape=(4,), w=constant(4, 5), b=np.float32([0.3])
    ),
    "bias as a row": lambda net: net(
        [node("Gemm", ["x", "w", "b"], ["y"])], shape=(4,), w=constant(4, 5), b=constant(1, 5)
    ),
    "turned weight": lambda net: net(
        [node("Gemm", ["x", "w", "b"], ["y"], transB=1)], shape=(4,), w=constant(5, 4), b=constant(5)
    ),
    "weight both ways": lambda net: net(
        [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Gemm", ["h", "w", "b"], ["y"])],
        shape=(4,),
        w=constant(4, 4) * np.float32([[1], [10], [0.1], [3]]),
        b=constant(4),
    ),
    "shared weight": lambda net: net(
        [conv("x", "h", "w b"), conv("h", "y", "w b")], w=constant(4, 4, 3, 3), b=constant(4)
    ),
    "weight read by a float node": lambda net: net(
        [node("MatMul", ["x", "w"], ["h"]), node("Sub", ["h", "w"], ["y"])], shape=(4, 4), w=constant(4, 4)
    ),
    "three axes": lambda net: net([node("MatMul", ["x", "w"], ["y"])], shape=(7, 4), w=constant(4, 5)),
    "product of activations": lambda net: net(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Transpose", ["h"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["h", "t"], ["y"]),
        ],
        shape=(4, 8),
        w=constant(8, 5),
    ),
    "sum with itself": lambda net: net([conv("x", "h"), node("Add", ["h", "h"], ["y"])], w=constant(4, 4, 3, 3)),
    "split": lambda net: net(
        [conv("x", "h"), node("Split", ["h"], ["a", "b"], axis=1), node("Mul", ["a", "b"], ["y"])],
        w=constant(4, 4, 3, 3),
    ),
    "clip above zero": lambda net: net(
        [conv("x", "h"), node("Clip", ["h", "low", "high"], ["r"]), conv("r", "y", "v")],
        w=constant(4, 4, 3, 3),
        v=constant(4, 4, 3, 3, seed=1),
        low=np.float32(0.2),
        high=np.float32(6),
    ),
    "names that the writer would choose": lambda net: net(
        [
            conv("x", "x_quantized"),
            node("Sigmoid", ["x_quantized"], ["x_scale"], name="x_QuantizeLinear"),
            node("LeakyRelu", ["x_scale"], ["x_dequantized"], name="x_DequantizeLinear"),
            conv("x_dequantized", "y_float"),
            node("MaxPool", ["y_float"], ["y"], kernel_shape=[2, 2]),
        ],
        w=constant(4, 4, 3, 3),
    ),
    "nodes without names": lambda net: net(
        [
            node("Conv", ["x", "w"], ["h"]),
            node("Relu", ["h"], ["r"]),
            node("Conv", ["r", "w"], ["y"]),
        ],
        w=constant(4, 4, 3, 3),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", BOUNDS)
def test_the_model_is_valid_and_close_to_the_float_one(net, quantize_model, sqnr_of, case, target):
    made = quantize_model(CASES[case](net), target=target)

    onnx.checker.check_model(made.model, full_check=True)
    assert min(sqnr_of(made).values()) > BOUNDS[target]
    assert "QuantizeLinear" in made.operators


@pytest.mark.parametrize("case", ["residual", "shared weight", "weight both ways"])
def test_one_scale_per_weight_will_do_as_well(net, quantize_model, sqnr_of, case):
    made = quantize_model(CASES[case](net), per_channel=False)

    scales = [t for t in made.model.graph.initializer if t.name.endswith("_scale")]
    assert all(list(scale.dims) == [] for scale in scales)
    assert min(sqnr_of(made).values()) > 20


@pytest.mark.parametrize("case", ["residual", "product of activations", "names that the writer would choose"])
def test_the_fused_kernels_of_this_machine_agree(net, quantize_model, outputs_of, case):
    import onnxruntime

    made = quantize_model(CASES[case](net), target="host")
    feeds = made.samples.inputs

    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    fused, plain = session.run(None, feeds)[0], outputs_of(made.model, feeds)["y"]
    noise = np.square(fused - plain).mean() ** 0.5
    assert noise < 0.02 * np.abs(plain).max()


def test_every_node_with_weights_reads_integers(net, quantize_model):
    made = quantize_model(residual(net))

    counts = Counter(made.operators)
    assert counts["Relu"] + counts["Clip"] == 0
    assert made.kept_float == {}
    producers = {name: found for found in made.model.graph.node for name in found.output}
    for found in made.model.graph.node:
        if found.op_type in ("Conv", "Gemm"):
            assert {producers[name].op_type for name in found.input} == {"DequantizeLinear"}


@pytest.mark.parametrize(
    ("target", "limit", "activations"),
    [("x86-64-vnni", 127, np.uint8), ("x86-64-avx2", 64, np.uint8), ("rpi4", 127, np.int8)],
)
def test_integers_are_of_the_types_of_the_target(net, quantize_model, target, limit, activations):
    made = quantize_model(net([conv("x", "y", "w b")], w=constant(4, 4, 3, 3), b=constant(4)), target=target)

    weight = made.constant("w_quantized")
    assert (weight.dtype, weight.shape) == (np.int8, (4, 4, 3, 3))
    assert np.abs(weight.astype(int)).reshape(4, -1).max(axis=1).tolist() == [limit] * 4
    assert made.constant("w_quantized_scale").shape == (4,)
    assert made.constant("w_quantized_zero_point").tolist() == [0] * 4
    assert made.constant("b_quantized").dtype == np.int32
    assert made.constant("x_zero_point").dtype == activations


def test_the_scale_of_a_bias_is_that_of_its_input_times_that_of_its_weight(net, quantize_model):
    made = quantize_model(net([conv("x", "y", "w b")], w=constant(4, 4, 3, 3), b=constant(4)))

    expected = made.constant("w_quantized_scale") * made.constant("x_scale")
    assert made.constant("b_quantized_scale").tolist() == expected.tolist()
    assert made.constant("b_quantized").tolist() == np.rint(constant(4) / expected).tolist()


def test_the_float_weights_are_gone_and_the_model_is_a_quarter(net, quantize_model):
    model = net([node("Gemm", ["x", "w"], ["y"])], shape=(256,), w=constant(256, 256))

    made = quantize_model(model)

    assert "w" not in {tensor.name for tensor in made.model.graph.initializer}
    assert made.path.stat().st_size < 0.27 * made.source.stat().st_size


def test_a_weight_that_a_float_node_reads_stays_beside_its_integers(net, quantize_model):
    found = {t.name for t in quantize_model(CASES["weight read by a float node"](net)).model.graph.initializer}

    assert {"w", "w_quantized"} <= found


def test_a_weight_that_two_nodes_share_is_stored_once(net, quantize_model):
    made = quantize_model(net([conv("x", "h"), conv("h", "y")], w=constant(4, 4, 3, 3)))

    assert [t.name for t in made.model.graph.initializer if list(t.dims) == [4, 4, 3, 3]] == ["w_quantized"]


def test_inputs_and_outputs_keep_names_shapes_and_types(net, quantize_model):
    nodes = [conv("x", "h"), node("Relu", ["h"], ["r"], name="r"), conv("r", "y")]

    made = quantize_model(net(nodes, outputs=("h", "y"), w=constant(4, 4, 3, 3)))

    before, after = onnx.load(made.source), made.model
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)


def test_a_graph_output_behind_a_clamp_keeps_its_name(net, quantize_model, sqnr_of):
    made = quantize_model(net([conv("x", "h"), node("Relu", ["h"], ["y"], name="relu")], w=constant(4, 4, 3, 3)))

    assert "Relu" not in made.operators
    assert list(made.model.graph.output) == list(onnx.load(made.source).graph.output)
    assert sqnr_of(made)["y"] > SQNR_DB


def test_a_dead_channel_still_gives_its_bias(net, quantize_model, outputs_of):
    weight, bias = constant(4, 4, 3, 3), np.float32([0.1, 0.013, 0.2, 0.1])
    weight[1] = 0

    made = quantize_model(net([conv("x", "y", "w b")], w=weight, b=bias))

    dead = outputs_of(made.model, made.samples.inputs)["y"][:, 1]
    assert made.constant("b_quantized_scale")[1] < 0.01 * bias[1]
    assert np.abs(dead - bias[1]).max() <= 0.51 * made.constant("y_scale")


def test_values_of_a_clamp_stay_within_it(net, quantize_model, outputs_of):
    clip = node("Clip", ["h", "low", "high"], ["y"], name="clip")
    made = quantize_model(
        net([conv("x", "h"), clip], w=constant(4, 4, 3, 3), low=np.float32(-0.5), high=np.float32(0.5))
    )

    wild = {"x": 100 * made.samples.inputs["x"]}
    values = outputs_of(made.model, wild)["y"]
    assert "Clip" not in made.operators
    assert np.abs(values).max() <= 0.5 + 0.51 * made.constant("y_scale")


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_the_batch_may_be_free_or_fixed(net, quantize_model, outputs_of, batch):
    model = net([conv("x", "y")], batch=batch, w=constant(4, 4, 3, 3))
    samples = np.random.default_rng(0).standard_normal((6, 4, 8, 8)).astype(np.float32)
    data = Dataset(inputs={"x": samples}, source="six samples", indices=np.arange(6))

    made = quantize_model(model, data)

    count = batch if isinstance(batch, int) else 3
    feeds = {"x": samples[:count]}
    before, after = outputs_of(model, feeds)["y"], outputs_of(made.model, feeds)["y"]
    assert after.shape == before.shape
    assert np.abs(after - before).max() < 0.1


def test_a_model_of_an_old_opset_is_upgraded_and_that_is_said(net, quantize_model, sqnr_of):
    clip = node("Clip", ["h", "low", "high"], ["r"], name="clip")
    model = net(
        [conv("x", "h"), clip, conv("r", "y")],
        opset=11,
        w=constant(4, 4, 3, 3),
        low=np.float32(0),
        high=np.float32(6),
    )

    made = quantize_model(model)

    assert made.report.warnings == ("the model was brought from opset 11 to 17: int8 per channel needs 13",)
    assert [entry.version for entry in made.model.opset_import] == [17]
    assert sqnr_of(made)["y"] > SQNR_DB


def test_a_transpose_of_images_with_channels_last_moves_integers(small_models, quantize_model, sqnr_of):
    made = quantize_model(small_models.nhwc())

    producers = {name: found.op_type for found in made.model.graph.node for name in found.output}
    transpose = next(found for found in made.model.graph.node if found.op_type == "Transpose")
    assert producers[transpose.input[0]] == "DequantizeLinear"
    assert sqnr_of(made)["features"] > SQNR_DB


@pytest.mark.parametrize("model", ["conv", "padded", "listed_initializers", "mlp"])
def test_small_models_come_out_valid_and_close(small_models, quantize_model, sqnr_of, model):
    made = quantize_model(getattr(small_models, model)())

    onnx.checker.check_model(made.model, full_check=True)
    assert min(sqnr_of(made).values()) > SQNR_DB
    assert "Pad" not in made.operators


def test_float16_weights_are_quantized_and_the_model_still_takes_float16(small_models, quantize_model, outputs_of):
    weights = {"k": constant(4, 4, 3, 3).astype(np.float16), "w": constant(8, 5).astype(np.float16)}
    half = {"dtype": onnx.TensorProto.FLOAT16}
    nodes = [conv("x", "h", "k"), node("Relu", ["h"], ["r"]), node("MatMul", ["r", "w"], ["y"])]
    model = small_models.model(
        nodes,
        [small_models.value("x", "batch", 4, 8, 8, **half)],
        [small_models.value("y", "batch", 4, 8, 5, **half)],
        small_models.constants(**weights),
    )

    made = quantize_model(model)

    before, after = (outputs_of(found, made.samples.inputs)["y"] for found in (model, made.model))
    integers = {t.name for t in made.model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and t.dims}
    assert len([name for name in integers if name.endswith("_quantized")]) == 2
    assert after.dtype == np.float16
    assert np.abs(after.astype(float) - before).max() < 0.1


def test_a_float_branch_reads_what_the_integers_before_it_give(small_models, quantize_model, outputs_of):
    def branch(operator):
        value = small_models.value(operator)
        value.type.tensor_type.ClearField("shape")
        return helper.make_graph([node(operator, ["h"], [operator])], operator, [], [value])

    nodes = [
        node("MatMul", ["x", "w"], ["h"], name="matmul"),
        node("Relu", ["h"], ["r"], name="relu"),
        node("MatMul", ["r", "v"], ["p"], name="second"),
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Greater", ["sum", "zero"], ["flag"]),
        node("If", ["flag"], ["b"], name="if", then_branch=branch("Sigmoid"), else_branch=branch("Tanh")),
        node("Sub", ["p", "b"], ["y"], name="sub"),
    ]
    model = small_models.model(
        nodes,
        [small_models.value("x", "batch", 4)],
        [small_models.value("y", "batch", 4)],
        small_models.constants(w=constant(4, 4), v=constant(4, 4, seed=1), zero=np.float32(0)),
    )

    made = quantize_model(model)

    samples = made.samples.inputs["x"]
    is_positive = samples.sum(axis=1) > 0
    for rows in (samples[is_positive], samples[~is_positive]):
        feeds = {"x": rows}
        before, after = (outputs_of(found, feeds)["y"] for found in (model, made.model))
        assert np.abs(after - before).max() < 0.1
    assert made.kept_float["if"] == "ONNX Runtime has no faster integer kernel for If"


def test_float_nodes_read_what_float_nodes_computed_unrounded(net, quantize_model):
    nodes = [
        node("Abs", ["x"], ["a"], name="abs"),
        node("MatMul", ["a", "w"], ["p"], name="product"),
        node("Add", ["p", "a"], ["y"], name="residual"),
    ]
    graph = quantize_model(net(nodes, shape=(7, 4), w=constant(4, 4))).model.graph

    (residual,) = [found for found in graph.node if found.op_type == "Add"]
    assert "a" in residual.input
