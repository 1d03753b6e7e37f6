"""Times of fused nodes told by the nodes that they were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgeopt.graph.rewrite.order import with_shapes
from edgeopt.steps.quantize.placement.node_times import NodeNames, node_times

node = helper.make_node


def normal(*shape: int) -> Any:
    return (np.random.default_rng(0).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@pytest.fixture
def net(small_models: Any) -> Any:
    """x -> Conv -> Relu -> Conv -> Add of the Relu's result -> Relu -> mean -> Gemm."""
    nodes = [
        node("Conv", ["x", "v"], ["c1"], name="first", pads=[1] * 4),
        node("Relu", ["c1"], ["r1"], name="relu"),
        node("Conv", ["r1", "w"], ["c2"], name="second", pads=[1] * 4),
        node("Add", ["c2", "r1"], ["s"], name="add"),
        node("Relu", ["s"], ["r2"], name="relu2"),
        node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        node("Flatten", ["p"], ["f"], name="flat"),
        node("Gemm", ["f", "d"], ["y"], name="dense"),
    ]
    constants = small_models.constants(v=normal(16, 16, 3, 3), w=normal(16, 16, 3, 3), d=normal(16, 5))
    values = [small_models.value("x", "batch", 16, 16, 16)], [small_models.value("y", "batch", 5)]
    return with_shapes(small_models.model(nodes, *values, constants))


FEEDS = {"x": np.random.default_rng(0).standard_normal((1, 16, 16, 16)).astype(np.float32)}


def test_the_nodes_of_the_float_model_are_recognized_behind_its_rewrites(net):
    found = node_times(net, NodeNames(net.graph), FEEDS, threads=1, budget_seconds=0.05)

    assert {"first", "second", "pool", "dense"} <= set(found)
    assert set(found) <= {n.name for n in net.graph.node}
    assert found["second"] > found["dense"] > 0


def test_the_nodes_of_the_int8_model_are_recognized_behind_its_kernels(net, int8_of):
    found = node_times(int8_of(net, FEEDS), NodeNames(net.graph), FEEDS, threads=1, budget_seconds=0.05)

    assert {"first", "second", "add", "pool", "dense"} <= set(found)
    assert set(found) <= {n.name for n in net.graph.node}


def test_a_rounding_counts_to_the_nodes_that_read_it_and_its_end_to_the_node_that_writes_it(net):
    names = NodeNames(net.graph)

    assert names.owners("x_QuantizeLinear", "QuantizeLinear") == ["first"]
    assert names.owners("r1_QuantizeLinear", "QuantizeLinear") == ["second", "add"]
    assert names.owners("r1_DequantizeLinear", "DequantizeLinear") == ["first"]
    assert names.owners("r2_dq", "DequantizeLinear") == ["add"]
    assert names.owners("elsewhere", "QuantizeLinear") == []


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("second", ["second"]),
        ("second_token_12", ["second"]),
        ("second/MatMulAddFusion", ["second"]),
        ("r1_nchwc", ["first"]),
        ("ReorderOutput_token_3", []),
        ("", []),
    ],
)
def test_names_that_the_runtime_gives_lead_back(net, name, owner):
    assert NodeNames(net.graph).owners(name, "QLinearConv") == owner
