"""Sequences of tensors that are resolved while the net is built, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model, parsed

HEADER = '<ir_version: 8, opset_import: ["" : 17]>\n'


def feed(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def test_parts_of_an_image_go_through_a_sequence_without_a_trace():
    text = """
net (float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y, int64 n)
<int64 two = {2}, int64 first = {0}, int64 last = {-1}>
{
  parts = SplitToSequence <axis = 1> (x, two)
  a = SequenceAt (parts, last)
  b = SequenceErase (parts, last)
  c = SequenceInsert (b, a, first)
  y = ConcatFromSequence <axis = 1> (c)
  n = SequenceLength (c)
}
"""
    kinds = kinds_of(assert_same(parsed(HEADER + text), {"x": feed(1, 4, 3, 3)}))

    assert kinds == ["SLICE", "SLICE", "CONCATENATION", "RESHAPE"]


@pytest.mark.parametrize("keeps", [0, 1])
def test_rows_are_taken_apart_and_stacked(keeps):
    text = f"""
net (float[3, 4] x) => (float[{"3, 1, 4" if keeps else "3, 4"}] y)
{{
  rows = SplitToSequence <axis = 0, keepdims = {keeps}> (x)
  y = ConcatFromSequence <axis = 0, new_axis = 1> (rows)
}}
"""
    assert_same(parsed(HEADER + text), {"x": feed(3, 4)})


def test_elements_are_put_where_python_puts_them():
    text = """
net (float[2] x, float[2] z) => (float[6] y)
<int64 before_last = {-1}>
{
  pair = SequenceConstruct (x, x)
  all = SequenceInsert (pair, z, before_last)
  y = ConcatFromSequence <axis = 0> (all)
}
"""
    assert_same(parsed(HEADER + text), {"x": feed(2), "z": feed(2) + 1})


def test_a_computed_position_is_refused():
    text = """
net (float[2] x, int64 place) => (float[2] y)
{
  pair = SequenceConstruct (x, x)
  y = SequenceAt (pair, place)
}
"""
    with pytest.raises(Unsupported, match="position is computed while the model runs"):
        lowered_model(parsed(HEADER + text))


def test_a_sequence_that_is_given_out_is_refused():
    text = """
net (float[4] x) => (seq(float[2]) y)
<int64 two = {2}>
{
  y = SplitToSequence <axis = 0> (x, two)
}
"""
    with pytest.raises(Unsupported, match="hands on the sequence `y`, and TFLite has tensors only"):
        lowered_model(parsed(HEADER + text))


def test_a_position_outside_is_refused():
    from edgeopt.steps.tflite.lower import lowered

    text = """
net (float[2] x) => (float[2] y)
<int64 third = {2}>
{
  pair = SequenceConstruct (x, x)
  y = SequenceAt (pair, third)
}
"""
    with pytest.raises(Unsupported, match="takes element 2 of a sequence of 2"):
        lowered(parsed(HEADER + text), where="test.onnx")
