"""Networks come out with as few transpositions as their own moves need: one at each boundary, and no other."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeopt.steps.tflite.boundary import channels_last_boundary
from tests.steps.tflite.running import assert_same, kinds_of

HEADER = '<ir_version: 8, opset_import: ["" : 17]>\n'


def model_of(text, **weights):
    """A model whose constants are random arrays of the given shapes, or the given arrays."""
    model = onnx.parser.parse_model(HEADER + text)
    rng = np.random.default_rng(0)
    for name, given in weights.items():
        value = given if isinstance(given, np.ndarray) else rng.standard_normal(given).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    onnx.checker.check_model(model, full_check=True)
    return model


def feed(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def moves(result):
    """(transpositions of the net, of those what is left when its boundary is channels last)."""
    count = kinds_of(result).count("TRANSPOSE")
    channels_last_boundary(result.net)
    return count, kinds_of(result).count("TRANSPOSE")


def test_a_channel_shuffle_turns_only_its_groups():
    model = model_of(
        """
net (float[1, 4, 6, 6] x) => (float[1, 8, 6, 6] y)
{
  a = Conv (x, w)
  b = Reshape (a, split)
  c = Transpose <perm = [0, 2, 1, 3, 4]> (b)
  d = Reshape (c, merge)
  y = Conv (d, v)
}
""",
        w=(8, 4, 1, 1),
        v=(8, 8, 1, 1),
        split=ints(1, 2, 4, 6, 6),
        merge=ints(1, 8, 6, 6),
    )

    assert moves(assert_same(model, {"x": feed(1, 4, 6, 6)})) == (3, 1)


def test_patches_of_an_image_become_a_sequence_without_a_move():
    model = model_of(
        """
net (float[1, 3, 8, 8] x) => (float[1, 16, 6] y)
{
  a = Conv <strides = [2, 2]> (x, w)
  b = Reshape (a, flat)
  c = Transpose <perm = [0, 2, 1]> (b)
  y = MatMul (c, v)
}
""",
        w=(5, 3, 2, 2),
        v=(5, 6),
        flat=ints(1, 5, 16),
    )

    assert moves(assert_same(model, {"x": feed(1, 3, 8, 8)})) == (1, 0)


def test_heads_of_a_detector_that_transposes_itself_are_joined_without_a_move():
    model = model_of(
        """
net (float[1, 3, 8, 8] x) => (float[1, 160, 4] y)
{
  a = Conv <pads = [1, 1, 1, 1]> (x, w)
  b = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (a, v)
  c = Transpose <perm = [0, 2, 3, 1]> (a)
  d = Transpose <perm = [0, 2, 3, 1]> (b)
  e = Reshape (c, rows)
  f = Reshape (d, rows)
  y = Concat <axis = 1> (e, f)
}
""",
        w=(8, 3, 3, 3),
        v=(8, 8, 3, 3),
        rows=ints(1, -1, 4),
    )

    assert moves(assert_same(model, {"x": feed(1, 3, 8, 8)})) == (1, 0)


def test_a_yolo_head_moves_its_anchors_once():
    model = model_of(
        """
net (float[1, 3, 4, 4] x) => (float[1, 32, 7] y)
{
  a = Conv (x, w)
  b = Reshape (a, anchors)
  c = Transpose <perm = [0, 1, 3, 4, 2]> (b)
  y = Reshape (c, rows)
}
""",
        w=(14, 3, 1, 1),
        anchors=ints(1, 2, 7, 4, 4),
        rows=ints(1, 32, 7),
    )

    assert moves(assert_same(model, {"x": feed(1, 3, 4, 4)})) == (2, 1)


def test_an_image_split_by_channels_and_joined_again_stays_where_it_lies():
    model = model_of(
        """
net (float[1, 3, 6, 6] x) => (float[1, 12, 6, 6] y)
{
  a = Conv <pads = [1, 1, 1, 1]> (x, w)
  b, c = Split <axis = 1> (a)
  d = Conv <pads = [1, 1, 1, 1]> (c, v)
  e = Slice (a, start, end, axis)
  y = Concat <axis = 1> (b, d, e)
}
""",
        w=(8, 3, 3, 3),
        v=(4, 4, 3, 3),
        start=ints(2),
        end=ints(6),
        axis=ints(1),
    )

    assert moves(assert_same(model, {"x": feed(1, 3, 6, 6)})) == (2, 0)


def test_patches_cut_out_by_steps_stay_channels_last():
    model = model_of(
        """
net (float[1, 3, 6, 6] x) => (float[1, 5, 3, 3] y)
{
  a = Slice (x, zero, end, rows, two)
  b = Slice (x, one, end, rows, two)
  c = Concat <axis = 1> (a, b)
  d = Conv <strides = [1, 2]> (c, w)
  y = Relu (d)
}
""",
        w=(5, 6, 1, 2),
        zero=ints(0),
        one=ints(1),
        two=ints(2),
        end=ints(2**31),
        rows=ints(2),
    )

    before, _ = moves(assert_same(model, {"x": feed(1, 3, 6, 6)}))

    assert before == 2


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_moves_its_heads_only(heads):
    size = 8 // heads
    model = model_of(
        """
net (float[1, 5, 8] x) => (float[1, 5, 8] y)
{
  q = MatMul (x, wq)
  k = MatMul (x, wk)
  v = MatMul (x, wv)
  qr = Reshape (q, parts)
  kr = Reshape (k, parts)
  vr = Reshape (v, parts)
  qt = Transpose <perm = [0, 2, 1, 3]> (qr)
  kt = Transpose <perm = [0, 2, 3, 1]> (kr)
  vt = Transpose <perm = [0, 2, 1, 3]> (vr)
  s = MatMul (qt, kt)
  p = Softmax <axis = -1> (s)
  o = MatMul (p, vt)
  ot = Transpose <perm = [0, 2, 1, 3]> (o)
  y = Reshape (ot, whole)
}
""",
        wq=(8, 8),
        wk=(8, 8),
        wv=(8, 8),
        parts=ints(1, 5, heads, size),
        whole=ints(1, 5, 8),
    )

    before, _ = moves(assert_same(model, {"x": feed(1, 5, 8)}))

    assert before <= (4 if heads > 1 else 1)


def test_a_keras_export_with_channels_last_inputs_moves_nothing():
    model = model_of(
        """
net (float[1, 6, 6, 3] x) => (float[1, 6, 6, 4] y)
{
  a = Transpose <perm = [0, 3, 1, 2]> (x)
  b = Conv <pads = [1, 1, 1, 1]> (a, w)
  y = Transpose <perm = [0, 2, 3, 1]> (b)
}
""",
        w=(4, 3, 3, 3),
    )

    assert moves(assert_same(model, {"x": feed(1, 6, 6, 3)})) == (0, 0)


def test_flattened_channels_are_taken_in_the_order_in_which_they_lie():
    model = model_of(
        """
net (float[1, 3, 6, 6] x) => (float[1, 4] y)
{
  a = Conv (x, w)
  b = Flatten (a)
  y = Gemm (b, v)
}
""",
        w=(5, 3, 3, 3),
        v=(80, 4),
    )

    assert moves(assert_same(model, {"x": feed(1, 3, 6, 6)})) == (1, 0)
