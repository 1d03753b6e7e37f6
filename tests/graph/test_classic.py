"""What classic machine learning holds and costs, counted by hand."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgeopt.graph.classic import DOMAIN, classic_bytes, classic_macs, classic_parameters, is_classic
from edgeopt.graph.costs import cost_of

TREE = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [1, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_values": [0.5, 0.0, 0.0],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
    "target_treeids": [0, 0],
    "target_nodeids": [1, 2],
    "target_ids": [0, 0],
    "target_weights": [1.0, 2.0],
    "n_targets": 1,
}


def test_a_tree_holds_a_threshold_and_two_leaves_and_multiplies_nothing() -> None:
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain=DOMAIN, **TREE)

    assert is_classic(node)
    assert classic_macs(node) == 0
    assert classic_parameters(node) == 3
    assert classic_bytes(node) == 12


def test_a_linear_classifier_does_one_product_per_weight() -> None:
    node = helper.make_node(
        "LinearClassifier", ["x"], ["l", "p"], domain=DOMAIN, coefficients=[0.1] * 6, intercepts=[0.0] * 2
    )

    assert classic_macs(node) == 6
    assert classic_parameters(node) == 8


def test_values_of_leaves_in_a_tensor_count_too() -> None:
    leaves = numpy_helper.from_array(np.ones(4, dtype=np.float32), "leaves")
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain=DOMAIN, target_weights_as_tensor=leaves)

    assert classic_parameters(node) == 4


def test_a_scaled_tree_costs_what_both_do() -> None:
    nodes = [
        helper.make_node("Scaler", ["x"], ["scaled"], domain=DOMAIN, offset=[0.0, 1.0], scale=[1.0, 2.0]),
        helper.make_node("TreeEnsembleRegressor", ["scaled"], ["y"], domain=DOMAIN, **TREE),
    ]
    graph = helper.make_graph(
        nodes,
        "boosted",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 3)]
    cost = cost_of(helper.make_model(graph, opset_imports=opsets, ir_version=8), where="boosted")

    assert (cost.macs, cost.parameters, cost.weight_bytes) == (2, 7, 28)
    assert cost.unknown == ()
