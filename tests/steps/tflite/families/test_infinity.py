from __future__ import annotations

import numpy as np

from tests.steps.tflite.families.single import lowered_single
from tests.steps.tflite.running import assert_same, kinds_of, parsed

X = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)


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
