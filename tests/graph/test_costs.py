"""Costs are counted as MLPerf Tiny and most papers count them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.errors import InputError
from edgeopt.graph.costs import cost_of, node_macs, operators_of
from edgeopt.graph.load import load_onnx
from edgeopt.graph.shapes import TensorType


def macs(
    operator: str, inputs: list[tuple[int, ...] | None], output: tuple[int, ...] | None, **attributes: Any
) -> int | None:
    """Multiply-accumulates of one node on tensors of these shapes."""
    names = [f"in{index}" for index in range(len(inputs))]
    types = {
        name: TensorType(shape, "float32", 4) for name, shape in zip([*names, "out"], [*inputs, output], strict=True)
    }
    return node_macs(helper.make_node(operator, names, ["out"], **attributes), types)


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "attributes", "count"),
    [
        ("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], (1, 4, 6, 6), {}, 4 * 36 * 27),
        ("Conv", [(1, 8, 8, 8), (8, 1, 3, 3)], (1, 8, 8, 8), {"group": 8}, 8 * 64 * 9),
        ("Conv", [(2, 3, 10), (4, 3, 5)], (2, 4, 6), {}, 2 * 4 * 6 * 15),
        ("ConvTranspose", [(1, 4, 5, 5), (4, 2, 3, 3)], (1, 2, 7, 7), {}, 4 * 25 * 18),
        ("Gemm", [(2, 6), (6, 5)], (2, 5), {}, 60),
        ("Gemm", [(6, 2), (6, 5)], (2, 5), {"transA": 1}, 60),
        ("Gemm", [(2, 6), (5, 6)], (2, 5), {"transA": 0, "transB": 1}, 60),
        ("MatMul", [(7, 2, 6), (7, 6, 5)], (7, 2, 5), {}, 420),
        ("MatMul", [(6,), (6,)], (), {}, 6),
        ("LSTM", [(9, 2, 3), (1, 16, 3), (1, 16, 4)], (9, 1, 2, 4), {}, 9 * 2 * (48 + 64)),
        ("QLinearConv", [(1, 3, 8, 8), (), (), (4, 3, 3, 3)], (1, 4, 6, 6), {}, 4 * 36 * 27),
        ("Attention", [(2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6)], (2, 4, 5, 6), {}, 2 * 4 * 5 * 7 * (8 + 6)),
        ("Attention", [(2, 5, 32), (2, 7, 32), (2, 7, 24)], (2, 5, 24), {"q_num_heads": 4}, 2 * 4 * 5 * 7 * (8 + 6)),
        ("Attention", [(2, 4, 1, 8), (2, 1, 3, 8), (2, 1, 3, 8)], (2, 4, 1, 8), {"is_causal": 1}, 2 * 4 * 3 * 16),
        ("Attention", [(1, 5, 8), None, (1, 7, 8)], (1, 5, 8), {}, None),
        ("Einsum", [(2, 5, 8), (2, 7, 8)], (2, 5, 7), {"equation": "bqd, bkd -> bqk"}, 2 * 5 * 7 * 8),
        ("Einsum", [(5, 8), (8, 7)], (5, 7), {"equation": "ij,jk"}, 5 * 7 * 8),
        ("Einsum", [(5, 8), (5, 8)], (5, 8), {"equation": "ij,ij->ij"}, 0),
        ("Einsum", [(5, 8)], (5,), {"equation": "ij->i"}, 0),
        ("Einsum", [(5, 8), (8, 7)], (5, 7), {"equation": "...j,jk->...k"}, None),
        ("Einsum", [(5, 8), (8, 7), (7, 3)], (5, 3), {"equation": "ij,jk,kl->il"}, None),
        ("Relu", [(1, 3)], (1, 3), {}, 0),
        ("Conv", [None, (4, 3, 3, 3)], (1, 4, 6, 6), {}, None),
        ("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], None, {}, None),
        ("QLinearConv", [(1, 3, 8, 8), (), (), None], (1, 4, 6, 6), {}, None),
    ],
)
def test_a_node_counts_one_for_each_product_that_is_summed(
    operator: str, inputs: list[Any], output: Any, attributes: dict[str, Any], count: int | None
) -> None:
    assert macs(operator, inputs, output, **attributes) == count


def test_attention_counts_the_keys_of_the_past_too() -> None:
    shapes = {"q": (1, 2, 1, 8), "k": (1, 2, 1, 8), "v": (1, 2, 1, 8), "past": (1, 2, 9, 8), "y": (1, 2, 1, 8)}
    types = {name: TensorType(shape, "float32", 4) for name, shape in shapes.items()}
    node = helper.make_node("Attention", ["q", "k", "v", "", "past", "past"], ["y", "keys", "values"])

    assert node_macs(node, types) == 2 * (9 + 1) * (8 + 8)
    assert node_macs(node, types | {"past": TensorType(None, "float32", 4)}) is None


@pytest.mark.parametrize("operator", ["Attention", "FusedConv", "MatMulNBits", "QLinearConv"])
def test_products_of_a_runtimes_own_operators_are_not_known(operator: str) -> None:
    assert macs(operator, [(1, 3, 8)] * 4, (1, 3, 8), domain="com.microsoft") is None


@pytest.mark.parametrize("operator", ["Gelu", "ConvertToBfloat", "QLinearAdd"])
def test_a_runtimes_own_operators_without_products_cost_nothing(operator: str) -> None:
    assert macs(operator, [(1, 3, 8)] * 4, (1, 3, 8), domain="com.microsoft") == 0


def test_a_small_network_costs_what_the_hand_counts(small_models: Any) -> None:
    cost = cost_of(small_models.conv(), where="m.onnx")

    assert cost.macs == 4 * 8 * 8 * 27 + 4 * 5
    assert cost.parameters == 108 + 4 + 20
    assert cost.weight_bytes == 4 * 132
    assert cost.activation_peak_bytes == 4 * (3 * 64 + 4 * 64)  # the image and what Conv makes of it
    assert cost.unknown == ()


def test_the_cost_is_that_of_one_sample_whatever_the_batch(small_models: Any) -> None:
    assert cost_of(small_models.conv(), where="m") == cost_of(small_models.conv_fixed_batch(), where="m")


@pytest.mark.parametrize("ir", [3, 8])
def test_initializers_listed_among_the_inputs_cost_the_same(small_models: Any, save_model: Any, ir: int) -> None:
    listed = cost_of(load_onnx(save_model(small_models.listed_initializers(ir))), where="m")

    assert listed.unknown == ()
    assert listed == cost_of(small_models.padded(), where="m")


def test_counting_leaves_the_model_alone(small_models: Any) -> None:
    model = small_models.conv()
    cost_of(model, where="m.onnx")

    assert model == small_models.conv()


def test_a_quantized_network_costs_the_same_and_weighs_a_quarter(small_models: Any) -> None:
    cost = cost_of(small_models.qdq(), where="m.onnx")

    assert cost.macs == 4 * 8 * 8 * 27
    assert cost.parameters == 108 + 4
    assert cost.activation_peak_bytes == 256 + 4 * 256  # what Conv makes, on int8, and the float output
    assert cost.unknown == ()


@pytest.mark.parametrize("name", ["branch", "loop"])
def test_products_inside_a_branch_or_a_loop_make_the_count_a_lower_bound(small_models: Any, name: str) -> None:
    cost = cost_of(getattr(small_models, name)(), where="m.onnx")

    assert cost.macs == 0
    assert cost.unknown == ({"branch": "if", "loop": "loop"}[name],)


def test_a_branch_without_products_costs_nothing(small_models: Any) -> None:
    model = small_models.branch()
    for attribute in model.graph.node[0].attribute:
        attribute.g.node[0].CopyFrom(helper.make_node("Relu", ["x"], [attribute.g.output[0].name]))
    cost = cost_of(model, where="m.onnx")

    assert (cost.macs, cost.unknown) == (0, ())


def test_constants_in_nodes_are_weights_too(small_models: Any) -> None:
    kernel = small_models.constants(value=np.ones((3, 2), np.float32))[0]
    nodes = [
        helper.make_node("Constant", [], ["kernel"], value=kernel),
        helper.make_node("MatMul", ["x", "kernel"], ["y"]),
    ]
    model = small_models.model(nodes, [small_models.value("x", "n", 3)], [small_models.value("y", "n", 2)])
    cost = cost_of(model, where="m.onnx")

    assert (cost.macs, cost.parameters, cost.weight_bytes) == (6, 6, 24)


def test_single_numbers_of_a_formula_are_no_parameters(small_models: Any) -> None:
    """Limits of Clip and the scale of attention are not; the bias of a layer with one output is."""
    constants = small_models.constants(
        kernel=np.ones((3, 1), np.float32),
        bias=np.ones(1, np.float32),
        low=np.float32(0),
        high=np.float32(6),
        scale=np.full(1, 0.5, np.float32),
    )
    nodes = [
        helper.make_node("Gemm", ["x", "kernel", "bias"], ["score"]),
        helper.make_node("Clip", ["score", "low", "high"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "scale"], ["y"]),
    ]
    model = small_models.model(nodes, [small_models.value("x", "n", 3)], [small_models.value("y", "n", 1)], constants)
    cost = cost_of(model, where="m.onnx")

    assert (cost.macs, cost.parameters) == (3, 3 + 1)
    assert cost.weight_bytes == 4 * 7


def test_a_model_that_cannot_run_has_no_cost(small_models: Any) -> None:
    model = small_models.mlp()
    model.graph.node[0].input[1] = "second"
    with pytest.raises(InputError, match=r"ONNX Runtime does not take `m\.onnx`: "):
        cost_of(model, where="m.onnx")


def test_operators_are_counted_with_the_most_frequent_first(small_models: Any) -> None:
    model = small_models.mlp()
    model.graph.node.append(helper.make_node("Gelu", ["scores"], ["z"], domain="com.microsoft"))

    assert list(operators_of(model).items()) == [("Gemm", 2), ("Relu", 1), ("com.microsoft.Gelu", 1)]


def test_the_shipped_model_costs_what_resnet8_does_on_grey_images(digits_model: Path) -> None:
    cost = cost_of(load_onnx(digits_model), where=str(digits_model))

    assert cost.macs == 12_501_632 - 2 * 16 * 9 * 32 * 32  # one channel where MLPerf Tiny's has three
    assert cost.unknown == ()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"), [("mlperf_tiny/ic_resnet8.onnx", 12_501_632), ("kws/kws_dscnn.onnx", 2_656_768)]
)
def test_mlperf_tiny_networks_cost_what_is_published(shared_data: Path, name: str, count: int) -> None:
    cost = cost_of(load_onnx(shared_data / name), where=name)

    assert cost.macs == count
    assert cost.unknown == ()


@pytest.mark.shared
def test_the_autoencoder_of_mlperf_tiny_does_one_product_per_weight(shared_data: Path) -> None:
    cost = cost_of(load_onnx(shared_data / "mlperf_tiny" / "ad_autoencoder.onnx"), where="ad")

    assert cost.macs == 264_192
