"""A graph of quantize/dequantize pairs comes apart into layers, weights and pairs, whoever wrote it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeopt.errors import Unsupported
from edgeopt.graph.qdq import channel_axis, take_apart
from edgeopt.steps.quantize.step import Quantize


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)


def test_the_small_model_has_one_layer_with_weights_bias_and_both_pairs(small_models):
    parts = take_apart(small_models.qdq(), where="m")

    (layer,) = parts.layers
    assert (layer.operator, layer.reads, layer.writes, layer.result) == ("Conv", ("image_q",), ("raw_q",), "raw")
    assert layer.weight.values.shape == (4, 3, 3, 3)
    assert layer.weight.axis == 0
    assert layer.bias.dtype == "int32"
    assert parts.pairs["image_q"].tensor == "image"
    assert parts.pair_of == {"image_dq": "image_q", "features": "raw_q"}


def test_integers_stand_for_what_the_runtime_makes_of_them(small_models, outputs_of):
    model = small_models.qdq()
    model.graph.output.append(helper.make_tensor_value_info("kernel_dq", TensorProto.FLOAT, None))
    image = np.zeros((1, 3, 8, 8), np.float32)

    (layer,) = take_apart(small_models.qdq(), where="m").layers

    np.testing.assert_array_equal(layer.weight.values, outputs_of(model, {"image": image})["kernel_dq"])


def test_the_grid_of_a_pair_ends_where_its_integers_end(small_models):
    grid = take_apart(small_models.qdq(), where="m").pairs["raw_q"].grid

    assert [float(end) for end in grid.represented] == pytest.approx([-128 * 0.05, 127 * 0.05])


def test_onnx_runtimes_files_come_apart(small_models, quantize_foreign, samples):
    parts = take_apart(quantize_foreign(small_models.dense(), {"x": samples}), where="m")

    assert [layer.name for layer in parts.layers] == ["first", "second", "third"]
    assert [parts.pairs[layer.writes[0]].tensor for layer in parts.layers][:2] == ["a1", "a2"]
    assert all(layer.weight.bits == 8 and layer.bias is not None for layer in parts.layers)


def test_edgeopts_files_come_apart(small_models, save_model, tmp_path, samples):
    from edgeopt.core.dataset import Dataset

    data = Dataset(inputs={"x": samples}, source="samples", indices=np.arange(len(samples)))
    Quantize(target="rpi4", range="minmax").apply(save_model(small_models.dense()), tmp_path / "q.onnx", data)

    parts = take_apart(onnx.load(tmp_path / "q.onnx"), where="m")

    assert [layer.name for layer in parts.layers] == ["first", "second", "third"]
    assert parts.layers[0].reads == parts.layers[0].reads[:1]
    assert parts.layers[1].reads == parts.layers[0].writes


def test_a_float_weight_behind_a_pair_is_a_quantized_weight(small_models):
    """As NNCF and torch's exporter write it."""
    model = pair_on_weight(small_models)

    (layer,) = take_apart(model, where="m").layers

    weight = np.array([[0.5, -0.26], [0.1, 1.27]], np.float32)
    np.testing.assert_allclose(layer.weight.values, np.rint(weight / 0.01) * 0.01, atol=1e-6)
    assert layer.weight.axis is None


def test_a_turned_weight_is_seen_as_the_node_reads_it(small_models):
    model = pair_on_weight(small_models, is_turned=True)

    (layer,) = take_apart(model, where="m").layers

    assert layer.operator == "MatMul"
    assert layer.weight.values[0, 1] == pytest.approx(0.1)


def test_weights_of_four_bits_in_blocks_are_spread_over_their_blocks(small_models):
    integers = np.arange(-8, 8, dtype=np.int8).reshape(8, 2)
    tensor = helper.make_tensor("w", TensorProto.INT4, [8, 2], integers.ravel())
    scales = np.array([[0.1, 1.0], [0.2, 2.0]], np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["w_dq"], axis=0, block_size=4),
        helper.make_node("MatMul", ["x", "w_dq"], ["y"], name="product"),
    ]
    constants = [tensor, *small_models.constants(s=scales)]
    model = small_models.model(
        nodes, [small_models.value("x", 1, 8)], [small_models.value("y", 1, 2)], constants, opset=21
    )

    (layer,) = take_apart(model, where="m").layers

    assert (layer.weight.dtype, layer.weight.bits, layer.reads) == ("int4", 4, ())
    np.testing.assert_allclose(layer.weight.values, integers * np.repeat(scales, 4, axis=0), rtol=1e-6)


def test_seven_bits_are_told_from_eight(small_models):
    model = small_models.qdq()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    kernel.CopyFrom(onnx.numpy_helper.from_array(np.full((4, 3, 3, 3), 64, np.int8), "kernel"))

    assert take_apart(model, where="m").layers[0].weight.bits == 7
    assert take_apart(small_models.qdq(), where="m").layers[0].weight.bits == 8


def test_a_scale_that_is_computed_leaves_the_weight_as_it_is(small_models):
    model = pair_on_weight(small_models)
    model.graph.node.insert(0, helper.make_node("Abs", ["scale"], ["computed"]))
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.input[1] = "computed"

    with pytest.raises(Unsupported, match="`m` has no layer on quantized values whose scales are constants"):
        take_apart(model, where="m")


def test_nodes_with_float_weights_are_named(small_models):
    model = small_models.qdq()
    model.graph.node.append(helper.make_node("Conv", ["features", "float"], ["more"], name="late"))
    model.graph.initializer.extend(small_models.constants(float=np.ones((4, 4, 1, 1), np.float32)))
    model.graph.node[-1].input[0] = "raw"
    model.graph.output.append(small_models.value("more", "batch", 4, 8, 8))

    assert take_apart(model, where="m").kept_float == ("late",)


@pytest.mark.parametrize(
    ("operator", "attributes", "axis"),
    [("Conv", {}, 0), ("ConvTranspose", {}, 1), ("Gemm", {"transB": 1}, 0), ("Gemm", {}, 1), ("MatMul", {}, 1)],
)
def test_output_channels_lie_along(operator, attributes, axis):
    rank = 4 if "Conv" in operator else 2

    assert channel_axis(helper.make_node(operator, ["x", "w"], ["y"], **attributes), rank) == axis


def pair_on_weight(small_models, *, is_turned=False):
    """x (1, 2) -> MatMul with a weight behind QuantizeLinear and DequantizeLinear, and Transpose if asked."""
    weight = np.array([[0.5, -0.26], [0.1, 1.27]], np.float32)
    nodes = [
        helper.make_node("QuantizeLinear", ["weight", "scale", "point"], ["weight_q"]),
        helper.make_node("DequantizeLinear", ["weight_q", "scale", "point"], ["weight_dq"]),
    ]
    if is_turned:
        nodes.append(helper.make_node("Transpose", ["weight_dq"], ["turned"], perm=[1, 0]))
    nodes.append(helper.make_node("MatMul", ["x", "turned" if is_turned else "weight_dq"], ["y"], name="product"))
    constants = small_models.constants(weight=weight, scale=np.float32(0.01), point=np.int8(0))
    return small_models.model(nodes, [small_models.value("x", 1, 2)], [small_models.value("y", 1, 2)], constants)
