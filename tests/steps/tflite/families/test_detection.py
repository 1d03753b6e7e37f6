"""NonMaxSuppression against ONNX Runtime, where TFLite's own kernel differs from it too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeopt.errors import Unsupported
from tests.steps.tflite.models import one_node
from tests.steps.tflite.running import assert_same, lowered_model, parsed


def model_of(boxes, scores, *, most=3, overlap=0.5, lowest=None, **attributes):
    constants = {"most": np.array([most]), "overlap": np.array([overlap], np.float32)}
    if lowest is not None:
        constants["lowest"] = np.array([lowest], np.float32)
    return one_node("NonMaxSuppression", {"boxes": boxes, "scores": scores}, constants, **attributes)


def agrees(boxes, scores, **options):
    return assert_same(model_of(boxes, scores, **options), {"boxes": boxes, "scores": scores})


def some_boxes(batches=1, count=12, seed=1):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 8, (batches, count, 2))
    size = rng.integers(0, 6, (batches, count, 2))  # some have no area
    return np.concatenate([corner, corner + size], axis=-1).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    lowest=st.sampled_from([None, 0.25, 0.5]),
    most=st.integers(1, 14),
)
def test_boxes_of_few_lengths_and_equal_scores_are_kept_as_onnx_keeps_them(seed, overlap, lowest, most):
    boxes = some_boxes(batches=2, seed=seed)
    scores = np.random.default_rng(seed).integers(0, 5, (2, 3, 12)).astype(np.float32) / 4

    agrees(boxes, scores, overlap=overlap, lowest=lowest, most=most)


def test_a_box_without_area_is_taken_once():
    boxes = np.array([[[1, 1, 1, 1], [0, 0, 2, 2], [1, 1, 1, 1]]], np.float32)

    agrees(boxes, np.array([[[0.9, 0.8, 0.7]]], np.float32))


def test_corners_may_be_given_the_other_way_round():
    boxes = some_boxes()[:, :, [2, 1, 0, 3]]

    agrees(boxes, np.random.default_rng(1).random((1, 2, 12)).astype(np.float32))


def test_boxes_may_be_told_by_their_center():
    agrees(
        np.abs(some_boxes()),
        np.random.default_rng(1).random((1, 2, 12)).astype(np.float32),
        center_point_box=1,
    )


@pytest.mark.parametrize("most", [0, -1])
def test_no_boxes_are_wanted(most):
    agrees(some_boxes(), np.ones((1, 1, 12), np.float32), most=most)


def test_no_box_is_good_enough():
    agrees(some_boxes(), np.zeros((1, 2, 12), np.float32), lowest=0.5)


def test_what_reads_the_boxes_that_are_kept_is_refused_with_a_rewrite():
    text = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1, 6, 4] boxes, float[1, 1, 6] scores) => (float[n, 3] y)
<int64[1] most = {2}>
{
  kept = NonMaxSuppression (boxes, scores, most)
  y = Cast <to = 1> (kept)
}
"""
    with pytest.raises(Unsupported, match="as many elements as its data say"):
        lowered_model(parsed(text))
