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
