from __future__ import annotations

import numpy as np
import pytest

from edgeopt.steps.tflite.flatbuffer import model_bytes
from tests.steps.tflite.families.single import assert_gives, lowered_single
from tests.steps.tflite.running import REFERENCE, XNNPACK, assert_same, kinds_of, lowered_model, parsed, run_tflite

X = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)
MASK = np.array([[0.0, -np.inf], [np.inf, 0.5]], np.float32)


@pytest.mark.parametrize("operator", ["Add", "Sub"])
def test_infinite_numbers_of_a_constant_stay_so(operator: str) -> None:
    expected = X + MASK if operator == "Add" else X - MASK

    assert_gives(operator, {"x": X}, expected, constants={"m": MASK})


@pytest.mark.parametrize(("operator", "end"), [("ReduceMax", "-inf"), ("ReduceMin", "inf")])
def test_an_extreme_of_infinite_numbers_alone_is_infinite(operator: str, end: str) -> None:
    model = parsed(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g (bool[2, 2] c, float[2, 2] x) => (float[2, 1] y) {{
          i = Constant <value = float[1] {{0}}> ()
          w = Where(c, x, i)
          y = {operator} <axes = [1]> (w)
        }}"""
    )
    constant = next(node for node in model.graph.node if node.op_type == "Constant")
    constant.attribute[0].t.float_data[0] = float(end)
    feeds = {"c": np.array([[False, False], [True, False]]), "x": X}

    result = lowered_model(model)

    assert "REDUCE_ALL" in kinds_of(result)
    for kernels in (XNNPACK, REFERENCE):
        given = run_tflite(model_bytes(result.net), feeds, kernels)["y"]
        np.testing.assert_array_equal(given, np.array([[float(end)], [3.0]], np.float32))


def test_a_causal_mask_before_a_softmax_is_a_plain_sum() -> None:
    model = parsed(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 2] x) => (float[2, 2] y) {
          m = Constant <value = float[2, 2] {0, 1, 0, 0}> ()
          s = Add(x, m)
          y = Softmax(s)
        }"""
    )
    constant = next(node for node in model.graph.node if node.op_type == "Constant")
    constant.attribute[0].t.float_data[1] = -np.inf

    assert kinds_of(assert_same(model, {"x": X})) == ["ADD", "SOFTMAX"]


def test_a_graph_without_infinite_numbers_pays_nothing() -> None:
    assert kinds_of(lowered_single("Add", {"x": X}, constants={"m": X})) == ["ADD"]
    assert kinds_of(lowered_single("ReduceMax", {"x": X})) == ["REDUCE_MAX"]
