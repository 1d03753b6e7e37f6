"""Outputs that a Split leaves out get names, for ONNX Runtime crashes without."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from edgeopt.graph.outputs import name_split_outputs


def test_left_out_outputs_of_a_split_get_free_names_and_the_model_runs(small_models: Any, outputs_of: Any) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["split_1_1"]),
        helper.make_node("Split", ["split_1_1"], ["y", ""], axis=1),
    ]
    model = small_models.model(nodes, [small_models.value("x", "n", 4)], [small_models.value("y", "n", 2)])

    name_split_outputs(model.graph)

    assert list(model.graph.node[1].output) == ["y", "split_1_1_"]
    x = np.float32([[1, -2, 3, 4]])
    np.testing.assert_array_equal(outputs_of(model, {"x": x})["y"], [[1, 0]])


def test_outputs_that_other_operators_leave_out_stay_so(small_models: Any) -> None:
    lstm = helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], hidden_size=2)
    model = small_models.model([lstm], [small_models.value("x", 3, 1, 4)], [small_models.value("h", 1, 1, 2)])

    name_split_outputs(model.graph)

    assert list(model.graph.node[0].output) == ["", "h"]
